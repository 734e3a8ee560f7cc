"""How far two graders agree, and where they do not.

Put here: share, kappa, the list of disagreements and its CSV.
Keep out: grading (`rules`, `judge`, `people`, beside this file).
Source: Cohen 1960, "A Coefficient of Agreement for Nominal Scales".
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tasks.graders.given import NEITHER, Given, Grade
from tasks.scores.statistics import Interval, wilson

COLUMNS: Final = (
    "question_id", "model", "protocol", "question", "a", "b", "reply",
    "first", "first_option", "first_votes", "second", "second_option", "second_votes",
)  # fmt: skip
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two graders on the replies that both graded: option a, option b or neither.

    `share` is of `graded`, with its 95 % interval; `kappa` takes off what two graders with these
    habits agree on by chance, None where both always say the same. `failed` replies have no grade
    by one of the two.
    """

    first: str
    second: str
    graded: int
    failed: int
    share: float | None
    interval: Interval
    kappa: float | None


def agreement(given: Sequence[Given], first: Sequence[Grade], second: Sequence[Grade]) -> Agreement:
    """Return how far two graders agree on replies.

    Raises:
        ValueError: if grades are not one for each reply, in its order, by one grader each.
    """
    pairs = [
        (_place(one, a), _place(one, b))
        for one, a, b in _aligned(given, first, second)
        if a.failure is None and b.failure is None
    ]
    same = sum(a == b for a, b in pairs)
    return Agreement(
        first=_grader(first),
        second=_grader(second),
        graded=len(pairs),
        failed=len(given) - len(pairs),
        share=same / len(pairs) if pairs else None,
        interval=wilson(same, len(pairs)),
        kappa=cohens_kappa(pairs),
    )


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa of two graders' labels; None of no labels or only one."""
    if not pairs:
        return None
    one, other = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    total = len(pairs)
    by_chance = sum(one[label] * other[label] for label in one) / total**2
    if by_chance == 1:
        return None
    return (sum(a == b for a, b in pairs) / total - by_chance) / (1 - by_chance)


def disagreements(
    given: Sequence[Given], first: Sequence[Grade], second: Sequence[Grade]
) -> list[dict[str, Any]]:
    """Return a row, JSON types only, for each reply that two graders take differently.

    A failed grade is no disagreement. Options are texts, None for neither.

    Raises:
        ValueError: if grades are not one for each reply, in its order, by one grader each.
    """
    rows = []
    for one, a, b in _aligned(given, first, second):
        if a.failure is None and b.failure is None and _place(one, a) != _place(one, b):
            what = (*one.name, one.question, *one.options, one.reply)
            graded = (a.grader, a.option, list(a.votes), b.grader, b.option, list(b.votes))
            rows.append(dict(zip(COLUMNS, what + graded, strict=True)))
    return rows


def to_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return disagreements as CSV; cells that a spreadsheet would run begin with an apostrophe."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[column]) for column in COLUMNS] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join("failed" if vote is None else vote for vote in value)
    text = NEITHER if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _place(given: Given, grade: Grade) -> str:
    return NEITHER if grade.option is None else "ab"[given.options.index(grade.option)]


def _aligned(
    given: Sequence[Given], first: Sequence[Grade], second: Sequence[Grade]
) -> Iterator[tuple[Given, Grade, Grade]]:
    for grades in (first, second):
        named = [(grade.question_id, grade.model, grade.protocol) for grade in grades]
        if named != [one.name for one in given] or len({grade.grader for grade in grades}) > 1:
            message = (
                f"{len(grades)} grades of {_grader(grades)!r} for {len(given)} replies; expected "
                f"one for each reply, in the order of the replies, all by one grader"
            )
            raise ValueError(message)
    yield from zip(given, first, second, strict=True)


def _grader(grades: Sequence[Grade]) -> str:
    return grades[0].grader if grades else "nobody"
