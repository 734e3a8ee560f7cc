"""Read the published results, and refuse a row that does not say what it is.

Put here: what a row has, which levels and benchmarks there are.
Keep out: the numbers (`results.json`), setting them beside others (`side_by_side`), beside this.
Source: each row names its own. What the level of a number is, was read from the grid that it lies
on where its source does not say; such rows have `level_inferred`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

from tasks.patterns import PATTERNS

FILE: Final = Path(__file__).parent / "results.json"

LEVELS: Final[Mapping[str, str]] = {
    "pair": "share of pairs with both questions right, or both statements on their images",
    "question": "share of questions, or of statements",
    "image": "share of images",
    "group": "share of pairs with both statements and both images on their counterparts",
    "pattern": "one correlation, with a point a visual pattern",
    "judged": "points that a judge gave",
    "other": "another rule than that of the benchmark, or pairs that were not pairs",
    "unclear": "the source does not say",
}
"""What a number counts. Numbers of two levels cannot be compared."""

UNITS: Final = ("percent", "correlation")
BENCHMARKS: Final = ("mmvp", "mmvp-vlm", "imagenet-1k", "pope", "vqav2", "llava-bench")
_MOST: Final = {"percent": 100.0, "correlation": 1.0}
_LEAST: Final = {"percent": 0.0, "correlation": -1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One number that others published.

    `pattern` is one of the nine visual patterns, null on numbers over all. `value` is in percent,
    or a correlation from -1 to 1, as `unit` says. `level` is one of `LEVELS`, `level_inferred` if
    its source does not state it. `pairs` is how many pairs it is over, `protocol` one of ours (or
    `mmvp-vlm`), both null where unknown. `table` names the rows of one figure or page; `url` is
    null where none is known. `spec` is the encoder that a row is about, with the side of its input
    and its parameters; `ssl_share` is that of an additive mixture of features.
    """

    table: str
    model: str
    benchmark: str
    level: str
    value: float
    unit: str
    source: str
    pattern: str | None = None
    level_inferred: bool = False
    pairs: int | None = None
    protocol: str | None = None
    url: str | None = None
    year: int | None = None
    note: str | None = None
    spec: str | None = None
    image_px: int | None = None
    parameters_millions: float | None = None
    ssl_share: float | None = None

    def __post_init__(self) -> None:
        """Refuse a row that cannot be.

        Raises:
            ValueError: if a name is unknown, or the value is out of range; it names the row.
        """
        for field, known in (
            ("benchmark", BENCHMARKS),
            ("level", tuple(LEVELS)),
            ("unit", UNITS),
            ("pattern", (None, *PATTERNS)),
        ):
            if getattr(self, field) not in known:
                listed = ", ".join(map(str, known))
                self._refuse(f"{field} {getattr(self, field)!r}", f"one of {listed}")
        if not _LEAST[self.unit] <= self.value <= _MOST[self.unit]:
            least, most = _LEAST[self.unit], _MOST[self.unit]
            self._refuse(f"the value {self.value}", f"{least:g} to {most:g} {self.unit}")
        if not (self.model.strip() and self.source.strip()):
            self._refuse(f"the source {self.source!r}", "a model and a source")

    def _refuse(self, found: str, expected: str) -> None:
        message = (
            f"published row {self.model!r} of {self.table!r} has {found}, expected {expected}; "
            f"correct {FILE.name}"
        )
        raise ValueError(message)


@cache
def published_results() -> tuple[PublishedRow, ...]:
    """Return all published results in the order of their file.

    Raises:
        ValueError: if a row does not hold what it should.
    """
    return read_results(FILE)


def read_results(file: Path) -> tuple[PublishedRow, ...]:
    """Return the rows of a file of published results.

    Raises:
        ValueError: if the file is damaged, or a row does not hold what it should.
    """
    try:
        content: Mapping[str, Any] = json.loads(file.read_text())
        listed = [(place, dict(row)) for place, row in enumerate(content["rows"], start=1)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{str(file)!r} is no JSON object with a list `rows`: {error}"
        raise ValueError(message) from error
    return tuple(_row(file, place, row) for place, row in listed)


def _row(file: Path, place: int, row: dict[str, Any]) -> PublishedRow:
    known = {field.name for field in fields(PublishedRow)}
    if unknown := row.keys() - known:
        message = (
            f"row {place} of {file.name!r} has {', '.join(sorted(unknown))}, "
            f"expected {', '.join(sorted(known))}"
        )
        raise ValueError(message)
    try:
        return PublishedRow(**row)
    except TypeError as error:
        message = f"row {place} of {file.name!r} is incomplete: {error}"
        raise ValueError(message) from error
