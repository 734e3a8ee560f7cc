"""How far people agree beyond chance, over all questions and on each.

Put here: what is compared with what, Krippendorff's alpha, the share of agreement on one question.
Keep out: whether one question is accepted (`standing`, beside this file).
Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".

Shapes:
    U  units that are judged    V  values that occur
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import krippendorff
import numpy as np

from tasks.annotation.acts import CLEAR
from tasks.annotation.standing import finished, key_of, standing
from tasks.annotation.state import Item, Rules, State

Unit = Sequence[object]
"""What those who judged one thing said of it, a value each."""


class Agreement(NamedTuple):
    """Alpha over units that two or more judged; None where all values are alike or nothing is."""

    alpha: float | None
    units: int
    judgements: int


class OfQuestion(NamedTuple):
    """One question: how it stands, and how far people agree on it.

    `answers_right` is of the checkers' `answers` about single images those that are the writer's;
    `agreement` is the share of pairs of people, the writer among them, who say the same, over the
    two images; None where nobody has checked it.
    """

    proposal_id: str
    pair_id: str
    writers: tuple[str, ...]
    question: str
    standing: str
    answers: int
    answers_right: int
    verdicts: Mapping[str, int]
    agreement: float | None
    flags: int


def alpha(units: Sequence[Unit]) -> Agreement:
    """Return Krippendorff's alpha of nominal values; units with one judgement do not count."""
    judged = [Counter(map(str, unit)) for unit in units if len(unit) > 1]
    values = sorted({value for unit in judged for value in unit})
    total = sum(sum(unit.values()) for unit in judged)
    if len(values) < 2:
        return Agreement(None, len(judged), total)
    counts_UV = np.array([[unit[value] for value in values] for unit in judged])
    found = krippendorff.alpha(value_counts=counts_UV, level_of_measurement="nominal")
    return Agreement(float(found), len(judged), total)


def agreeing(unit: Unit) -> float | None:
    """Return the share of pairs of judgements that are equal; None of fewer than two."""
    pairs = list(combinations(map(str, unit), 2))
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else None


def agreements(state: State) -> Mapping[str, Agreement]:
    """Return alpha of what people say.

    `answers`: the option for each image alone, by the writer and all checkers; `verdicts`: whether
    a question is clear, by its checkers; `patterns`: by all who wrote about one pair.
    """
    return state.once("agreements", lambda: _agreements(state))


def _agreements(state: State) -> dict[str, Agreement]:
    items = state.items().values()
    answers, verdicts = [], []
    for item in items:
        done = finished(state, item)
        answers += list(_answer_units(state, item).values())
        verdicts.append([check.verdict == CLEAR for check in done.values()])
    patterns: dict[str, list[object]] = {}
    for item in items:
        patterns.setdefault(item.pair_id, []).extend(item.draft.pattern for _ in item.writers)
    return {
        "answers": alpha(answers),
        "verdicts": alpha(verdicts),
        "patterns": alpha(list(patterns.values())),
    }


def _answer_units(state: State, item: Item) -> dict[str, list[object]]:
    units: dict[str, list[object]] = {
        image: [option] for image, option in key_of(item, state.pairs[item.pair_id]).items()
    }
    for check in finished(state, item).values():
        for image, choice in check.answers.items():
            units.setdefault(image, []).append(choice)
    return units


def by_question(state: State, rules: Rules) -> Sequence[OfQuestion]:
    """Return all questions that stand, by pair."""
    return state.once(("by question", rules), lambda: _by_question(state, rules))


def _by_question(state: State, rules: Rules) -> list[OfQuestion]:
    rows = []
    for name, item in state.items().items():
        done = finished(state, item)
        key = key_of(item, state.pairs[item.pair_id])
        given = [(key.get(i), c) for check in done.values() for i, c in check.answers.items()]
        shares = [agreeing(unit) for unit in _answer_units(state, item).values()]
        known = [share for share in shares if share is not None]
        rows.append(
            OfQuestion(
                proposal_id=name,
                pair_id=item.pair_id,
                writers=item.writers,
                question=item.draft.question,
                standing=standing(state, item, rules),
                answers=len(given),
                answers_right=sum(right == choice for right, choice in given),
                verdicts=dict(Counter(str(check.verdict) for check in done.values())),
                agreement=sum(known) / len(known) if known else None,
                flags=len(state.flags.get(name, {})),
            )
        )
    return rows
