"""The `paths` table: which file of which corpus holds which image; duplicates too.

Put here: the schema of `paths`, its keys, its reads and writes.
Keep out: walking folders (`tasks.ingest`); files that hold no image (`storage.refused`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="paths",
    schema=pa.schema(
        [
            pa.field("corpus", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("image", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("caption", pa.string()),
            pa.field("size_bytes", pa.int64(), nullable=False),
            pa.field("mtime_ns", pa.int64(), nullable=False),
            pa.field("made_by", pa.string(), nullable=False),
        ]
    ),
    keys=("corpus", "path"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """One file of a corpus.

    `corpus` and `path` are absolute; `mtime_ns` is the file's time of change in nanoseconds;
    `made_by` is the fingerprint of the code that read the file.
    """

    corpus: str
    path: str
    image: str
    label: str | None
    caption: str | None
    size_bytes: int
    mtime_ns: int
    made_by: str


def upsert(db: Database, rows: Sequence[PathRow]) -> None:
    """Write files by corpus and path."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(db: Database, corpora: Sequence[str], *, version: int | None = None) -> list[PathRow]:
    """Return the files of these corpora by corpus and path."""
    rows = db.read(SPEC, version=version, where=any_of("corpus", corpora))
    return [PathRow(**row) for row in rows.to_pylist()]


def remove(db: Database, corpus: str, paths: Sequence[str]) -> None:
    """Forget files of a corpus; their images and vectors stay for whoever else holds them."""
    if paths:
        db.delete(SPEC, where=f"{any_of('corpus', [corpus])} AND {any_of('path', paths)}")


def images(
    db: Database, corpora: Sequence[str], *, version: int | None = None
) -> dict[str, list[str]]:
    """Return the distinct images of these corpora: id -> paths, sorted by id."""
    rows = db.read(
        SPEC, version=version, where=any_of("corpus", corpora), columns=["image", "path"]
    )
    held: dict[str, list[str]] = {}
    for image, path in zip(rows["image"].to_pylist(), rows["path"].to_pylist(), strict=True):
        held.setdefault(image, []).append(path)
    return dict(sorted(held.items()))


def corpora(db: Database) -> list[str]:
    """Return the names of all corpora in the store, sorted."""
    return sorted(db.read(SPEC, columns=["corpus"])["corpus"].unique().to_pylist())
