"""The `embeddings_<encoder>` tables: one vector per image, one table per encoder.

Put here: the schema of these tables and their reads and writes.
Keep out: computing vectors (`tasks.embed`); naming encoders (`tasks.encoders`); files and commits
(`storage.fragments`).

Vectors had unit length before they were rounded to float16; what is stored is the truth, and a
cosine is that of the stored values. An encoder's name ends with the fingerprint of all that decides
a bit of its vectors, so a row never needs to be overwritten: other bits have another name.

Shapes:
    N  images    B  rows of a batch    D  width of a vector (of CLIP)    E  width of an SSL vector
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage import fragments
from storage.database import Database, TableSpec, location
from storage.fragments import BATCH_ROWS, READ_ROWS
from storage.receipts import Receipt

PREFIX: Final = "embeddings_"
FACTS_KEY: Final = b"mmvp.encoder"
NEW: Final = 1
"""The first version of a table, which has no rows."""

FEW: Final = 0.1
"""Rows are fetched one by one, and not by reading all, below this share of a table."""


class Rows(NamedTuple):
    """Some rows of a table in its own order; both columns lie where Lance has read them."""

    ids: pa.Array | None
    vectors_BD: NDArray[np.float16]


class Written(NamedTuple):
    """Vectors that lie in files which no version names yet."""

    fragments: Sequence[str]
    rows: int
    width: int


def spec(encoder: str, width: int, facts: Mapping[str, Any] | None = None) -> TableSpec:
    """Return the table of an encoder; `facts` (JSON values) are kept in a new table's schema."""
    schema = pa.schema(
        [
            pa.field("image", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float16(), width), nullable=False),
        ]
    )
    if facts is not None:
        schema = schema.with_metadata({FACTS_KEY: json.dumps(facts, sort_keys=True).encode()})
    return TableSpec(name=PREFIX + encoder, schema=schema, keys=("image",), schema_version=2)


def _ids_spec(encoder: str) -> TableSpec:
    """The table seen without its vectors, whatever their width."""
    schema = pa.schema([pa.field("image", pa.string(), nullable=False)])
    return TableSpec(name=PREFIX + encoder, schema=schema, keys=("image",), schema_version=2)


def version(db: Database, encoder: str) -> int:
    """Return the latest version of an encoder's table; 0 when it has none."""
    return db.version(_ids_spec(encoder))


def ids(db: Database, encoder: str, *, version: int | None = None) -> set[str]:
    """Return the images that have a vector."""
    found = db.version(_ids_spec(encoder)) if version is None else version
    return set(_all_ids(db, encoder, found))


def write(
    store: str,
    encoder: str,
    width: int,
    batches: Iterable[tuple[Sequence[str], NDArray[np.floating]]],
) -> Written:
    """Stream ids and vectors (B, D) into files of the table, in any process; see `append`."""
    schema = spec(encoder, width).schema
    rows = 0

    def records() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for images, vectors_BD in batches:
            rows += len(images)
            yield _record(images, vectors_BD, schema)

    place = location(store, PREFIX + encoder)
    written = fragments.write(place, schema, records())
    return Written(written, rows, width)


def _record(
    images: Sequence[str], vectors_BD: NDArray[np.floating], schema: pa.Schema
) -> pa.RecordBatch:
    flat = pa.array(np.ascontiguousarray(vectors_BD, dtype=np.float16).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("vector").type)
    return pa.record_batch([pa.array(images, pa.string()), vectors], schema=schema)


def append(
    db: Database,
    encoder: str,
    written: Sequence[Written],
    facts: Mapping[str, Any],
    *,
    read_version: int,
) -> int:
    """Commit what `write` wrote, all at once, and return the version that holds it.

    None of the images may have a vector at `read_version`. If another writer has added one since,
    the earlier vector stays.
    """
    parts = [fragment for one in written for fragment in one.fragments]
    if not parts:
        return read_version
    table = spec(encoder, written[0].width, facts)
    db.make([table])
    return fragments.commit(db, table, parts, read_version=read_version or NEW)


def insert(
    db: Database,
    encoder: str,
    images: Sequence[str],
    vectors_ND: NDArray[np.floating],
    facts: Mapping[str, Any],
) -> None:
    """Write the vectors of images that have none yet, in one commit."""
    db.make([spec(encoder, vectors_ND.shape[1], facts)])
    latest = version(db, encoder)
    stored = ids(db, encoder, version=latest)
    new = [row for row, image in enumerate(images) if image not in stored]
    batches = (
        ([images[row] for row in part], vectors_ND[part])
        for part in (new[start : start + BATCH_ROWS] for start in range(0, len(new), BATCH_ROWS))
    )
    if new:
        written = write(db.uri, encoder, vectors_ND.shape[1], batches)
        append(db, encoder, [written], facts, read_version=latest)


def scan(db: Database, encoder: str, *, version: int) -> Iterator[Rows]:
    """Yield all rows in the table's own order, at most 4096 at once, without copying a vector.

    The order is that of the offsets that `take` wants, and stays what it is for a version.

    Raises:
        StoreError: if this version no longer exists.
    """
    if version:
        dataset = fragments.open_rows(db, _ids_spec(encoder), version)
        columns = ["image", "vector"]
        for batch in dataset.scanner(columns=columns, batch_size=READ_ROWS).to_batches():
            yield Rows(batch["image"], _vectors(batch["vector"]))


