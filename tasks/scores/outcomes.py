"""From a model's choices to the outcome of each pair.

Put here: when a pair is right, and in which ways it can be wrong.
Keep out: reading choices out of texts; shares and intervals (`tasks.scores.results`).

Source: Tong et al. 2024 (arXiv:2401.06209), "Designing Benchmark from CLIP-blind Pairs": a pair
counts only if both its questions are answered right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

BOTH_RIGHT: Final = "both_right"
SAME_ANSWER: Final = "same_answer"
SWAPPED: Final = "swapped"
OTHER: Final = "other"

OUTCOMES: Final = {
    BOTH_RIGHT: "both questions are answered right",
    SAME_ANSWER: "both images got the same answer: the model did not see the difference",
    SWAPPED: "each image got the other's answer: the model saw a difference, the wrong way round",
    OTHER: "an answer is missing or could not be read, or the options of the two questions differ",
}

QUESTIONS_PER_PAIR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """One question of a pair and the option that a model took.

    `answer` and `choice` are texts of options, compared as they are. `choice` is null when the
    model's words could not be read, its call failed, or it was not asked: never leave a question
    out because its answer is missing. `pattern` is null when the pair has none.
    """

    pair_id: str
    pattern: str | None
    answer: str
    choice: str | None

    @property
    def is_right(self) -> bool:
        """Whether the option taken is the right one; an unread answer is wrong."""
        return self.choice == self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOutcome:
    """How one pair came out: one of `OUTCOMES`, and its questions (of two) right and unread."""

    pair_id: str
    pattern: str | None
    outcome: str
    questions_right: int
    unread: int

    @property
    def is_right(self) -> bool:
        """Whether the pair counts as right."""
        return self.outcome == BOTH_RIGHT


def pair_outcomes(questions: Iterable[AskedQuestion]) -> list[PairOutcome]:
    """Return the outcome of every pair, sorted by pair id, whatever the order of the questions.

    Raises:
        ValueError: if a pair has not exactly two questions, or they name two patterns.
    """
    by_pair: dict[str, list[AskedQuestion]] = {}
    for question in questions:
        by_pair.setdefault(question.pair_id, []).append(question)
    return [_pair_outcome(pair_id, by_pair[pair_id]) for pair_id in sorted(by_pair)]


def right_pairs(outcomes: Iterable[PairOutcome]) -> dict[str, bool]:
    """Return for each pair id whether the pair is right."""
    return {outcome.pair_id: outcome.is_right for outcome in outcomes}


def _pair_outcome(pair_id: str, questions: Sequence[AskedQuestion]) -> PairOutcome:
    if len(questions) != QUESTIONS_PER_PAIR:
        message = (
            f"pair {pair_id!r} has {len(questions)} of the questions to score, expected "
            f"{QUESTIONS_PER_PAIR}, one for each image; score the questions of one benchmark "
            f"under one protocol, and a question without an answer with the choice None"
        )
        raise ValueError(message)
    first, second = questions
    if first.pattern != second.pattern:
        message = (
            f"the questions of pair {pair_id!r} have the patterns {first.pattern!r} and "
            f"{second.pattern!r}; expected one"
        )
        raise ValueError(message)
    return PairOutcome(
        pair_id=pair_id,
        pattern=first.pattern,
        outcome=_outcome(first, second),
        questions_right=first.is_right + second.is_right,
        unread=(first.choice is None) + (second.choice is None),
    )


def _outcome(first: AskedQuestion, second: AskedQuestion) -> str:
    if first.is_right and second.is_right:
        return BOTH_RIGHT
    if first.choice is None or second.choice is None:
        return OTHER
    if first.choice == second.choice:
        return SAME_ANSWER
    if (first.choice, second.choice) == (second.answer, first.answer):
        return SWAPPED
    return OTHER
