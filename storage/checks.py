"""The `checks` table: what each check of a proposed question found, and who made it.

Put here: the schema of `checks`, its keys, its reads and writes.
Keep out: the checks themselves, and what follows from them (`tasks.checks`); the questions
(`storage.proposals`).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="checks",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("check", pa.string(), nullable=False),
            pa.field("by", pa.string(), nullable=False),
            pa.field("proposal_id", pa.string(), nullable=False),
            pa.field("passed", pa.bool_()),
            pa.field("detail", pa.string(), nullable=False),
            pa.field("request", pa.string(), nullable=False),
        ]
    ),
    keys=("mining", "check", "by", "proposal_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """What one check found about one proposed question.

    `by` is `rules`, a server's spec (`openai:NAME@URL`, with `#2` if it is asked a second time), or
    `people:NAME`. `passed` is null where nothing could be found out, as after a failed call.
    `detail` says why in a few words. `request` names all that the finding depends on, '' of people.
    """

    mining: str
    check: str
    by: str
    proposal_id: str
    passed: bool | None
    detail: str
    request: str


def upsert(db: Database, rows: Sequence[CheckRow]) -> None:
    """Write findings by mining, check, author and proposal in one commit."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(db: Database, mining: str, *, proposals: Collection[str] | None = None) -> list[CheckRow]:
    """Return the findings of a mining, or about these proposals, by check, author and proposal."""
    rows = [CheckRow(**row) for row in db.read(SPEC, where=any_of("mining", [mining])).to_pylist()]
    return [row for row in rows if proposals is None or row.proposal_id in proposals]