def take(
    db: Database, encoder: str, rows: Sequence[int] | NDArray[np.integer], *, version: int
) -> NDArray[np.float16]:
    """Return the vectors (N, D) at these offsets of `scan`'s order.

    Raises:
        StoreError: if this version no longer exists.
    """
    dataset = fragments.open_rows(db, _ids_spec(encoder), version)
    found = dataset.take([int(row) for row in rows], columns=["vector"])["vector"]
    return _vectors(found.combine_chunks())


def at(
    db: Database, encoder: str, offsets_N: NDArray[np.int64], *, version: int
) -> NDArray[np.float16]:
    """Return the vectors (N, D) at these offsets, which increase, by the cheaper of two ways.

    Raises:
        StoreError: if this version no longer exists.
    """
    if not len(offsets_N):
        return np.empty((0, db.vector_width(PREFIX + encoder)), np.float16)
    first, last = int(offsets_N[0]), int(offsets_N[-1])
    span = last - first + 1
    if len(offsets_N) < FEW * span:
        return take(db, encoder, offsets_N, version=version)
    dataset = fragments.open_rows(db, _ids_spec(encoder), version)
    scanner = dataset.scanner(columns=["vector"], offset=first, limit=span, batch_size=BATCH_ROWS)
    rows = (Rows(None, _vectors(batch["vector"])) for batch in scanner.to_batches())
    width = dataset.schema.field("vector").type.list_size
    return _gather(rows, offsets_N - first, width)


def offsets(
    db: Database, encoder: str, images: pa.StringArray, *, version: int
) -> NDArray[np.int64]:
    """Return at which offset of `scan`'s order each image's vector is, -1 where it has none.

    Raises:
        StoreError: if this version no longer exists.
    """
    if not version:
        return np.full(len(images), -1, np.int64)
    dataset = fragments.open_rows(db, _ids_spec(encoder), version)
    stored = dataset.to_table(columns=["image"])["image"].combine_chunks()
    found = pc.index_in(images, value_set=stored).fill_null(-1)
    return np.asarray(found, np.int64)


def _vectors(column: pa.FixedSizeListArray) -> NDArray[np.float16]:
    flat: NDArray[np.float16] = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), column.type.list_size)


def _all_ids(db: Database, encoder: str, version: int) -> list[str]:
    if not version:
        return []
    dataset = fragments.open_rows(db, _ids_spec(encoder), version)
    names: list[str] = dataset.to_table(columns=["image"])["image"].to_pylist()
    return names


def read(
    db: Database, encoder: str, images: Sequence[str], *, version: int
) -> tuple[list[str], NDArray[np.float16]]:
    """Return the vectors of those of `images` that have one: their ids, sorted, and (N, D) float16.

    Raises:
        StoreError: if this version no longer exists.
    """
    wanted = set(images)
    stored = _all_ids(db, encoder, version)
    row_of = {image: row for row, image in enumerate(stored) if image in wanted}
    found = sorted(row_of)
    width = db.vector_width(PREFIX + encoder) if version else 0
    rows = np.array([row_of[image] for image in found], np.int64)
    if len(rows) < FEW * len(stored):
        return found, take(db, encoder, rows, version=version)
    return found, _gather(scan(db, encoder, version=version), rows, width)


def _gather(batches: Iterable[Rows], rows_N: NDArray[np.int64], width: int) -> NDArray[np.float16]:
    """Return the vectors at these offsets, holding one batch beside them."""
    vectors_ND = np.empty((len(rows_N), width), np.float16)
    order_N = np.argsort(rows_N)
    sorted_N = rows_N[order_N]
    start = 0
    for batch in batches:
        end = start + len(batch.vectors_BD)
        here = slice(*np.searchsorted(sorted_N, (start, end)))
        vectors_ND[order_N[here]] = batch.vectors_BD[sorted_N[here] - start]
        start = end
    return vectors_ND


class BothVectors(NamedTuple):
    """The images that have a vector of both encoders, sorted, and the vectors in their order."""

    ids: list[str]
    clip_ND: NDArray[np.float16]
    ssl_NE: NDArray[np.float16]


def read_both(db: Database, clip: Receipt, ssl: Receipt, images: Sequence[str]) -> BothVectors:
    """Return the vectors of those of `images` that both tables hold, each at its receipt's version.

    Raises:
        StoreError: if one of the versions no longer exists.
    """
    ids, clip_ND = read(db, clip.table.removeprefix(PREFIX), images, version=clip.version)
    common, ssl_NE = read(db, ssl.table.removeprefix(PREFIX), ids, version=ssl.version)
    return BothVectors(common, clip_ND[np.isin(ids, common)], ssl_NE)


def pin(db: Database, encoder: str, tag: str, *, version: int) -> None:
    """Keep a version that somebody reads from `clean`; the version that `tag` kept is let go.

    Raises:
        StoreError: if this version no longer exists.
    """
    fragments.pin(db, _ids_spec(encoder), tag, version)


def unpin(db: Database, encoder: str, tag: str) -> None:
    """Let go of the version that `tag` keeps, if there is one."""
    fragments.unpin(db, _ids_spec(encoder), tag)


def clean(db: Database, encoder: str) -> None:
    """Remove versions and files that nobody reads; no one may be writing to the table."""
    fragments.clean(db, _ids_spec(encoder))
