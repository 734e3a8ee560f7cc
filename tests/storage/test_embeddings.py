"""The tables of vectors: bits as given, one vector an image, each encoder on its own."""

import json

import numpy as np
import pyarrow as pa
import pytest

from storage import embeddings
from storage.database import StoreError

FACTS = {"model": "it's", "layers": [1, 2]}


def vectors(count, width=3, seed=0):
    """Vectors in float32 whose values float16 can hold."""
    drawn = np.random.default_rng(seed).normal(size=(count, width))
    return drawn.astype(np.float16).astype(np.float32)


def names(count):
    return [f"{number:05}" for number in range(count)]


def test_vectors_come_back_bit_by_bit_and_by_image(db):
    vectors_ND = vectors(3)
    embeddings.insert(db, "clip-1", ["c", "a", "b"], vectors_ND, FACTS)
    version = embeddings.version(db, "clip-1")

    ids, read_ND = embeddings.read(db, "clip-1", ["a", "b", "c"], version=version)

    assert (ids, read_ND.dtype) == (["a", "b", "c"], np.float16)
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


def test_vectors_of_any_layout_and_type_are_stored_as_float16(db):
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


def test_many_vectors_are_read_in_the_order_of_their_ids_whatever_that_of_the_table(db):
    vectors_ND = vectors(20_000)
    shuffled = np.random.default_rng(1).permutation(20_000)
    images = names(20_000)
    embeddings.insert(db, "clip-1", [images[row] for row in shuffled], vectors_ND[shuffled], FACTS)
    version = embeddings.version(db, "clip-1")

    most, most_ND = embeddings.read(db, "clip-1", images[3:], version=version)
    few, few_ND = embeddings.read(db, "clip-1", images[5:900:7], version=version)
    none, none_ND = embeddings.read(db, "clip-1", ["z"], version=version)

    assert (most, few, none) == (images[3:], images[5:900:7], [])
    np.testing.assert_array_equal(most_ND, vectors_ND[3:])
    np.testing.assert_array_equal(few_ND, vectors_ND[5:900:7])
    assert none_ND.shape == (0, 3)


def test_a_scan_gives_every_row_once_in_batches_that_are_views_of_what_was_read(db):
    vectors_ND = vectors(20_000, width=4)
    embeddings.insert(db, "clip-1", names(20_000), vectors_ND, FACTS)
    version = embeddings.version(db, "clip-1")

    batches = list(embeddings.scan(db, "clip-1", version=version))

    assert [image for batch in batches for image in batch.ids.to_pylist()] == names(20_000)
    np.testing.assert_array_equal(np.concatenate([b.vectors_BD for b in batches]), vectors_ND)
    assert max(len(batch.ids) for batch in batches) <= 4096
    assert not any(batch.vectors_BD.flags.owndata for batch in batches)
    assert list(embeddings.scan(db, "clip-1", version=0)) == []


def test_rows_are_taken_at_their_offsets_in_a_scan(db):
    for start in (0, 100):
        part = names(200)[start : start + 100]
        embeddings.insert(db, "clip-1", part, vectors(200)[start : start + 100], FACTS)
    version = embeddings.version(db, "clip-1")

    taken_ND = embeddings.take(db, "clip-1", [150, 3, 99], version=version)

    np.testing.assert_array_equal(taken_ND, vectors(200)[[150, 3, 99]])


def test_a_table_of_float32_vectors_is_refused_with_what_to_do(db):
    old = pa.schema(
        [
            pa.field("image", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), 3), nullable=False),
        ]
    )
    db._connection.create_table("embeddings_clip-1", schema=old)

    with pytest.raises(StoreError, match=r"another schema .*float.*; use the mmvp that wrote it"):
        embeddings.insert(db, "clip-1", ["a"], vectors(1), FACTS)


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
