"""The `shards` table: which worker did which part of which stage, and in how many tries.

Put here: the schema of `shards`, its key, its reads and writes.
Keep out: cutting work into shards and running them (`tasks.workers`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec

SPEC: Final = TableSpec(
    name="shards",
    schema=pa.schema(
        [
            pa.field("shard", pa.string(), nullable=False),
            pa.field("stage", pa.string(), nullable=False),
            pa.field("first", pa.string(), nullable=False),
            pa.field("last", pa.string(), nullable=False),
            pa.field("rows", pa.int32(), nullable=False),
            pa.field("worker", pa.string(), nullable=False),
            pa.field("pid", pa.int32(), nullable=False),
            pa.field("attempts", pa.int32(), nullable=False),
            pa.field("seconds", pa.float64(), nullable=False),
            pa.field("finished", pa.timestamp("us", "UTC"), nullable=False),
        ]
    ),
    keys=("shard",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRow:
    """One shard as it was last done.

    `shard` names the stage and the shard's items; `first` and `last` are the first and last item
    (paths or image ids), `rows` their number; `attempts` counts the times it was started.
    `finished` is seconds since the epoch.
    """

    shard: str
    stage: str
    first: str
    last: str
    rows: int
    worker: str
    pid: int
    attempts: int
    seconds: float
    finished: float


def upsert(db: Database, rows: Sequence[ShardRow]) -> None:
    """Write shards by name."""
    values = [asdict(row) | {"finished": int(row.finished * 1e6)} for row in rows]
    db.upsert(SPEC, pa.Table.from_pylist(values, schema=SPEC.schema))
