"""The `grades` table: one grade an answer and grader, changed only when it changed."""

import dataclasses

import pytest

from storage import grades
from storage.grades import GradeRow
from tasks.graders import Given, LLMJudge, grade_by_judge


def row(question_id="q", grader="rules:letter", **fields):
    return GradeRow(
        question_id=question_id,
        model="m",
        protocol="letter",
        grader=grader,
        **{"request": "f" * 64, "option": "Open", "votes": ("a", None, "a"), "failure": None}
        | fields,
    )


def test_grades_come_back_as_written_and_by_answer_and_grader(db):
    rows = [
        row("a", "judge:big", votes=("a", None, "neither"), option=None),
        row("a", "people", option="猫\n", votes=("b",)),
        row("b", "judge:big", option=None, votes=(None,), failure="1 of 1 votes failed: timeout"),
    ]
    grades.upsert(db, rows[::-1])

    assert grades.read(db) == rows
    assert grades.read(db, question_ids=["a", "z"], graders=["people", "it's"]) == [rows[1]]
    assert grades.read(db, question_ids=[]) == []


def test_only_changed_grades_are_written_and_in_one_version(db):
    grades.upsert(db, [row("a"), row("b")])
    version = db.version(grades.SPEC)

    grades.upsert(db, [row("b")])
    assert db.version(grades.SPEC) == version

    grades.upsert(db, [row("a"), row("b", option=None), row("b", votes=("b",)), row("c")])
    assert db.version(grades.SPEC) == version + 1
    assert grades.read(db) == [row("a"), row("b", votes=("b",)), row("c")]
    assert grades.read(db, version=version) == [row("a"), row("b")]


def test_a_failed_grade_takes_no_option():
    failed = row(option=None, failure="3 of 3 votes failed: timeout")

    with pytest.raises(ValueError, match="grade of 'rules:letter' for question 'q' failed"):
        dataclasses.replace(failed, option="Open")


def test_what_a_grader_returns_is_a_row():
    given = Given(
        question_id="q",
        model="m",
        protocol="letter",
        question="Open?",
        options=("Yes", "No"),
        reply="(a)",
    )
    grade = grade_by_judge(LLMJudge(model="big"), given, {})

    assert GradeRow(**dataclasses.asdict(grade)).votes == (None, None, None)
