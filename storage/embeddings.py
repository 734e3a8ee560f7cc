"""The `embeddings_<encoder>` tables: one unit vector per image, one table per encoder.

Put here: the schema of these tables and their reads and writes.
Keep out: computing vectors (`tasks.embed`); naming encoders (`tasks.encoders`).

An encoder's name ends with the fingerprint of all that decides a bit of its vectors, so a row
never needs to be overwritten: other bits have another name.

Shapes:
    N  images    D  width of a vector (of CLIP)    E  width of an SSL vector
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage.database import Database, TableSpec
from storage.receipts import Receipt

PREFIX: Final = "embeddings_"
FACTS_KEY: Final = b"mmvp.encoder"


def spec(encoder: str, width: int, facts: Mapping[str, Any] | None = None) -> TableSpec:
    """Return the table of an encoder; `facts` (JSON values) are kept in a new table's schema."""
    schema = pa.schema(
        [
            pa.field("image", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), width), nullable=False),
        ]
    )
    if facts is not None:
        schema = schema.with_metadata({FACTS_KEY: json.dumps(facts, sort_keys=True).encode()})
    return TableSpec(name=PREFIX + encoder, schema=schema, keys=("image",))


def _ids_spec(encoder: str) -> TableSpec:
    """The table seen without its vectors, whatever their width."""
    schema = pa.schema([pa.field("image", pa.string(), nullable=False)])
    return TableSpec(name=PREFIX + encoder, schema=schema, keys=("image",))


def version(db: Database, encoder: str) -> int:
    """Return the latest version of an encoder's table; 0 when it has none."""
    return db.version(_ids_spec(encoder))


def ids(db: Database, encoder: str, *, version: int | None = None) -> set[str]:
    """Return the images that have a vector."""
    return set(db.read(_ids_spec(encoder), version=version)["image"].to_pylist())


def insert(
    db: Database,
    encoder: str,
    images: Sequence[str],
    vectors_ND: NDArray[np.float32],
    facts: Mapping[str, Any],
) -> None:
    """Write the vectors of images that have none yet, in one commit."""
    flat = pa.array(np.ascontiguousarray(vectors_ND, dtype=np.float32).reshape(-1))
    width = vectors_ND.shape[1]
    table_spec = spec(encoder, width, facts)
    vectors = pa.FixedSizeListArray.from_arrays(flat, width)
    rows = pa.table({"image": pa.array(images, pa.string()), "vector": vectors})
    db.insert(table_spec, rows.cast(table_spec.schema))


def read(
    db: Database, encoder: str, images: Sequence[str], *, version: int
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the vectors of those of `images` that have one: their ids, sorted, and (N, D) float32.

    Raises:
        StoreError: if this version no longer exists.
    """
    width = 0 if version == 0 else db.vector_width(PREFIX + encoder)
    rows = db.read(spec(encoder, width), version=version)
    wanted = set(images)
    index: dict[str, int] = {}
    for position, image in enumerate(rows["image"].to_pylist()):
        if image in wanted:
            index.setdefault(image, position)
    found = sorted(index)
    column = rows["vector"].combine_chunks()
    all_ND = np.asarray(column.flatten()).reshape(len(column), width)
    return found, all_ND[[index[image] for image in found]]


class BothVectors(NamedTuple):
    """The images that have a vector of both encoders, sorted, and the vectors in their order."""

    ids: list[str]
    clip_ND: NDArray[np.float32]
    ssl_NE: NDArray[np.float32]


def read_both(db: Database, clip: Receipt, ssl: Receipt, images: Sequence[str]) -> BothVectors:
    """Return the vectors of those of `images` that both tables hold, each at its receipt's version.

    Raises:
        StoreError: if one of the versions no longer exists.
    """
    ids, clip_ND = read(db, clip.table.removeprefix(PREFIX), images, version=clip.version)
    common, ssl_NE = read(db, ssl.table.removeprefix(PREFIX), ids, version=ssl.version)
    return BothVectors(common, clip_ND[np.isin(ids, common)], ssl_NE)
