"""The tables of vectors: bits as given, one vector an image, each encoder on its own."""

import json

import numpy as np
import pytest

from storage import embeddings
from storage.database import StoreError

FACTS = {"model": "it's", "layers": [1, 2]}


def vectors(count, width=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def test_vectors_come_back_bit_by_bit_and_by_image(db):
    vectors_ND = vectors(3)
    embeddings.insert(db, "clip-1", ["c", "a", "b"], vectors_ND, FACTS)
    version = embeddings.version(db, "clip-1")

    ids, read_ND = embeddings.read(db, "clip-1", ["a", "b", "c"], version=version)

    assert (ids, read_ND.dtype) == (["a", "b", "c"], np.float32)
    np.testing.assert_array_equal(read_ND, vectors_ND[[1, 2, 0]])


def test_images_without_a_vector_are_left_out(db):
    embeddings.insert(db, "clip-1", ["a", "b", "c"], vectors(3), FACTS)
    version = embeddings.version(db, "clip-1")

    ids, read_ND = embeddings.read(db, "clip-1", ["z", "c", "a"], version=version)

    assert ids == ["a", "c"]
    np.testing.assert_array_equal(read_ND, vectors(3)[[0, 2]])


def test_a_vector_that_is_there_is_never_overwritten(db):
    embeddings.insert(db, "clip-1", ["a"], vectors(1), FACTS)

    embeddings.insert(db, "clip-1", ["a", "b"], vectors(2, seed=1), FACTS)

    version = embeddings.version(db, "clip-1")
    _, read_ND = embeddings.read(db, "clip-1", ["a", "b"], version=version)
    np.testing.assert_array_equal(read_ND, [vectors(1)[0], vectors(2, seed=1)[1]])


def test_inserting_only_vectors_that_are_there_makes_no_new_version(db):
    embeddings.insert(db, "clip-1", ["a", "b"], vectors(2), FACTS)
    version = embeddings.version(db, "clip-1")

    embeddings.insert(db, "clip-1", ["b"], vectors(1), FACTS)

    assert embeddings.version(db, "clip-1") == version


def test_vectors_of_any_layout_and_type_are_stored_as_float32(db):
    vectors_ND = np.asfortranarray(vectors(4).astype(np.float64))[::2]
    embeddings.insert(db, "clip-1", ["a", "b"], vectors_ND, FACTS)

    _, read_ND = embeddings.read(db, "clip-1", ["a", "b"], version=embeddings.version(db, "clip-1"))

    np.testing.assert_array_equal(read_ND, vectors(4)[::2])


def test_vectors_are_those_of_the_version_asked_for(db):
    embeddings.insert(db, "clip-1", ["a"], vectors(1), FACTS)
    version = embeddings.version(db, "clip-1")
    embeddings.insert(db, "clip-1", ["b"], vectors(1), FACTS)

    assert embeddings.read(db, "clip-1", ["a", "b"], version=version)[0] == ["a"]
    assert embeddings.ids(db, "clip-1", version=version) == {"a"}
    assert embeddings.ids(db, "clip-1") == {"a", "b"}


def test_version_0_has_no_vectors(db):
    ids, read_ND = embeddings.read(db, "clip-1", ["a"], version=0)

    assert (ids, len(read_ND), embeddings.version(db, "clip-1")) == ([], 0, 0)


def test_a_version_that_never_was_is_refused(db):
    embeddings.insert(db, "clip-1", ["a"], vectors(1), FACTS)

    with pytest.raises(StoreError, match="version 99 of table 'embeddings_clip-1'"):
        embeddings.read(db, "clip-1", ["a"], version=99)


def test_encoders_do_not_mix(db):
    embeddings.insert(db, "clip-1", ["a"], vectors(1, width=3), FACTS)
    embeddings.insert(db, "ssl-2", ["b"], vectors(1, width=5), FACTS)

    assert embeddings.ids(db, "clip-1") == {"a"}
    assert embeddings.ids(db, "ssl-2") == {"b"}
    assert db.vector_width("embeddings_ssl-2") == 5


def test_a_new_table_keeps_the_facts_of_its_encoder(db):
    embeddings.insert(db, "clip-1", ["a"], vectors(1), FACTS)

    schema = db.read(embeddings.spec("clip-1", 3)).schema
    stored = db._connection.open_table("embeddings_clip-1").schema
    assert schema.field("vector").type.list_size == 3
    assert json.loads(stored.metadata[embeddings.FACTS_KEY]) == FACTS
