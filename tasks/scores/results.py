"""The scores of a model, overall and by visual pattern, and the comparison of models.

Put here: shares of outcomes, and which tests are made.
Keep out: what an outcome is (`tasks.scores.outcomes`); formulas (`tasks.scores.statistics`).

Fields are named like the columns of the tables `scores` and `comparisons`, so that a row is
what names it and these.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any, Final

import numpy as np

from tasks.scores.outcomes import (
    BOTH_RIGHT,
    OTHER,
    QUESTIONS_PER_PAIR,
    SAME_ANSWER,
    SWAPPED,
    AskedQuestion,
    PairOutcome,
    pair_outcomes,
)
from tasks.scores.statistics import (
    PAIR_CHANCE,
    crossed_interval,
    holm,
    mcnemar,
    question_interval,
    wilson,
)

MEANS: Final = (
    "pair_accuracy",
    "question_accuracy",
    "both_right",
    "same_answer",
    "swapped",
    "other",
)
"""What a pooled score has the mean of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a model did on some pairs: those of one pattern, or all when `pattern` is None.

    Shares are of pairs, but `question_accuracy` is of questions; both accuracies have a 95 %
    interval. `unread` counts the questions without a readable choice, which count as wrong.
    """

    pattern: str | None
    pairs: int
    pair_accuracy: float
    pair_low: float
    pair_high: float
    question_accuracy: float
    question_low: float
    question_high: float
    both_right: float
    same_answer: float
    swapped: float
    other: float
    unread: int
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the pairs that both were asked; p-values are two-sided."""

    model_a: str
    model_b: str
    pairs: int
    only_a: int
    only_b: int
    p_value: float
    p_holm: float


def score(questions: Iterable[AskedQuestion], *, chance: float = PAIR_CHANCE) -> list[Score]:
    """Return a model's score on all pairs, then on those of each pattern, patterns in order.

    Pairs without a pattern count in the first only. Of no questions there is no score.

    Raises:
        ValueError: if a pair has not exactly two questions, or they name two patterns.
    """
    outcomes = pair_outcomes(questions)
    if not outcomes:
        return []
    by_pattern: dict[str, list[PairOutcome]] = {}
    for outcome in outcomes:
        if outcome.pattern is not None:
            by_pattern.setdefault(outcome.pattern, []).append(outcome)
    overall = _score(None, outcomes, chance)
    return [overall, *(_score(name, by_pattern[name], chance) for name in sorted(by_pattern))]


def pool(people: Sequence[Sequence[AskedQuestion]], *, chance: float = PAIR_CHANCE) -> list[Score]:
    """Return the mean of several people's scores on the same pairs, in the order of `score`.

    Shares are means over people; intervals are about other people and other pairs
    (`crossed_interval`). `unread` is the sum.

    Raises:
        ValueError: if a pair has not exactly two questions, or they name two patterns.
    """
    outcomes = [pair_outcomes(asked) for asked in people]
    alone = [score(asked, chance=chance) for asked in people]
    return [_pooled(same, outcomes) for same in zip(*alone, strict=True)]


def compare(right: Mapping[str, Mapping[str, bool]]) -> list[Comparison]:
    """Return the comparison of every two models, by name; `right` is model -> pair id -> is right.

    Two models are compared on the pairs that both have. Holm's correction is for all comparisons
    returned, so give the models of one benchmark and protocol.
    """
    names = list(combinations(sorted(right), 2))
    counts = [_only_one_right(right[a], right[b]) for a, b in names]
    p_values = [mcnemar(only_a, only_b) for _, only_a, only_b in counts]
    return [
        Comparison(
            model_a=a,
            model_b=b,
            pairs=pairs,
            only_a=only_a,
            only_b=only_b,
            p_value=p_value,
            p_holm=p_holm,
        )
        for (a, b), (pairs, only_a, only_b), p_value, p_holm in zip(
            names, counts, p_values, holm(p_values), strict=True
        )
    ]


def _score(pattern: str | None, outcomes: Sequence[PairOutcome], chance: float) -> Score:
    pairs = len(outcomes)
    counts = Counter(outcome.outcome for outcome in outcomes)
    right = [outcome.questions_right for outcome in outcomes]
    pair_low, pair_high = wilson(counts[BOTH_RIGHT], pairs)
    question_low, question_high = question_interval(right)
    return Score(
        pattern=pattern,
        pairs=pairs,
        pair_accuracy=counts[BOTH_RIGHT] / pairs,
        pair_low=pair_low,
        pair_high=pair_high,
        question_accuracy=sum(right) / (QUESTIONS_PER_PAIR * pairs),
        question_low=question_low,
        question_high=question_high,
        both_right=counts[BOTH_RIGHT] / pairs,
        same_answer=counts[SAME_ANSWER] / pairs,
        swapped=counts[SWAPPED] / pairs,
        other=counts[OTHER] / pairs,
        unread=sum(outcome.unread for outcome in outcomes),
        chance=chance,
    )


def _pooled(alone: Sequence[Score], outcomes: Sequence[Sequence[PairOutcome]]) -> Score:
    pattern = alone[0].pattern
    right_HP = np.array(
        [[o.questions_right for o in own if pattern in (None, o.pattern)] for own in outcomes]
    )
    pair_low, pair_high = crossed_interval((right_HP == QUESTIONS_PER_PAIR).astype(np.float64))
    question_low, question_high = crossed_interval(right_HP / QUESTIONS_PER_PAIR)
    means: dict[str, Any] = {name: fmean(getattr(one, name) for one in alone) for name in MEANS}
    return replace(
        alone[0],
        **means,
        pair_low=pair_low,
        pair_high=pair_high,
        question_low=question_low,
        question_high=question_high,
        unread=sum(one.unread for one in alone),
    )


def _only_one_right(a: Mapping[str, bool], b: Mapping[str, bool]) -> tuple[int, int, int]:
    """Return the number of pairs in both, and of those that only one of them has right."""
    common = a.keys() & b.keys()
    only_a = sum(a[pair] and not b[pair] for pair in common)
    only_b = sum(b[pair] and not a[pair] for pair in common)
    return len(common), only_a, only_b
