"""Plans, blocks and tiles: what travels to workers, and that each pair is in one tile."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mining.blocks import make_block
from tasks.mining.kernels import choose_kernel, kernels_here
from tasks.mining.pairs import join
from tasks.mining.plan import Plan, fixed_plan, plan_search
from tasks.mining.tiles import cut_tiles, decide, mine_tile, near_pairs
from tasks.mining.vectors import Fetched, Vectors

THRESHOLDS = {"clip_above": 0.8, "ssl_below": 0.6}
IMAGES = 900


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 80))[rng.integers(0, 60, IMAGES)]
    clip_ND = (centres + 0.5 * rng.normal(size=(IMAGES, 80))).astype(np.float16)
    return clip_ND, rng.normal(size=(IMAGES, 24)).astype(np.float16)


@pytest.fixture(scope="module")
def plan(vectors):
    return fixed_plan(vectors[0], 32, 256, **THRESHOLDS)


@pytest.fixture(scope="module")
def expected(vectors, plan):
    block = make_block(plan, 0, *vectors)
    return mine_tile(plan, block, block)


def block_of(plan, vectors, images):
    return make_block(plan, images.start, *(rows[images.start : images.stop] for rows in vectors))


def assert_same(found, expected):
    assert len(expected[0]) > 50, "else the test would say little"
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.integers(0, 60), st.integers(1, 70))
def test_each_pair_of_images_is_in_one_tile(images, size):
    seen = np.zeros((images, images), int)
    for rows, columns in cut_tiles(images, size):
        assert len(rows) <= size
        assert len(columns) <= size
        block = np.ones((len(rows), len(columns)), int)
        block = np.triu(block, 1) if rows == columns else block
        seen[rows.start : rows.stop, columns.start : columns.stop] += block

    np.testing.assert_array_equal(seen, np.triu(np.ones((images, images), int), 1))


@pytest.mark.parametrize("size", [100, 317, 900])
def test_the_size_of_tiles_and_the_plan_change_no_bit(vectors, expected, size):
    for codes in [(), (64,), (48, 256)]:
        plan = fixed_plan(vectors[0][:50], *codes, **THRESHOLDS)
        parts = [
            mine_tile(plan, block_of(plan, vectors, rows), block_of(plan, vectors, columns))
            for rows, columns in cut_tiles(IMAGES, size)
        ]

        assert_same(join(parts), expected)


@pytest.mark.parametrize("grown", [1, 450, 899])
def test_new_images_against_all_add_the_pairs_that_a_search_of_all_finds(
    vectors, plan, expected, grown
):
    old, new = (block_of(plan, vectors, part) for part in (range(grown), range(grown, IMAGES)))

    for first, second in ((old, new), (new, old)):
        tiles = [(old, old), (first, second), (new, new)]
        assert_same(join(mine_tile(plan, *pair) for pair in tiles), expected)


def test_a_block_travels_and_holds_the_vectors_as_they_are(vectors, plan, expected, tmp_path):
    np.save(tmp_path / "clip.npy", vectors[0])
    mapped = np.load(tmp_path / "clip.npy", mmap_mode="r")
    block = make_block(plan, 0, mapped, vectors[1])

    assert np.shares_memory(block.clip._raw_ND, mapped)
    buffers = []
    sent = pickle.dumps((plan, block), protocol=5, buffer_callback=buffers.append)
    views = [bytes(buffer) for buffer in buffers]  # read-only, as Dask hands them on
    again, received = pickle.loads(sent, buffers=views)
    size = sum(map(len, views))
    assert size < sum(rows.nbytes for rows in vectors) + 310 * IMAGES + 200_000
    assert_same(mine_tile(again, received, received), expected)


def test_vectors_can_be_fetched_for_the_pairs_that_codes_leave(vectors, plan, expected):
    whole = make_block(plan, 0, *vectors)
    fetched = []

    def fetch(side):
        return lambda rows: fetched.append(len(rows)) or vectors[side][rows]

    codes = [Fetched(name, IMAGES, fetch(side)) for side, name in enumerate(("clip", "ssl"))]
    block = type(whole)(whole.plan, 0, whole.codes, *codes)

    assert_same(mine_tile(plan, block, block), expected)
    assert 0 < max(fetched) <= IMAGES
    dense = fixed_plan(vectors[0], **THRESHOLDS)
    assert_same(mine_tile(dense, *[type(whole)(dense.digest, 0, (), *codes)] * 2), expected)


def test_near_pairs_are_all_above_the_threshold_and_need_one_encoder(vectors, plan, expected):
    block = make_block(plan, 0, vectors[0])
    near = near_pairs(plan, block, block)
    wide = vectors[0].astype(float)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)

    assert set(zip(near.i, near.j, strict=True)) == set(
        zip(*np.nonzero(np.triu(wide @ wide.T > 0.8, 1)), strict=True)
    )
    ssl = Vectors("ssl", vectors[1])
    assert_same(decide(near, block, block, ssl, ssl, 0.6), expected)
    with pytest.raises(ValueError, match="blocks 0 and 0 need SSL vectors, found none"):
        mine_tile(plan, block, block)


def test_blocks_of_another_plan_or_that_overlap_are_refused(vectors, plan):
    other = fixed_plan(vectors[0], 32, clip_above=0.9, ssl_below=0.6)
    block = block_of(plan, vectors, range(100))

    with pytest.raises(ValueError, match=r"block 0 has codes of plan .*code it again"):
        mine_tile(other, block, block)
    with pytest.raises(ValueError, match=r"range\(0, 100\) and range\(50, 90\) overlap"):
        mine_tile(plan, block, block_of(plan, vectors, range(50, 90)))
    with pytest.raises(ValueError, match="block 0: 5 CLIP and 4 SSL vectors"):
        make_block(plan, 0, vectors[0][:5], vectors[1][:4])


def test_a_row_without_a_direction_is_named_by_its_image(vectors, plan):
    broken = vectors[0][:10].copy()
    broken[7] = np.nan

    with pytest.raises(ValueError, match="row 1007 of clip: zero or not finite"):
        make_block(plan, 1000, broken)


def test_vectors_of_two_dtypes_are_not_compared(vectors):
    one, other = Vectors("a", vectors[0]), Vectors("b", vectors[0].astype(np.float32))

    with pytest.raises(ValueError, match=r"must be alike, found .*float16.* and .*float32"):
        one.cosines(np.arange(3), np.arange(3), other)


def test_a_plan_is_its_bytes(vectors, plan, expected):
    again = Plan.from_bytes(plan.to_bytes())

    assert again.to_bytes() == plan.to_bytes()
    assert again.digest == plan.digest != fixed_plan(vectors[0], 64, **THRESHOLDS).digest
    block = make_block(again, 0, *vectors)
    assert_same(mine_tile(plan, block, block), expected)


@pytest.mark.parametrize("name", kernels_here())
def test_a_plan_from_the_same_sample_is_the_same(vectors, name):
    kernel = choose_kernel(name)
    plans = [plan_search(vectors[0], images=10**6, kernel=kernel, **THRESHOLDS) for _ in "ab"]

    assert plans[0].to_bytes() == plans[1].to_bytes()
    assert plans[0].codebooks


def test_a_plan_for_few_images_or_for_low_thresholds_has_no_codes(vectors):
    assert plan_search(vectors[0], images=50, **THRESHOLDS).codebooks == ()
    everything = plan_search(vectors[0], clip_above=-1, ssl_below=0, images=10**6)
    assert everything.codebooks == ()
    assert plan_search(vectors[0][:0], **THRESHOLDS).codebooks == ()


def test_long_codes_are_used_where_short_ones_leave_many_pairs():
    flat = np.random.default_rng(0).normal(size=(4000, 400)).astype(np.float32)

    plan = plan_search(flat, clip_above=0.75, ssl_below=0.6, images=10**6)

    assert [len(book.centre_K) for book in plan.codebooks][1:] == [256]
