"""Events on the disk: nothing that was acknowledged is lost, whatever is killed when."""

import os
import subprocess
import sys

import pytest

from storage import events, fragments
from tasks.annotation import journal as journals
from tasks.annotation.journal import FILE, Journal, read_all
from tests.tasks.annotation.acts import Acts

KILLED = """
import os, sys
from pathlib import Path
from storage import events
from storage.database import Database
from tasks.annotation import journal
from tests.tasks.annotation.acts import Acts

folder, store, where = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
log, acts = journal.Journal(folder), Acts()
for number in range(3):
    log.add([acts("ada", "draft", "p1", question=str(number))])
    print(number, flush=True)

def kill(*_):
    os._exit(9)

if where == "renamed":
    journal.events.add = kill
elif where == "committed":
    Path.unlink = kill
elif where == "half":
    os.write(os.open(folder / journal.FILE, os.O_WRONLY | os.O_APPEND), b'{"event_id":"cut')
    kill()
log.move_to(Database(store))
"""


def acts_of(count):
    acts = Acts()
    for number in range(count):
        acts("ada", "draft", "p1", question=f"Is it {number}?")
    return acts.events


@pytest.mark.parametrize("where", ["half", "renamed", "committed"])
def test_a_kill_loses_nothing_that_was_written(tmp_path, db, where):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, db.uri, where],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (9, ["0", "1", "2"])

    journal = Journal(tmp_path)
    journal.add([acts_of(4)[3]])
    found = read_all(db, tmp_path, "m")
    journal.move_to(db)

    assert len({row.event_id for row in found}) == 4
    assert [row.body["question"] for row in events.read(db, "m")] == ["0", "1", "2", "Is it 3?"]
    assert [path.name for path in tmp_path.glob("events*")] == [FILE]


def test_events_are_readable_by_others_before_while_and_after_they_move(tmp_path, db):
    journal = Journal(tmp_path)
    rows = acts_of(3)
    journal.add(rows[:2])
    assert read_all(db, tmp_path, "m") == rows[:2]

    assert journal.move_to(db) == 2
    journal.add(rows[2:])

    assert sorted(read_all(db, tmp_path, "m"), key=lambda row: row.at) == rows
    assert read_all(db, tmp_path, "other") == []


def test_moving_nothing_makes_no_version(tmp_path, db):
    journal = Journal(tmp_path)
    journal.add(acts_of(1))
    journal.move_to(db)
    version = db.version(events.SPEC)

    assert journal.move_to(db) == 0
    assert db.version(events.SPEC) == version


def test_a_full_disk_takes_nothing_and_leaves_no_half_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    rows = acts_of(2)
    journal.add(rows[:1])

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.add(rows[1:])

    assert (tmp_path / FILE).read_text() == rows[0].to_line() + "\n"
    journal.add(rows[1:])
    assert (tmp_path / FILE).read_text().count("\n") == 2


def test_many_moves_leave_few_files_and_every_event(tmp_path, db, monkeypatch):
    most, rows = 3, acts_of(12)
    monkeypatch.setattr(fragments, "SMALL_FRAGMENTS", most)
    monkeypatch.setattr(journals, "CLEAN_EVERY", most)
    journal = Journal(tmp_path)
    for row in rows:
        journal.add([row])
        journal.move_to(db)

    table = db.open(events.SPEC.name)
    assert len(table.to_lance().get_fragments()) <= most
    assert len(table.list_versions()) <= 2 * most
    assert events.read(db, "m") == rows
