"""Neighbours: the index finds nearly all that a full look finds, and says how many."""

import numpy as np
import pytest

from storage import embeddings, neighbours
from storage.database import StoreError

ROWS = 600


@pytest.fixture
def clustered(db):
    """600 vectors in 30 clusters, so that cells of an index mean something."""
    rng = np.random.default_rng(0)
    centres_KD = rng.normal(size=(30, 16))
    vectors_ND = centres_KD[np.arange(ROWS) % 30] + 0.3 * rng.normal(size=(ROWS, 16))
    ids = [f"{row:064x}" for row in range(ROWS)]
    embeddings.insert(db, "clip-1", ids, vectors_ND.astype(np.float32), {})
    return db, ids, vectors_ND


def true_cosines(vectors_ND, row):
    unit_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return unit_ND @ unit_ND[row]


def test_an_exact_look_returns_the_nearest_with_their_cosines(clustered):
    db, ids, vectors_ND = clustered
    cosines_N = true_cosines(vectors_ND, 7)
    order = np.argsort(-cosines_N)[:5]

    found = neighbours.nearest(db, "clip-1", vectors_ND[7], 5, exact=True)

    assert [one.image for one in found] == [ids[row] for row in order]
    assert [one.cosine for one in found] == pytest.approx(cosines_N[order], abs=2e-3)


def test_the_index_is_made_once_and_made_anew_when_the_table_has_grown(clustered):
    db, _, vectors_ND = clustered
    first = neighbours.index(db, "clip-1")
    version = embeddings.version(db, "clip-1")
    again = neighbours.index(db, "clip-1")
    assert (first, again) == ((ROWS, 0, 24), (ROWS, 0, 24))
    assert embeddings.version(db, "clip-1") == version

    few = vectors_ND[:60].astype(np.float32) + 1
    embeddings.insert(db, "clip-1", [f"{row:064x}" for row in range(1000, 1060)], few, {})
    assert neighbours.index(db, "clip-1") == (ROWS, 60, 26)

    many = vectors_ND[:300].astype(np.float32) + 2
    embeddings.insert(db, "clip-1", [f"{row:064x}" for row in range(2000, 2300)], many, {})
    assert neighbours.index(db, "clip-1") == (960, 0, 31)


def test_an_image_that_came_after_the_index_is_found(clustered):
    db, _, vectors_ND = clustered
    neighbours.index(db, "clip-1")
    new = vectors_ND[[7]].astype(np.float32)
    embeddings.insert(db, "clip-1", ["f" * 64], new, {})

    found = neighbours.nearest(db, "clip-1", new[0], 2)

    assert {one.image for one in found} == {"f" * 64, f"{7:064x}"}


def test_recall_is_one_where_all_cells_are_searched_and_less_where_few_are(clustered, monkeypatch):
    db, _, _ = clustered
    neighbours.index(db, "clip-1")

    monkeypatch.setattr(neighbours, "PROBED", 24)
    assert neighbours.recall(db, "clip-1", 40) == 1.0

    monkeypatch.setattr(neighbours, "PROBED", 1)
    assert 0 < neighbours.recall(db, "clip-1", 40) < 1


def test_cosines_and_vectors_are_those_that_are_stored(clustered):
    db, ids, vectors_ND = clustered

    stored = neighbours.vector(db, "clip-1", ids[3])
    found = neighbours.cosines(db, "clip-1", [ids[3], ids[4], "0" * 63 + "z"], vectors_ND[3])

    np.testing.assert_allclose(stored, vectors_ND[3], rtol=2e-3)
    assert found == pytest.approx({ids[3]: 1.0, ids[4]: true_cosines(vectors_ND, 3)[4]}, abs=2e-3)
    assert neighbours.vector(db, "clip-1", "0" * 63 + "z") is None


def test_another_width_and_an_unknown_encoder_are_named(clustered):
    db, _, _ = clustered
    with pytest.raises(ValueError, match=r"clip-1 has vectors of width 16, found shape \(3,\)"):
        neighbours.nearest(db, "clip-1", np.ones(3), 2)
    with pytest.raises(StoreError, match="no image is embedded with ssl-1; run `mmvp embed`"):
        neighbours.index(db, "ssl-1")
