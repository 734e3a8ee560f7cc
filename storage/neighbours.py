"""Look up the images whose vectors are nearest to one: LanceDB's index, for people who browse.

Put here: making an index of an `embeddings_<encoder>` table, searching it, measuring its recall.
Keep out: mining, which is exact and never asks an index (`tasks.mining`).

Shapes:
    D  width of a vector    N  images
"""

import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from lancedb.index import IvfFlat
from numpy.typing import NDArray

from storage.database import Database, StoreError
from storage.embeddings import PREFIX

PROBED: Final = 20
"""Cells of the index that are searched, of about the square root of the images."""

NEW_SHARE: Final = 0.2
"""An index is made anew when it lacks more than this share of the images."""

RECALL_IMAGES: Final = 50


class Neighbour(NamedTuple):
    """An image and the cosine of its vector to the one asked about, in [-1, 1]."""

    image: str
    cosine: float


class Index(NamedTuple):
    """An encoder's index: images in it, images that came since, cells."""

    indexed: int
    since: int
    cells: int


def index(db: Database, encoder: str) -> Index:
    """Return the index of an encoder's vectors, made first where there is none or it is old.

    Images that came since it was made are searched one by one, so a look-up misses none of them.

    Raises:
        StoreError: if the encoder has no vectors.
    """
    table = _open(db, encoder)
    rows = table.count_rows()
    cells = max(1, round(rows**0.5))
    found = next((one for one in table.list_indices() if one.columns == ["vector"]), None)
    stats = table.index_stats(found.name) if found is not None else None
    if stats is None or stats.num_unindexed_rows > NEW_SHARE * rows:
        with warnings.catch_warnings():  # of few rows in a cell: it is exact then
            warnings.simplefilter("ignore")
            config = IvfFlat(distance_type="cosine", num_partitions=cells)
            table.create_index("vector", config=config)
        return Index(rows, 0, cells)
    return Index(stats.num_indexed_rows, stats.num_unindexed_rows, cells)


def nearest(
    db: Database, encoder: str, vector_D: NDArray[np.floating], count: int, *, exact: bool = False
) -> list[Neighbour]:
    """Return the images nearest to a vector, by its cosine in float64, nearest first.

    `exact` looks at every image instead of the index' nearest cells.

    Raises:
        StoreError: if the encoder has no vectors.
        ValueError: if the vector has another width than the encoder's.
    """
    table = _open(db, encoder)
    width = table.schema.field("vector").type.list_size
    if vector_D.shape != (width,):
        message = f"{encoder} has vectors of width {width}, found shape {vector_D.shape}"
        raise ValueError(message)
    query = table.search(vector_D.astype(np.float32), vector_column_name="vector")
    query = query.distance_type("cosine").limit(count).select(["image", "vector", "_distance"])
    rows = (query.bypass_vector_index() if exact else query.nprobes(PROBED)).to_arrow()
    cosines = _cosines(rows["vector"], vector_D)
    found = [Neighbour(*pair) for pair in zip(rows["image"].to_pylist(), cosines, strict=True)]
    return sorted(found, key=lambda one: (-one.cosine, one.image))


def recall(db: Database, encoder: str, count: int, *, images: int = RECALL_IMAGES) -> float:
    """Return which share of the exact `count` nearest the index finds, over images drawn by lot."""
    table = _open(db, encoder)
    rows = table.count_rows()
    drawn = np.random.default_rng(0).permutation(rows)[:images]
    asked = table.take_offsets(sorted(drawn.tolist())).select(["vector"]).to_arrow()
    hits = wanted = 0
    for vector_D in _matrix(asked["vector"]):
        truth = {one.image for one in nearest(db, encoder, vector_D, count, exact=True)}
        hits += len(truth & {one.image for one in nearest(db, encoder, vector_D, count)})
        wanted += len(truth)
    return hits / wanted


def vector(db: Database, encoder: str, image: str) -> NDArray[np.floating] | None:
    """Return an image's stored vector (D,), or None where it has none.

    Raises:
        StoreError: if the encoder has no vectors.
    """
    rows = _open(db, encoder).search().where(f"image = '{image}'").select(["vector"]).to_arrow()
    stored_ND = _matrix(rows["vector"])
    return stored_ND[0] if len(stored_ND) else None


def cosines(
    db: Database, encoder: str, images: Sequence[str], vector_D: NDArray[np.floating]
) -> dict[str, float]:
    """Return the cosines of these images' vectors to one, of those that have one.

    Raises:
        StoreError: if the encoder has no vectors.
    """
    names = ", ".join(f"'{image}'" for image in images)
    query = _open(db, encoder).search().where(f"image IN ({names})").limit(None)
    rows = query.select(["image", "vector"]).to_arrow()
    found = _cosines(rows["vector"], vector_D)
    return dict(zip(rows["image"].to_pylist(), found, strict=True))


def _open(db: Database, encoder: str) -> Any:  # a lancedb Table
    if PREFIX + encoder not in db.tables():
        message = f"no image is embedded with {encoder}; run `mmvp embed` with it first"
        raise StoreError(message)
    return db.open(PREFIX + encoder)


def _matrix(column: pa.ChunkedArray) -> NDArray[np.floating]:
    chunk = column.combine_chunks()
    return np.asarray(chunk.flatten()).reshape(len(chunk), -1) if len(chunk) else np.empty((0, 0))


def _cosines(column: pa.ChunkedArray, vector_D: NDArray[np.floating]) -> list[float]:
    stored_ND = _matrix(column).astype(np.float64)
    if not len(stored_ND):
        return []
    asked_D = vector_D.astype(np.float64)
    lengths_N = np.linalg.norm(stored_ND, axis=1) * np.linalg.norm(asked_D)
    return list(np.clip(stored_ND @ asked_D / lengths_N, -1.0, 1.0).tolist())
