"""The `refused` table: files that gave no image, and images that gave no vector, with the reason.

Put here: the schema of `refused`, its keys, its reads and writes.
Keep out: the reasons themselves; they belong to whoever refuses (`tasks.images`, `tasks.embed`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="refused",
    schema=pa.schema(
        [
            pa.field("stage", pa.string(), nullable=False),
            pa.field("corpus", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("detail", pa.string(), nullable=False),
            pa.field("size_bytes", pa.int64(), nullable=False),
            pa.field("mtime_ns", pa.int64(), nullable=False),
            pa.field("made_by", pa.string(), nullable=False),
        ]
    ),
    keys=("stage", "corpus", "path"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """One file that `stage` refused; the other fields are those of `storage.paths.PathRow`."""

    stage: str
    corpus: str
    path: str
    reason: str
    detail: str
    size_bytes: int
    mtime_ns: int
    made_by: str


def _table(rows: Sequence[RefusedRow]) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema)


def _of(stage: str, corpora: Sequence[str]) -> str:
    return f"{any_of('stage', [stage])} AND {any_of('corpus', corpora)}"


def upsert(db: Database, rows: Sequence[RefusedRow]) -> None:
    """Write refusals by stage, corpus and path."""
    db.upsert(SPEC, _table(rows))


def replace(db: Database, stage: str, corpora: Sequence[str], rows: Sequence[RefusedRow]) -> None:
    """Make `rows` all that a stage has refused of these corpora, in one commit."""
    db.replace(SPEC, _table(rows), where=_of(stage, corpora))


def read(
    db: Database, stage: str, corpora: Sequence[str], *, version: int | None = None
) -> list[RefusedRow]:
    """Return what a stage has refused of these corpora, by corpus and path."""
    rows = db.read(SPEC, version=version, where=_of(stage, corpora))
    return [RefusedRow(**row) for row in rows.to_pylist()]


def remove(db: Database, stage: str, corpus: str, paths: Sequence[str]) -> None:
    """Forget what a stage has refused at these paths."""
    if paths:
        db.delete(SPEC, where=f"{_of(stage, [corpus])} AND {any_of('path', paths)}")
