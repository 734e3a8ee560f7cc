"""The `replies` table: what models said to requests that are no questions of a benchmark.

Put here: the schema of `replies`, its keys, its reads and writes.
Keep out: answers to a benchmark's questions (`storage.answers`); how replies are read (`tasks`).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from storage.database import Database, TableSpec

SPEC: Final = TableSpec(
    name="replies",
    schema=pa.schema(
        [
            pa.field("request", pa.string(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("protocol", pa.string(), nullable=False),
            pa.field("response", pa.string(), nullable=False),
            pa.field("cut", pa.bool_(), nullable=False),
            pa.field("failure", pa.string()),
        ]
    ),
    keys=("request",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRow:
    """What a model said, verbatim, to the request of this name (64 hex digits).

    `model` is a server's spec and `protocol` the prompt's name. `cut` says that it had more to say
    than it was given room for. `failure` says why the call failed; `response` is '' then.
    """

    request: str
    model: str
    protocol: str
    response: str
    cut: bool
    failure: str | None


def upsert(db: Database, rows: Sequence[ReplyRow]) -> None:
    """Write replies by request in one commit."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(db: Database, requests: Collection[str]) -> dict[str, ReplyRow]:
    """Return what is stored of these requests, failed calls included, by request."""
    if not requests:
        return {}
    wanted = pa.array(sorted(requests), pa.string())
    rows = db.read(SPEC)  # as a condition, thousands of names take longer than reading all
    rows = rows.filter(pc.is_in(rows["request"], value_set=wanted))
    return {row["request"]: ReplyRow(**row) for row in rows.to_pylist()}
