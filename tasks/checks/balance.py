"""What a set of questions gives away as a whole: to those who never look, by place or by length.

Put here: shares over the questions of a set.
Keep out: checks of one question (`wording`, `answering`, beside this file).
"""

from collections.abc import Sequence
from typing import NamedTuple

from storage.questions import QuestionRow


class Balance(NamedTuple):
    """Shares from 0 to 1, about 0.5 in a set that gives nothing away; None of no questions.

    `first_right` is of questions whose first option is right, `longer_right` of those with options
    of different length whose longer one is, `first_image_first` of pairs whose first image has the
    first option.
    """

    first_right: float | None
    longer_right: float | None
    first_image_first: float | None


def balance(rows: Sequence[QuestionRow]) -> Balance:
    """Return how the right answers of questions are spread."""
    unequal = [row for row in rows if len(set(map(len, row.options))) > 1]
    firsts: dict[tuple[str, str], QuestionRow] = {}
    for row in sorted(rows, key=lambda row: row.image):
        firsts.setdefault((row.pair_id, row.attribute), row)
    return Balance(
        _share([row.answer == row.options[0] for row in rows]),
        _share([row.answer == max(row.options, key=len) for row in unequal]),
        _share([row.answer == row.options[0] for row in firsts.values()]),
    )


def _share(holds: Sequence[bool]) -> float | None:
    return sum(holds) / len(holds) if holds else None
