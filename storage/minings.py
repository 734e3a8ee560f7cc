"""The `minings` table: which images have been compared with each other, a row a mining.

Put here: the schema of `minings`, its key, its reads and writes.
Keep out: what is compared (`tasks.mining`); the pairs that were found (`storage.pairs`).

A mining's row is written before its pairs lose an image and after they have gained one. So whatever
is killed when, all pairs among the row's images are in the store.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="minings",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("made_by", pa.string(), nullable=False),
            pa.field("clip", pa.string(), nullable=False),
            pa.field("ssl", pa.string(), nullable=False),
            pa.field("clip_above", pa.float64(), nullable=False),
            pa.field("ssl_below", pa.float64(), nullable=False),
            pa.field("found", pa.int64(), nullable=False),
            pa.field("alike", pa.int64(), nullable=False),
            pa.field("images", pa.large_string(), nullable=False),
        ]
    ),
    keys=("mining",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRow:
    """A mining: two encoders (their tables), thresholds, and the images compared, sorted.

    `made_by` is the fingerprint of the code that compared them; `found` and `alike` are the blind
    pairs and the near-duplicates among them, those that were cut from long lists included.
    """

    mining: str
    made_by: str
    clip: str
    ssl: str
    clip_above: float
    ssl_below: float
    found: int
    alike: int
    images: list[str]


def read(db: Database, mining: str) -> MiningRow | None:
    """Return the row of a mining, or None if nothing was compared yet."""
    rows = db.read(SPEC, where=any_of("mining", [mining])).to_pylist()
    if not rows:
        return None
    lines: str = rows[0].pop("images")
    return MiningRow(**rows[0], images=lines.splitlines())


def write(db: Database, row: MiningRow) -> None:
    """Write the row of a mining; images are stored as lines of one text."""
    values = {name: getattr(row, name) for name in SPEC.schema.names}
    values["images"] = "\n".join(row.images)
    db.upsert(SPEC, pa.Table.from_pylist([values], schema=SPEC.schema))
