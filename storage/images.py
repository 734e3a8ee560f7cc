"""The `images` table: one row per distinct image content, whichever corpora hold it.

Put here: the schema of `images`, its key, and its reads and writes.
Keep out: where files with this content lie (`storage.paths`); decoding (`tasks.images`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec

SPEC: Final = TableSpec(
    name="images",
    schema=pa.schema(
        [
            pa.field("image", pa.string(), nullable=False),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("format", pa.string(), nullable=False),
            pa.field("mode", pa.string(), nullable=False),
            pa.field("frames", pa.int32(), nullable=False),
            pa.field("size_bytes", pa.int64(), nullable=False),
        ]
    ),
    keys=("image",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One image: `image` is the sha256 of its file's bytes; width and height as shown, in px."""

    image: str
    width: int
    height: int
    format: str
    mode: str
    frames: int
    size_bytes: int


def upsert(db: Database, rows: Sequence[ImageRow]) -> None:
    """Write images by content; writing them twice leaves what writing them once leaves."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def ids(db: Database, *, version: int | None = None) -> list[str]:
    """Return the ids of all images in the store, sorted."""
    found: list[str] = db.read(SPEC, version=version, columns=["image"])["image"].to_pylist()
    return found
