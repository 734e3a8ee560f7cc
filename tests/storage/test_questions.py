"""The `questions` table: a question is named by what it asks; a mining is replaced as a whole."""

import dataclasses
import hashlib

import pytest

from storage import questions
from storage.questions import QuestionRow, question_id

ASKED = {
    "pair_id": "p",
    "image": "a",
    "question": "Is it's 猫 left or right?",
    "options": ("left", "right"),
    "answer": "left",
    "key": "metadata",
}


def row(*, mining="m", benchmark="mined", **changes):
    asked = ASKED | changes
    return QuestionRow(
        mining=mining,
        benchmark=benchmark,
        question_id=question_id(**asked),
        attribute="place",
        statement=None,
        pattern="orientation",
        source="attribute",
        **asked,
    )


def test_questions_come_back_as_written_and_by_benchmark_pair_and_image(db):
    rows = [
        row(benchmark="captioned", pair_id="q"),
        row(pair_id="o", image="z"),
        row(image="a"),
        row(image="b", answer="right"),
        dataclasses.replace(row(pair_id="q"), statement="it's left", pattern=None),
    ]
    questions.replace(db, "m", rows[::-1])

    assert questions.read(db, "m") == rows


def test_the_questions_of_one_benchmark_come_back(db):
    rows = [row(), row(benchmark="it's"), row(benchmark="captioned")]
    questions.replace(db, "m", rows)

    assert questions.read(db, "m", benchmark="it's") == [rows[1]]
    assert questions.read(db, "m", benchmark="unheard of") == []


def test_one_question_may_be_in_two_benchmarks_and_minings(db):
    first = [row(), row(benchmark="random")]
    other = [row(mining="other")]

    questions.replace(db, "m", first)
    questions.replace(db, "other", other)

    assert questions.read(db, "m") == first
    assert questions.read(db, "other") == other


def test_replacing_a_mining_leaves_the_others_alone_and_is_one_version(db):
    questions.replace(db, "m", [row(), row(image="gone")])
    questions.replace(db, "it's", [row(mining="it's")])
    version = db.version(questions.SPEC)

    kept = dataclasses.replace(row(), pattern=None)
    questions.replace(db, "m", [row(image="new"), kept])

    assert db.version(questions.SPEC) == version + 1
    assert questions.read(db, "m") == [kept, row(image="new")]
    assert questions.read(db, "it's") == [row(mining="it's")]
    assert questions.read(db, "m", version=version) == [row(), row(image="gone")]


def test_replacing_a_mining_by_itself_makes_no_new_version(db):
    questions.replace(db, "m", [row(), row(image="b")])
    version = db.version(questions.SPEC)

    questions.replace(db, "m", [row(image="b"), row()])

    assert db.version(questions.SPEC) == version


def test_a_mining_that_asks_nothing_any_more_has_no_questions(db):
    questions.replace(db, "m", [row()])

    questions.replace(db, "m", [])

    assert questions.read(db, "m") == []


@pytest.mark.parametrize(
    "change",
    [
        {"pair_id": "q"},
        {"image": "b"},
        {"question": "Is it left or right?"},
        {"options": ("left", "above")},
        {"options": ("right", "left")},
        {"answer": "right"},
        {"key": "corrected"},
    ],
)
def test_another_question_has_another_name(change):
    assert question_id(**ASKED | change) != question_id(**ASKED)


def test_the_name_is_of_canonical_json():
    asked = {"pair_id": "p", "image": "a", "question": "q?", "options": ["x", "y"], "answer": "y"}
    text = b'{"answer":"y","image":"a","key":"k","options":["x","y"],"pair_id":"p","question":"q?"}'

    name = question_id(**asked, key="k")

    assert name == hashlib.sha256(text).hexdigest()[:32]
    assert name == question_id(**asked | {"options": ("x", "y")}, key="k")


@pytest.mark.parametrize("options", [(), ("left",), ("left", "left"), ("left", "right", "up")])
def test_a_question_needs_two_different_options(options):
    with pytest.raises(ValueError, match=r"about image 'a' has the options .* two different ones"):
        question_id(**ASKED | {"options": options})


@pytest.mark.parametrize("answer", ["Left", "left ", "", "l"])
def test_the_answer_is_one_of_the_options(answer):
    with pytest.raises(ValueError, match=r"is none of its options \['left', 'right'\]"):
        question_id(**ASKED | {"answer": answer})
