"""The `runs` and `shards` tables: what ran, when, and what it left."""

import dataclasses

from storage import runs, shards
from storage.receipts import Receipt
from storage.runs import RunRow
from storage.shards import ShardRow

RECEIPT = Receipt(table="pairs", version=3, rows=7, digest="d" * 64)


def run(name, finished, **receipts):
    return RunRow(
        run=name,
        finished=finished,
        flow="mmvp",
        state="done",
        settings={"corpus": ["/it's", "/猫"], "mine": {"clip_above": 0.95, "x": None}},
        receipts=receipts,
    )


def test_a_run_comes_back_as_written(db):
    written = run("r", 1_700_000_000.25, pairs=RECEIPT)
    runs.add(db, written)

    assert runs.read(db) == [written]


def test_runs_come_back_oldest_first_whatever_their_names(db):
    for name, finished in (("a", 30.0), ("b", 10.0), ("c", 20.0)):
        runs.add(db, run(name, finished))

    assert [row.run for row in runs.read(db)] == ["b", "c", "a"]


def test_the_latest_run_is_the_last_that_left_such_a_receipt(db):
    runs.add(db, run("mined", 10.0, pairs=RECEIPT))
    runs.add(db, run("mined again", 20.0, pairs=RECEIPT))
    runs.add(db, run("embedded", 30.0, clip=RECEIPT))

    assert runs.latest(db, "pairs").run == "mined again"
    assert runs.latest(db, "clip").run == "embedded"
    assert runs.latest(db, "report") is None


def test_a_run_recorded_twice_is_one_row(db):
    runs.add(db, run("r", 10.0))
    runs.add(db, run("r", 10.0))

    assert len(runs.read(db)) == 1


def test_a_shard_done_again_replaces_its_row(db):
    row = ShardRow(
        shard="s",
        stage="embed",
        first="a",
        last="z",
        rows=26,
        worker="tcp://127.0.0.1:9",
        pid=2**22,
        attempts=1,
        seconds=0.5,
        finished=1_700_000_000.25,
    )
    shards.upsert(db, [row])

    shards.upsert(db, [dataclasses.replace(row, attempts=2)])

    (found,) = db.read(shards.SPEC).to_pylist()
    assert found.pop("finished").timestamp() == row.finished
    assert found == {
        name: value
        for name, value in dataclasses.asdict(row).items()
        if name not in ("finished", "attempts")
    } | {"attempts": 2}
