"""Disks that are full, read-only or otherwise refuse: what is told, and what stays."""

import os
import pickle
import subprocess

import pytest

from storage.database import Database, StoreError, is_disk_error
from tests.storage.things import SPEC, rows_of, table_of

LANCE_SAYS = [
    ("No space left on device (os error 28)", "no space left .* free some disk space"),
    ("Read-only file system (os error 30)", "read-only file system; make it writable"),
    ("Permission denied (os error 13)", "permission denied; make it writable for this user"),
]


@pytest.mark.parametrize(("words", "told"), LANCE_SAYS)
@pytest.mark.parametrize("kind", [RuntimeError, OSError])
def test_a_disk_that_takes_no_write_is_told_with_what_to_do(db, monkeypatch, kind, words, told):
    def fail(*_):
        message = f"lance error: LanceError(IO): {words}, lance-file/src/writer.rs:258:9"
        raise kind(message)

    db.upsert(SPEC, table_of(("a", "x", 1, None)))
    monkeypatch.setattr("lancedb.merge.LanceMergeInsertBuilder.execute", fail)

    with pytest.raises(StoreError, match=rf"cannot write the store at .*: {told}") as failure:
        db.upsert(SPEC, table_of(("a", "y", 1, None)))

    assert isinstance(failure.value.__cause__, kind)
    assert str(pickle.loads(pickle.dumps(failure.value))) == str(failure.value)


def test_another_error_of_the_store_is_raised_as_it_is(db, monkeypatch):
    def fail(*_):
        message = "lance error: something else"
        raise RuntimeError(message)

    db.upsert(SPEC, table_of(("a", "x", 1, None)))
    monkeypatch.setattr("lancedb.merge.LanceMergeInsertBuilder.execute", fail)

    with pytest.raises(RuntimeError, match="something else"):
        db.upsert(SPEC, table_of(("a", "y", 1, None)))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a file system is not allowed here, run as root for it: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_runs_full_keeps_the_rows_written_before(small_disk):
    db = Database(str(small_disk / "store"))

    def fill():
        for number in range(100):
            db.upsert(SPEC, table_of(("a", f"{number:03}", number, os.urandom(100_000).hex())))

    with pytest.raises(StoreError, match="no space left on device; free some disk space"):
        fill()

    names = [name for _, name, *_ in rows_of(Database(db.uri))]
    assert names
    assert names == [f"{number:03}" for number in range(len(names))]


def test_a_read_only_store_can_be_read_and_refuses_every_write(small_disk):
    db = Database(str(small_disk / "store"))
    db.upsert(SPEC, table_of(("a", "x", 1, None)))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    told = "read-only file system; make it writable, or point MMVP_STORE at a folder that is"
    rows = table_of(("a", "y", 2, None))
    for write in (
        lambda: db.upsert(SPEC, rows),
        lambda: db.insert(SPEC, rows),
        lambda: db.replace(SPEC, rows, where="true"),
        lambda: db.delete(SPEC, where="true"),
        lambda: db.upsert(SPEC._replace(name="new"), rows),
        lambda: Database(str(small_disk / "elsewhere")),
    ):
        with pytest.raises(StoreError, match=told):
            write()

    assert rows_of(Database(db.uri)) == [("a", "x", 1, None)]


@pytest.mark.parametrize(
    ("error", "is_lasting"),
    [
        (OSError(28, "No space left on device"), True),
        (PermissionError(13, "Permission denied"), True),
        (ConnectionResetError(104, "Connection reset by peer"), False),
        (ValueError("28"), False),
    ],
)
def test_only_errors_of_the_disk_itself_last(error, is_lasting):
    assert is_disk_error(error) is is_lasting
