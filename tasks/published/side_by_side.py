"""Set published results beside measured ones, level by level.

Put here: which rows stand in one table.
Keep out: drawing that table (`tasks.report`), measuring (`tasks.scores`).

Two numbers are set beside each other only if they are of one benchmark, one level and one pattern.
Even then their protocols may differ, so each row names its own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tasks.correlation import Scored
from tasks.published.results import PublishedRow

MEASURED: Final = "measured"
PUBLISHED: Final = "published"
_NAME: Final = re.compile(r"-[0-9a-f]{12}$")


class Measured(Scored, Protocol):
    """What is needed of a row of the table `scores`; accuracies are shares from 0 to 1."""

    @property
    def pairs(self) -> int:
        """Pairs asked."""

    @property
    def pair_low(self) -> float:
        """Lower end of its interval."""

    @property
    def pair_high(self) -> float:
        """Upper end of its interval."""

    @property
    def question_accuracy(self) -> float:
        """Share of questions right."""

    @property
    def question_low(self) -> float:
        """Lower end of its interval."""

    @property
    def question_high(self) -> float:
        """Upper end of its interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """A measured or published accuracy in percent, with its interval where there is one.

    `origin` is measured or published; `level` is one of `tasks.published.results.LEVELS`. `key` is
    the version of the answer key (null if published), `source` and `url` say where a published
    number is from.
    """

    benchmark: str
    level: str
    pattern: str | None
    model: str
    value: float
    low: float | None
    high: float | None
    pairs: int | None
    protocol: str | None
    key: str | None
    origin: str
    level_inferred: bool
    source: str | None
    url: str | None
    note: str | None


Place = tuple[str, str, str | None]
"""Benchmark, level, pattern: what the rows of one table have in common."""


def side_by_side(
    measured: Iterable[Measured],
    published: Iterable[PublishedRow],
    *,
    names: Mapping[str, str] | None = None,
) -> dict[Place, list[ResultRow]]:
    """Return a table for each benchmark, level and pattern that was measured, best row first.

    `names` says which published benchmark a measured one is, for instance `{"my-copy": "mmvp"}`; a
    name such as `mmvp-0123456789ab` stands for `mmvp` unasked. Correlations are left out, and of
    what was not measured there is no table.
    """
    tables: dict[Place, list[ResultRow]] = {}
    for row in measured:
        for found in measured_rows(row, names or {}):
            tables.setdefault((found.benchmark, found.level, found.pattern), []).append(found)
    for theirs in published:
        place = (theirs.benchmark, theirs.level, theirs.pattern)
        if place in tables and theirs.unit == "percent":
            tables[place].append(_published(theirs))
    return {place: _sorted(tables[place]) for place in sorted(tables, key=_order)}


def measured_rows(row: Measured, names: Mapping[str, str]) -> list[ResultRow]:
    """Return a measured score at both its levels: pairs, and questions or statements."""
    shares = {
        "pair": (row.pair_accuracy, row.pair_low, row.pair_high),
        "question": (row.question_accuracy, row.question_low, row.question_high),
    }
    return [
        ResultRow(
            benchmark=names.get(row.benchmark, _NAME.sub("", row.benchmark)),
            level=level,
            pattern=row.pattern,
            model=row.model,
            value=100 * share,
            low=100 * low,
            high=100 * high,
            pairs=row.pairs,
            protocol=row.protocol,
            key=row.key,
            origin=MEASURED,
            level_inferred=False,
            source=None,
            url=None,
            note=None,
        )
        for level, (share, low, high) in shares.items()
    ]


def _published(row: PublishedRow) -> ResultRow:
    return ResultRow(
        benchmark=row.benchmark,
        level=row.level,
        pattern=row.pattern,
        model=row.model,
        value=row.value,
        low=None,
        high=None,
        pairs=row.pairs,
        protocol=row.protocol,
        key=None,
        origin=PUBLISHED,
        level_inferred=row.level_inferred,
        source=row.source,
        url=row.url,
        note=row.note,
    )


def _sorted(rows: Sequence[ResultRow]) -> list[ResultRow]:
    return sorted(rows, key=lambda row: (-row.value, row.origin, row.model, row.protocol or ""))


def _order(place: Place) -> tuple[str, str, str]:
    benchmark, level, pattern = place
    return benchmark, level, pattern or ""
