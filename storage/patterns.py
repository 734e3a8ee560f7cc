"""The `patterns` table: the patterns that models find in the questions of a mining.

Put here: the schema of `patterns`, its keys, its reads and writes.
Keep out: finding them (`tasks.discovery`); the nine of the paper (`tasks.patterns`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="patterns",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("by", pa.string(), nullable=False),
            pa.field("way", pa.string(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("description", pa.string(), nullable=False),
            pa.field("like", pa.string()),
            pa.field("runs", pa.int32(), nullable=False),
            pa.field("question_ids", pa.list_(pa.string()), nullable=False),
            pa.field("request", pa.string(), nullable=False),
        ]
    ),
    keys=("mining", "by", "way", "name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRow:
    """A pattern that a model found in questions, over all its runs.

    `way` is text-only or with-images. `like` is the one of the nine that it is, null for another.
    `runs` is in how many runs it was found. `question_ids` name the pairs' questions that it was
    found in, by any run.
    """

    mining: str
    by: str
    way: str
    name: str
    description: str
    like: str | None
    runs: int
    question_ids: tuple[str, ...]
    request: str


def replace(db: Database, mining: str, by: str, way: str, rows: Sequence[PatternRow]) -> None:
    """Make `rows` all that one model found in a mining's questions in this way, in one commit."""
    where = " AND ".join(
        any_of(column, [value]) for column, value in (("mining", mining), ("by", by), ("way", way))
    )
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema)
    db.replace(SPEC, table, where=where)


def read(db: Database, mining: str) -> list[PatternRow]:
    """Return the patterns of a mining by model, way and name."""
    rows = db.read(SPEC, where=any_of("mining", [mining])).to_pylist()
    return [PatternRow(**row | {"question_ids": tuple(row["question_ids"])}) for row in rows]
