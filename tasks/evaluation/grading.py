"""Replies in words as graders get them, and what graders make of them beside the rules.

Put here: which replies are graded, agreement with the rules, scores under each grader.
Keep out: graders and agreement (`tasks.graders`), the command (`flows.grade`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from storage.answers import AnswerRow
from storage.grades import GradeRow
from storage.questions import QuestionRow
from tasks.evaluation.asking import CONTRASTS
from tasks.evaluation.scoring import asked_under
from tasks.evaluation.ways import way_named
from tasks.graders import Given, Grade, agreement
from tasks.graders.registry import by_own_rules
from tasks.people import PEOPLE
from tasks.protocols.protocol import LOGPROBS
from tasks.scores import score


class Sitting(NamedTuple):
    """A model that was asked a benchmark in a way."""

    benchmark: str
    model: str
    protocol: str


class Replies(NamedTuple):
    """All questions of a benchmark, and the replies to them."""

    asked: Sequence[QuestionRow]
    given: list[Given]


def sittings_of(
    asked: Sequence[QuestionRow], answers: Sequence[AnswerRow]
) -> dict[Sitting, Replies]:
    """Return the replies in words to questions, of each model in each way, without failed calls."""
    benchmarks: dict[str, dict[str, QuestionRow]] = defaultdict(dict)
    for row in asked:
        benchmarks[row.benchmark][row.question_id] = row
    found: dict[Sitting, Replies] = {}
    for answer in answers:
        if answer.failure is not None or not _in_words(answer.protocol):
            continue
        for benchmark, rows in benchmarks.items():
            if answer.question_id in rows:
                sitting = Sitting(benchmark, answer.model, answer.protocol)
                replies = found.setdefault(sitting, Replies(list(rows.values()), []))
                replies.given.append(_given(rows[answer.question_id], answer))
    return dict(sorted(found.items()))


def _given(row: QuestionRow, answer: AnswerRow) -> Given:
    return Given(
        question_id=row.question_id,
        model=answer.model,
        protocol=answer.protocol,
        question=row.question,
        options=(row.options[0], row.options[1]),
        reply=answer.response,
    )


def _in_words(name: str) -> bool:
    """Say whether a way gives words to grade, about the options as the question has them."""
    if name in {PEOPLE, *CONTRASTS}:
        return False
    way = way_named(name)
    return way.control is None and way.protocol.asks != LOGPROBS


def compare(
    sitting: Sitting, replies: Replies, rules: Sequence[Grade], grades: Sequence[Grade]
) -> dict[str, Any]:
    """Return how far a grader agrees with the rules on replies, and the scores under the grader.

    They are under the questions' own key; what has no grade is wrong.
    """
    choices = {one.question_id: one.option for one in grades}
    asked = replies.asked
    overall = score(asked_under(asked[0].key, asked, choices))[0]
    names = ("pairs", "pair_accuracy", "pair_low", "pair_high", "question_accuracy", "unread")
    return {
        **sitting._asdict(),
        **asdict(agreement(replies.given, rules, grades)),
        **{name: getattr(overall, name) for name in names},
    }


def kept_comparisons(
    asked: Sequence[QuestionRow], answers: Sequence[AnswerRow], kept: Sequence[GradeRow]
) -> list[dict[str, Any]]:
    """Return what `compare` does of stored grades, for each grader but the rules.

    A grader counts that graded all of a model's replies; none does where the rules read another
    reply when grades were stored than stands there now.
    """
    by_grader: dict[str, dict[tuple[str, str, str], Grade]] = defaultdict(dict)
    for row in kept:
        by_grader[row.grader][row.name[:3]] = Grade(**asdict(row))
    found = []
    for sitting, replies in sittings_of(asked, answers).items():
        rules = [by_own_rules(one) for one in replies.given]
        if not all(by_grader[one.grader].get(_name(one)) == one for one in rules):
            continue
        for grader, grades in by_grader.items():
            mine = [grades.get(one.name) for one in replies.given]
            whole = [one for one in mine if one is not None]
            if grader != rules[0].grader and len(whole) == len(mine):
                found.append({"grader": grader, **compare(sitting, replies, rules, whole)})
    return found


def _name(grade: Grade) -> tuple[str, str, str]:
    return grade.question_id, grade.model, grade.protocol
