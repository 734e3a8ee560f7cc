"""The `scores` table: a mining is replaced as a whole, its overall rows (no pattern) too."""

import dataclasses

from storage import scores
from storage.scores import ScoreRow


def row(model="m", pattern=None, **fields):
    return ScoreRow(
        model=model,
        pattern=pattern,
        **{
            "mining": "mining",
            "benchmark": "mined",
            "features": None,
            "ssl_share": None,
            "seed": None,
            "steps": None,
            "protocol": "letter",
            "key": "metadata",
            "pairs": 10,
            "pair_accuracy": 0.1 + 0.2,
            "pair_low": 0.0,
            "pair_high": 1.0,
            "question_accuracy": 0.5,
            "question_low": 0.25,
            "question_high": 0.75,
            "both_right": 0.1 + 0.2,
            "same_answer": 0.5,
            "swapped": 0.1,
            "other": 0.1,
            "unread": 1,
            "chance": 0.25,
        }
        | fields,
    )


ROWS = [
    row(benchmark="captioned"),
    row(pattern="color"),
    row(pattern="text"),
    row(),
    row("n", "color", features="additive", ssl_share=0.75, seed=3, steps=2**40),
    row("n", features="additive", ssl_share=0.75, seed=3, steps=2**40),
    row("n", protocol="words"),
    row("n", protocol="words", key="original"),
]


def test_scores_come_back_as_written_and_by_key_with_overall_rows_last(db):
    scores.replace(db, "mining", ROWS[::-1])

    assert scores.read(db, "mining") == ROWS


def test_an_overall_row_is_replaced_and_not_added(db):
    scores.replace(db, "mining", ROWS)
    version = db.version(scores.SPEC)
    changed = [dataclasses.replace(row, pairs=11, pair_high=0.5) for row in ROWS]

    scores.replace(db, "mining", changed)

    assert scores.read(db, "mining") == changed
    assert db.version(scores.SPEC) == version + 1
    assert scores.read(db, "mining", version=version) == ROWS


def test_of_many_overall_rows_those_that_went_are_gone(db):
    many = [row(f"{number:04}") for number in range(2000)]
    scores.replace(db, "mining", many)

    half = [dataclasses.replace(row, unread=number % 3) for number, row in enumerate(many[::2])]
    scores.replace(db, "mining", half)

    assert scores.read(db, "mining") == half


def test_replacing_a_mining_by_itself_makes_no_new_version(db):
    scores.replace(db, "mining", ROWS)
    version = db.version(scores.SPEC)

    scores.replace(db, "mining", ROWS[::-1])

    assert db.version(scores.SPEC) == version


def test_replacing_a_mining_leaves_the_others_alone(db):
    other = [row(mining="it's"), row(pattern="color", mining="it's")]
    scores.replace(db, "it's", other)
    scores.replace(db, "mining", ROWS)

    scores.replace(db, "mining", [])

    assert scores.read(db, "mining") == []
    assert scores.read(db, "it's") == other[::-1]
