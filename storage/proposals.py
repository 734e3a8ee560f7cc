"""The `proposals` table: every question pair that a person or a model wrote, taken or not.

Put here: the schema of `proposals`, its keys, its reads and writes, and the name of a proposal.
Keep out: what checks make of it (`storage.checks`); the questions of a benchmark
(`storage.questions`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="proposals",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("pair_id", pa.string(), nullable=False),
            pa.field("writer", pa.string(), nullable=False),
            pa.field("number", pa.int32(), nullable=False),
            pa.field("request", pa.string(), nullable=False),
            pa.field("image_a", pa.string(), nullable=False),
            pa.field("image_b", pa.string(), nullable=False),
            pa.field("difference", pa.string()),
            pa.field("question", pa.string()),
            pa.field("option_1", pa.string()),
            pa.field("option_2", pa.string()),
            pa.field("answer_a", pa.string()),
            pa.field("answer_b", pa.string()),
            pa.field("statement_a", pa.string()),
            pa.field("statement_b", pa.string()),
            pa.field("pattern", pa.string()),
            pa.field("failure", pa.string()),
        ]
    ),
    keys=("mining", "writer", "number", "pair_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRow:
    """One question with two options, and which of them holds for each image of a pair.

    `writer` is `people:NAME` or `model:SPEC`; `number` counts a writer's proposals for a pair from
    0. `request` names all that the proposal depends on (64 hex digits; of a person's, the digest
    of what was written). `difference` says how the images differ. `answer_a` and `answer_b` are
    texts of options; nothing here holds that they differ or are among the options: that is for
    checks to say. `statement_a` is true of `image_a` alone, `statement_b` of `image_b`; null
    where none was written. `pattern` is one of the nine, or null. `failure` says why there is no
    proposal; then all that would have been written is null.
    """

    mining: str
    pair_id: str
    writer: str
    number: int
    request: str
    image_a: str
    image_b: str
    difference: str | None = None
    question: str | None = None
    option_1: str | None = None
    option_2: str | None = None
    answer_a: str | None = None
    answer_b: str | None = None
    statement_a: str | None = None
    statement_b: str | None = None
    pattern: str | None = None
    failure: str | None = None

    @property
    def proposal_id(self) -> str:
        """32 hex digits of the sha256 of all that is proposed, whoever wrote it."""
        told = [
            self.pair_id,
            self.image_a,
            self.image_b,
            self.question,
            self.option_1,
            self.option_2,
            self.answer_a,
            self.answer_b,
        ]
        text = json.dumps(told, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def upsert(db: Database, rows: Sequence[ProposalRow]) -> None:
    """Write proposals by mining, writer, number and pair in one commit."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(db: Database, mining: str, *, writers: Sequence[str] | None = None) -> list[ProposalRow]:
    """Return the proposals of a mining, or of these writers, by pair, writer and number.

    Failed ones come back too; look at `failure`.
    """
    where = any_of("mining", [mining])
    if writers is not None:
        where += f" AND {any_of('writer', writers)}"
    rows = [ProposalRow(**row) for row in db.read(SPEC, where=where).to_pylist()]
    return sorted(rows, key=lambda row: (row.pair_id, row.writer, row.number))
