"""The `duplicates` table: near-duplicates, pairs of images that both encoders take for the same.

Put here: the schema of `duplicates`, its keys, its reads and writes.
Keep out: deciding which pairs are near-duplicates (`tasks.mining`). Files of equal content are one
image, so they are no rows here but further rows of `paths`.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="duplicates",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("pair_id", pa.string(), nullable=False),
            pa.field("image_a", pa.string(), nullable=False),
            pa.field("image_b", pa.string(), nullable=False),
            pa.field("clip_cosine", pa.float64(), nullable=False),
            pa.field("ssl_cosine", pa.float64(), nullable=False),
        ]
    ),
    keys=("mining", "pair_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateRow:
    """Two images of one mining that both encoders take for the same; cosines in float64."""

    mining: str
    pair_id: str
    image_a: str
    image_b: str
    clip_cosine: float
    ssl_cosine: float


def replace(db: Database, mining: str, rows: pa.Table) -> None:
    """Make `rows` (columns as in the schema) all near-duplicates of a mining, in one commit."""
    db.replace(SPEC, rows.cast(SPEC.schema), where=any_of("mining", [mining]))


def table(db: Database, mining: str, *, version: int | None = None) -> pa.Table:
    """Return the near-duplicates of a mining by pair id, as they are stored."""
    return db.read(SPEC, version=version, where=any_of("mining", [mining]))


def read(db: Database, mining: str, *, version: int | None = None) -> list[DuplicateRow]:
    """Return the near-duplicates of a mining by pair id."""
    return [DuplicateRow(**row) for row in table(db, mining, version=version).to_pylist()]
