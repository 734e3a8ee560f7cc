"""The `comparisons` table: a mining is replaced as a whole and leaves the others alone."""

import dataclasses

from storage import comparisons
from storage.comparisons import ComparisonRow


def row(model_a, model_b, *, mining="m", benchmark="mined", protocol="letter"):
    return ComparisonRow(
        mining=mining,
        benchmark=benchmark,
        protocol=protocol,
        model_a=model_a,
        model_b=model_b,
        pairs=150,
        only_a=7,
        only_b=1,
        p_value=0.0703125,
        p_holm=0.1 + 0.2,
    )


ROWS = [
    row("b", "c", benchmark="captioned"),
    row("a", "b"),
    row("a", "c"),
    row("b", "c"),
    row("a", "b", protocol="words"),
]


def test_comparisons_come_back_as_written_and_by_benchmark_protocol_and_models(db):
    comparisons.replace(db, "m", ROWS[::-1])

    assert comparisons.read(db, "m") == ROWS


def test_replacing_a_mining_leaves_the_others_alone_and_is_one_version(db):
    other = row("a", "b", mining="it's")
    comparisons.replace(db, "m", ROWS)
    comparisons.replace(db, "it's", [other])
    version = db.version(comparisons.SPEC)
    changed = [dataclasses.replace(ROWS[1], only_b=2), ROWS[3]]

    comparisons.replace(db, "m", changed[::-1])

    assert db.version(comparisons.SPEC) == version + 1
    assert comparisons.read(db, "m") == changed
    assert comparisons.read(db, "it's") == [other]
    assert comparisons.read(db, "m", version=version) == ROWS


def test_replacing_a_mining_by_itself_makes_no_new_version(db):
    comparisons.replace(db, "m", ROWS)
    version = db.version(comparisons.SPEC)

    comparisons.replace(db, "m", ROWS[::-1])

    assert db.version(comparisons.SPEC) == version
