"""The `answers` table: each answer once, changed only when it changed; a failure is no answer."""

import dataclasses
import pickle

import pytest

from storage import answers
from storage.answers import AnswerName, AnswerRow


def row(question_id="q", model="m", protocol="letter", **fields):
    return AnswerRow(
        question_id=question_id,
        model=model,
        protocol=protocol,
        **{
            "request": "f" * 64,
            "response": "It's (a).",
            "choice": "left",
            "scores": None,
            "failure": None,
        }
        | fields,
    )


def failed(question_id="q", **fields):
    return row(question_id, response="", choice=None, failure="timed out after 3 tries", **fields)


def test_answers_come_back_as_written_and_by_question_model_and_protocol(db):
    rows = [
        row("a", "m", "letter", scores=(-0.1 - 0.2, float("-inf"))),
        row("a", "m", "words", response="猫\n", choice=None),
        row("a", "n", "letter", response=""),
        failed("b"),
    ]
    answers.upsert(db, rows[::-1])

    assert answers.read(db) == rows


def test_answers_of_some_questions_and_models_come_back(db):
    rows = [row(question, model) for question in "abc" for model in ("it's", "m", "n")]
    answers.upsert(db, rows)

    assert answers.read(db, question_ids=["c", "a", "d"], models=["n", "it's"]) == [
        row("a", "it's"),
        row("a", "n"),
        row("c", "it's"),
        row("c", "n"),
    ]
    assert len(answers.read(db, question_ids={"b"})) == 3
    assert len(answers.read(db, models=["m"])) == 3
    assert answers.read(db, question_ids=[]) == []
    assert answers.read(db, models=[]) == []


def test_thousands_of_questions_can_be_asked_for(db):
    rows = [row(f"{number:032x}", scores=(0.5, -0.5)) for number in range(20_000)]
    answers.upsert(db, rows)
    wanted = [row.question_id for row in rows[::2]]

    assert answers.read(db, question_ids=wanted) == rows[::2]


def test_writing_the_same_answers_again_makes_no_new_version(db):
    rows = [row("a", scores=(0.1 + 0.2, -1.0)), failed("b"), row("c")]
    answers.upsert(db, rows)
    version = db.version(answers.SPEC)

    answers.upsert(db, rows[:2])
    answers.upsert(db, [])

    assert db.version(answers.SPEC) == version


def test_changed_and_new_answers_are_written_in_one_version_and_the_others_stay(db):
    answers.upsert(db, [row("a", scores=(0.5, 0.25)), failed("b"), row("c"), row("c", "n")])
    version = db.version(answers.SPEC)

    changed = [row("a", scores=(0.5, 0.125)), row("b"), row("d")]
    answers.upsert(db, [row("c"), *changed])

    assert db.version(answers.SPEC) == version + 1
    assert answers.read(db) == [*changed[:2], row("c"), row("c", "n"), changed[2]]
    assert answers.read(db, version=version)[1] == failed("b")


def test_of_two_answers_with_one_name_the_last_counts(db):
    answers.upsert(db, [failed("a"), row("a")])

    assert answers.read(db) == [row("a")]


def test_requests_are_those_that_were_answered(db):
    answers.upsert(
        db,
        [
            row("a", request="1" * 64),
            row("a", protocol="words", request="2" * 64),
            row("b", choice=None, request="3" * 64),
            failed("c"),
            row("a", "other"),
        ],
    )

    found = answers.requests(db, ["m", "unheard of"])

    assert found == {
        ("a", "m", "letter"): "1" * 64,
        ("a", "m", "words"): "2" * 64,
        ("b", "m", "letter"): "3" * 64,
    }
    assert all(isinstance(name, AnswerName) for name in found)
    assert answers.requests(db, []) == {}


@pytest.mark.parametrize("given", [{"response": "(a)"}, {"choice": "left"}])
def test_a_failed_call_is_never_an_answer(given):
    with pytest.raises(ValueError, match=r"call of 'm' for question 'q' failed \(timed out"):
        dataclasses.replace(failed(), **given)


def test_an_answer_survives_a_trip_to_a_worker():
    answer = row(scores=(0.5, 0.25))

    assert pickle.loads(pickle.dumps(answer)) == answer
