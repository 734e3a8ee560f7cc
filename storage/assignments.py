"""The `assignments` table: which pattern somebody takes each question to be about.

Put here: the schema of `assignments`, its keys, its reads and writes.
Keep out: asking for them (`tasks.discovery`); the pattern that a question goes by
(`storage.questions`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="assignments",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("by", pa.string(), nullable=False),
            pa.field("question_id", pa.string(), nullable=False),
            pa.field("pattern", pa.string()),
            pa.field("votes", pa.list_(pa.string()), nullable=False),
            pa.field("request", pa.string(), nullable=False),
            pa.field("failure", pa.string()),
        ]
    ),
    keys=("mining", "by", "question_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRow:
    """Whom somebody takes a pair's question to be about, named by its first image's question.

    `by` is a server's spec or `people:NAME`. `pattern` is one of the nine, null for none of them or
    where votes are tied. `votes` has a place a vote, null where it failed. `failure` says why
    nothing is known; `pattern` is null then too.
    """

    mining: str
    by: str
    question_id: str
    pattern: str | None
    votes: tuple[str | None, ...]
    request: str
    failure: str | None


def upsert(db: Database, rows: Sequence[AssignmentRow]) -> None:
    """Write assignments by mining, author and question in one commit."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(db: Database, mining: str) -> list[AssignmentRow]:
    """Return the assignments of a mining by author and question."""
    rows = db.read(SPEC, where=any_of("mining", [mining])).to_pylist()
    return [AssignmentRow(**row | {"votes": tuple(row["votes"])}) for row in rows]
