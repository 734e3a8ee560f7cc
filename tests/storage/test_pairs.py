"""The `pairs` table: a mining is replaced as a whole and leaves the others alone."""

import pyarrow as pa
import pytest

from storage import pairs


def table_of(mining, *images, clip_cosine=0.96, left_out=None):
    rows = [
        {
            "mining": mining,
            "pair_id": pairs.pair_id(a, b),
            "image_a": a,
            "image_b": b,
            "clip_cosine": clip_cosine,
            "ssl_cosine": 0.1 + 0.2,
            "selected": left_out is None,
            "left_out": left_out,
        }
        for a, b in images
    ]
    return pa.Table.from_pylist(rows, schema=pairs.SPEC.schema)


def images_of(db, mining, **options):
    return {(row.image_a, row.image_b) for row in pairs.read(db, mining, **options)}


def test_pairs_come_back_as_written_and_by_id(db):
    rows = table_of("m", ("a", "b"), ("a", "c"), ("b", "d"), left_out="image-used")
    pairs.replace(db, "m", rows)

    found = pairs.read(db, "m")

    assert [row.pair_id for row in found] == sorted(rows["pair_id"].to_pylist())
    assert [row.pair_id for row in found] == pairs.ids(db, "m")
    assert {(row.clip_cosine, row.ssl_cosine) for row in found} == {(0.96, 0.1 + 0.2)}
    assert {(row.selected, row.left_out) for row in found} == {(False, "image-used")}


def test_replacing_a_mining_leaves_the_others_alone_and_is_one_version(db):
    pairs.replace(db, "m", table_of("m", ("a", "b"), ("a", "c")))
    pairs.replace(db, "it's", table_of("it's", ("a", "b")))
    version = db.version(pairs.SPEC)

    pairs.replace(db, "m", table_of("m", ("a", "b"), ("c", "d")))

    assert db.version(pairs.SPEC) == version + 1
    assert images_of(db, "m") == {("a", "b"), ("c", "d")}
    assert images_of(db, "it's") == {("a", "b")}


def test_replacing_a_mining_by_itself_makes_no_new_version(db):
    pairs.replace(db, "m", table_of("m", ("a", "b"), ("a", "c")))
    version = db.version(pairs.SPEC)

    pairs.replace(db, "m", table_of("m", ("a", "c"), ("a", "b")))

    assert db.version(pairs.SPEC) == version


def test_a_cosine_that_changed_in_its_last_bit_is_written(db):
    pairs.replace(db, "m", table_of("m", ("a", "b"), clip_cosine=0.3))

    pairs.replace(db, "m", table_of("m", ("a", "b"), clip_cosine=0.1 + 0.2))

    assert pairs.read(db, "m")[0].clip_cosine == 0.1 + 0.2


def test_a_mining_that_finds_nothing_any_more_has_no_pairs(db):
    pairs.replace(db, "m", table_of("m", ("a", "b")))
    before = db.version(pairs.SPEC)

    pairs.replace(db, "m", table_of("m"))

    assert pairs.read(db, "m") == []
    assert images_of(db, "m", version=before) == {("a", "b")}


@pytest.mark.parametrize(("image_a", "image_b"), [("a", "a"), ("b", "a")])
def test_a_pair_needs_two_images_in_order(image_a, image_b):
    with pytest.raises(ValueError, match="two image ids in order, got"):
        pairs.pair_id(image_a, image_b)


def test_a_pair_id_names_its_two_images():
    ids = {pairs.pair_id(a, b) for a, b in [("a", "b"), ("a", "c"), ("b", "c")]}

    assert len(ids) == 3
    assert all(len(name) == 32 for name in ids)
    assert pairs.pair_id("a", "b") in ids
