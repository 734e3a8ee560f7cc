"""The `pairs` table: every CLIP-blind pair of every mining.

Put here: the schema of `pairs`, its keys, its reads and writes.
Keep out: deciding which pairs are blind and which are selected (`tasks.mining`).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="pairs",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("pair_id", pa.string(), nullable=False),
            pa.field("image_a", pa.string(), nullable=False),
            pa.field("image_b", pa.string(), nullable=False),
            pa.field("clip_cosine", pa.float64(), nullable=False),
            pa.field("ssl_cosine", pa.float64(), nullable=False),
            pa.field("selected", pa.bool_(), nullable=False),
            pa.field("left_out", pa.string()),
            pa.field("attribute", pa.string()),
        ]
    ),
    keys=("mining", "pair_id"),
)


def pair_id(image_a: str, image_b: str) -> str:
    """Return the name of a pair: 32 hex digits of the sha256 of its two image ids in order.

    Raises:
        ValueError: if the ids are equal or not in order.
    """
    if image_a >= image_b:
        message = f"a pair needs two image ids in order, got {image_a!r} and {image_b!r}"
        raise ValueError(message)
    return hashlib.sha256(f"{image_a}+{image_b}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """Two images that one encoder (`clip`) takes for the same and another (`ssl`) tells apart.

    Both cosines are in [-1, 1], in float64. `selected` says whether the pair is part of the
    mining's benchmark; `left_out` says why not (null when it is). `attribute` is what a selected
    pair is asked about (null where the corpus' metadata tells nothing).
    """

    mining: str
    pair_id: str
    image_a: str
    image_b: str
    clip_cosine: float
    ssl_cosine: float
    selected: bool
    left_out: str | None
    attribute: str | None


def replace(db: Database, mining: str, rows: pa.Table) -> None:
    """Make `rows` (columns as in the schema) all pairs of a mining, in one commit."""
    db.replace(SPEC, rows.cast(SPEC.schema), where=any_of("mining", [mining]))


def ids(db: Database, mining: str) -> list[str]:
    """Return the pair ids of a mining, sorted."""
    rows = db.read(SPEC, where=any_of("mining", [mining]), columns=["pair_id"])
    found: list[str] = rows["pair_id"].to_pylist()
    return found


def table(db: Database, mining: str, *, version: int | None = None) -> pa.Table:
    """Return the pairs of a mining by pair id, as they are stored."""
    return db.read(SPEC, version=version, where=any_of("mining", [mining]))


def read(db: Database, mining: str, *, version: int | None = None) -> list[PairRow]:
    """Return the pairs of a mining by pair id."""
    return [PairRow(**row) for row in table(db, mining, version=version).to_pylist()]
