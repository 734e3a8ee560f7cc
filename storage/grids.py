"""The tables `grids` and `overlaps`: which encoder is blind where another sees, and how alike.

Put here: the schemas of both, their keys, their reads and writes.
Keep out: mining (`tasks.mining`), counting (`tasks.grid`).

A grid is all ordered pairs of some encoders over some corpora. Each of its minings has its own rows
in `pairs`; here are the figures that compare them.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="grids",
    schema=pa.schema(
        [
            pa.field("grid", pa.string(), nullable=False),
            pa.field("clip", pa.string(), nullable=False),
            pa.field("ssl", pa.string(), nullable=False),
            pa.field("mining", pa.string(), nullable=False),
            pa.field("clip_above", pa.float64(), nullable=False),
            pa.field("ssl_below", pa.float64(), nullable=False),
            pa.field("images", pa.int64(), nullable=False),
            pa.field("pairs", pa.int64(), nullable=False),
            pa.field("images_in_pairs", pa.int64(), nullable=False),
        ]
    ),
    keys=("grid", "clip", "ssl"),
)

OVERLAPS: Final = TableSpec(
    name="overlaps",
    schema=pa.schema(
        [
            pa.field("grid", pa.string(), nullable=False),
            pa.field("mining_a", pa.string(), nullable=False),
            pa.field("mining_b", pa.string(), nullable=False),
            pa.field("common", pa.int64(), nullable=False),
            pa.field("jaccard", pa.float64()),
        ]
    ),
    keys=("grid", "mining_a", "mining_b"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """What one encoder (`clip`) takes for the same and another (`ssl`) tells apart.

    Both are encoders' names; `pairs` counts all blind pairs, those included that were cut from long
    lists; `images_in_pairs` counts the images of the stored ones.
    """

    grid: str
    clip: str
    ssl: str
    mining: str
    clip_above: float
    ssl_below: float
    images: int
    pairs: int
    images_in_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapRow:
    """How far the stored pairs of two minings overlap: in number, and over all pairs of either.

    `jaccard` is in [0, 1], null where neither has a pair.
    """

    grid: str
    mining_a: str
    mining_b: str
    common: int
    jaccard: float | None


def replace(db: Database, grid: str, rows: pa.Table, overlaps: pa.Table) -> None:
    """Make these all rows of a grid, each table in one commit."""
    where = any_of("grid", [grid])
    db.replace(OVERLAPS, overlaps.cast(OVERLAPS.schema), where=where)
    db.replace(SPEC, rows.cast(SPEC.schema), where=where)


def read(db: Database, grid: str, *, version: int | None = None) -> list[GridRow]:
    """Return the rows of a grid by both encoders."""
    rows = db.read(SPEC, version=version, where=any_of("grid", [grid]))
    return [GridRow(**row) for row in rows.to_pylist()]


def read_overlaps(db: Database, grid: str, *, version: int | None = None) -> list[OverlapRow]:
    """Return the overlaps of a grid by both minings."""
    rows = db.read(OVERLAPS, version=version, where=any_of("grid", [grid]))
    return [OverlapRow(**row) for row in rows.to_pylist()]
