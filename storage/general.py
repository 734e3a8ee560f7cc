"""The `general` table: the general ability of models, beside what they make of blind pairs.

Put here: the schema of `general`, its keys, its reads and writes.
Keep out: asking and scoring (`tasks.general`, `tasks.evaluation.general`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec

SPEC: Final = TableSpec(
    name="general",
    schema=pa.schema(
        [
            pa.field("bench", pa.string(), nullable=False),
            pa.field("part", pa.string(), nullable=False),
            pa.field("reading", pa.string(), nullable=False),
            pa.field("metric", pa.string(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("questions", pa.int64(), nullable=False),
            pa.field("images", pa.int64(), nullable=False),
            pa.field("value", pa.float64()),
            pa.field("low", pa.float64()),
            pa.field("high", pa.float64()),
            pa.field("without", pa.int64(), nullable=False),
        ]
    ),
    keys=("bench", "part", "reading", "metric", "model"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralRow:
    """One figure of a model on one part of a benchmark, with its 95 % interval.

    `bench` is pope, vqa or judged; `part` a split of POPE, else the name of the file of questions.
    `reading` says how replies are read, or who judges them; `metric` is accuracy, f1 (shares) or
    ratio (of marks to the reference's). Of `questions` about `images`, `without` have no reply that
    counts: unread, failed, missing or unjudged. Null: there is no figure.
    """

    bench: str
    part: str
    reading: str
    metric: str
    model: str
    questions: int
    images: int
    value: float | None
    low: float | None
    high: float | None
    without: int


def upsert(db: Database, rows: Sequence[GeneralRow]) -> None:
    """Write figures by benchmark, part, reading, metric and model in one commit."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(db: Database, *, version: int | None = None) -> list[GeneralRow]:
    """Return all figures by benchmark, part, reading, metric and model."""
    return [GeneralRow(**row) for row in db.read(SPEC, version=version).to_pylist()]
