"""A pair's question as those who look for patterns get it.

Put here: gathering a pair's two questions into one.
Keep out: requests (`assigning`, `discovering`, beside this file).
"""

from collections.abc import Iterable
from typing import NamedTuple

from storage.questions import QuestionRow


class PairAsked(NamedTuple):
    """A pair's question: its name, its words, its images in order, the pattern that it goes by.

    `question_id` is that of the first image's question; `key` says who knows the pattern.
    """

    question_id: str
    question: str
    options: tuple[str, str]
    images: tuple[str, str]
    pattern: str | None
    key: str


def pairs_asked(rows: Iterable[QuestionRow]) -> list[PairAsked]:
    """Return the questions of pairs, by pair; what has only one image is left out."""
    pairs: dict[tuple[str, str], list[QuestionRow]] = {}
    for row in sorted(rows, key=lambda row: (row.pair_id, row.attribute, row.image)):
        pairs.setdefault((row.pair_id, row.attribute), []).append(row)
    return [
        PairAsked(
            question_id=first.question_id,
            question=first.question,
            options=(first.options[0], first.options[1]),
            images=(first.image, second.image),
            pattern=first.pattern,
            key=first.key,
        )
        for first, second in (both for both in pairs.values() if len(both) == 2)
    ]
