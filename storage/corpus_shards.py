"""The `corpus_shards` table: which parts of which archives were read, and as which version.

Put here: the schema of `corpus_shards`, its keys, its reads and writes; forgetting what an archive
held, in every table that remembers it.
Keep out: reading archives (`tasks.corpora`); which worker read a part (`storage.shards`).

A row of an archive has a path that begins with the archive's own and `!/`; its size and time of
change in `paths` and `refused` are those of the archive.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import pyarrow as pa

from storage import paths, refused
from storage.database import Database, TableSpec, any_of, quote
from storage.paths import PathRow
from storage.refused import RefusedRow

SPEC: Final = TableSpec(
    name="corpus_shards",
    schema=pa.schema(
        [
            pa.field("corpus", pa.string(), nullable=False),
            pa.field("shard", pa.string(), nullable=False),
            pa.field("archive", pa.string(), nullable=False),
            pa.field("parts", pa.int32(), nullable=False),
            pa.field("rows", pa.int64(), nullable=False),
            pa.field("size_bytes", pa.int64(), nullable=False),
            pa.field("mtime_ns", pa.int64(), nullable=False),
            pa.field("made_by", pa.string(), nullable=False),
        ]
    ),
    keys=("corpus", "shard"),
)

_IN_ARCHIVE: Final = " OR ".join(
    f"lower(path) LIKE '%{ending}!/%'" for ending in (".tar", ".parquet", ".arrow")
)


class Version(NamedTuple):
    """What an archive was when it was read, and the fingerprint of what read it."""

    size_bytes: int
    mtime_ns: int
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusShardRow:
    """One part of an archive that was read to its end: `rows` of it, one of `parts`."""

    corpus: str
    shard: str
    archive: str
    parts: int
    rows: int
    size_bytes: int
    mtime_ns: int
    made_by: str

    def version(self) -> Version:
        """Return the version of the archive that was read."""
        return Version(self.size_bytes, self.mtime_ns, self.made_by)


def upsert(db: Database, rows: Sequence[CorpusShardRow]) -> None:
    """Write parts by corpus and name."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(db: Database, corpus: str) -> dict[str, list[CorpusShardRow]]:
    """Return the parts that were read of a corpus, by archive."""
    found: dict[str, list[CorpusShardRow]] = {}
    for values in db.read(SPEC, where=any_of("corpus", [corpus])).to_pylist():
        found.setdefault(values["archive"], []).append(CorpusShardRow(**values))
    return found


def forget(db: Database, stage: str, corpus: str, archive: str, *, but: Version | None) -> None:
    """Forget all that `stage` remembers of an archive, except what is of the version `but`."""
    other = f"corpus = {quote(corpus)}"
    if but is not None:
        other += (
            f" AND NOT (size_bytes = {but.size_bytes} AND mtime_ns = {but.mtime_ns}"
            f" AND made_by = {quote(but.made_by)})"
        )
    rows = f"(path = {quote(archive)} OR starts_with(path, {quote(archive + '!/')}))"
    db.delete(paths.SPEC, where=f"{other} AND {rows}")
    db.delete(refused.SPEC, where=f"{other} AND {rows} AND stage = {quote(stage)}")
    db.delete(SPEC, where=f"{other} AND archive = {quote(archive)}")


def files(db: Database, stage: str, corpus: str) -> list[PathRow | RefusedRow]:
    """Return what `stage` remembers of a corpus' files; rows of archives are left out."""
    where = f"corpus = {quote(corpus)} AND NOT ({_IN_ARCHIVE})"
    held = db.read(paths.SPEC, where=where).to_pylist()
    bad = db.read(refused.SPEC, where=f"{where} AND stage = {quote(stage)}").to_pylist()
    return [*(PathRow(**row) for row in held), *(RefusedRow(**row) for row in bad)]
