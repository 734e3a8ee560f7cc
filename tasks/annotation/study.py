"""The human study: a benchmark's questions one by one, each participant in an order of their own.

Put here: the order, what comes next, answers as rows that models' answers stand beside.
Keep out: scores (`tasks.evaluation.people`); serving the page (`flows.annotation`).
"""

import random
from collections.abc import Collection, Sequence
from typing import Final

from storage.answers import AnswerRow
from storage.questions import QuestionRow
from tasks.annotation.state import State
from tasks.fingerprints import digest
from tasks.people import PEOPLE, named

CANNOT_TELL: Final = "cannot tell"


def draw_order(seed: str, rows: Sequence[QuestionRow]) -> list[str]:
    """Return the ids of questions in a random order, the same for the same seed.

    The two questions of a pair do not follow each other where that can be avoided by moving the
    second one on: beside each other, one would answer the other.
    """
    left = sorted(rows, key=lambda row: row.question_id)
    random.Random(seed).shuffle(left)
    order: list[QuestionRow] = []
    while left:
        last = order[-1].pair_id if order else None
        place = next((n for n, row in enumerate(left) if row.pair_id != last), 0)
        order.append(left.pop(place))
    return [row.question_id for row in order]


def next_question(state: State, who: str, asked: Collection[str]) -> str | None:
    """Return the first of these questions in a participant's order without an answer, or None."""
    given = state.choices.get(who, {})
    order = state.orders.get(who, ())
    return next((name for name in order if name in asked and name not in given), None)


def answers_of(
    state: State, rows: Sequence[QuestionRow], people: Collection[str]
) -> list[AnswerRow]:
    """Return what these people said, as rows of `answers`; by person and question."""
    asked = {row.question_id: row for row in rows}
    return [
        _answer(who, asked[name], choice)
        for who, given in sorted(state.choices.items())
        for name, choice in sorted(given.items())
        if who in people and name in asked
    ]


def _answer(who: str, row: QuestionRow, choice: int | None) -> AnswerRow:
    taken = None if choice is None else row.options[choice - 1]
    return AnswerRow(
        question_id=row.question_id,
        model=named(who),
        protocol=PEOPLE,
        request=digest([PEOPLE, who, row.image, row.question, row.options]),
        response=CANNOT_TELL if taken is None else taken,
        choice=taken,
        scores=None,
        failure=None,
    )
