"""The search: exactly the pairs that the rule names, whatever the blocks, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tasks.mining import mine, propose

PAPER = {"clip_above": 0.95, "ssl_below": 0.6}
EVERYTHING = {"clip_above": -1.5, "ssl_below": 1.5}
TWINS = np.array([[1.0, 0.0], [1.0, 0.01]])
APART = np.array([[1.0, 0.0], [0.0, 1.0]])


def cosines_of(vectors_ND):
    """All cosines, by the definition, in float64."""
    wide_ND = vectors_ND.astype(np.float64)
    return np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in wide_ND] for a in wide_ND])


def brute_force(clip_ND, ssl_NE, *, clip_above, ssl_below):
    """Pairs that are blind for sure, and pairs that rounding in float64 may decide."""
    clip_NN, ssl_NN = cosines_of(clip_ND), cosines_of(ssl_NE)
    gap_NN = np.minimum(clip_NN - clip_above, ssl_below - ssl_NN)
    upper = np.triu(np.ones(gap_NN.shape, bool), 1)
    sure = {(i, j) for i, j in np.argwhere(upper & (gap_NN > 1e-14)).tolist()}
    near = {(i, j) for i, j in np.argwhere(upper & (np.abs(gap_NN) <= 1e-14)).tolist()}
    return sure, near


def found_by(pairs):
    return list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))


def at_angle(cosine):
    """Two vectors with about this cosine."""
    return np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])


def vectors_of(seed, count=40, width=24, dtype=np.float32):
    """Vectors of any length in loose groups, so that cosines are everywhere, with duplicates."""
    rng = np.random.default_rng(seed)
    groups = rng.normal(size=(5, width))[rng.integers(0, 5, count)]
    vectors_ND = groups + rng.normal(size=(count, width)) * rng.uniform(0, 0.8, (count, 1))
    vectors_ND *= rng.uniform(0.1, 30, (count, 1))
    vectors_ND[count // 2] = vectors_ND[0]
    vectors_ND[count - 1] = 2 * vectors_ND[1]
    return vectors_ND.astype(dtype)


CUTS = ("CUT_ROWS", "CUT_COLUMNS", "PRODUCT_IMAGES")


@pytest.fixture(params=[7, 2048])
def cut_images(request, monkeypatch):
    for size in CUTS:
        monkeypatch.setattr(propose, size, request.param)
    return request.param


def test_a_pair_is_blind_when_clip_agrees_and_ssl_does_not():
    pairs = mine(TWINS, APART, **PAPER)

    assert found_by(pairs) == [(0, 1)]
    assert pairs.clip_cosine == pytest.approx([1 / np.sqrt(1.0001)], abs=1e-15)
    assert pairs.ssl_cosine.tolist() == [0]


@pytest.mark.parametrize(
    ("clip_ND", "ssl_NE", "why"),
    [
        (TWINS, TWINS, "both encoders see one image"),
        (APART, APART, "both encoders see two"),
        (APART, TWINS, "SSL is blind, not CLIP"),
    ],
)
def test_no_pair_is_blind_otherwise(clip_ND, ssl_NE, why):
    assert found_by(mine(clip_ND, ssl_NE, **PAPER)) == [], why


def test_a_clip_cosine_on_the_threshold_is_not_above_it():
    (cosine,) = mine(at_angle(0.95), APART, **EVERYTHING).clip_cosine

    at = mine(at_angle(0.95), APART, clip_above=cosine, ssl_below=0.6)
    below = mine(at_angle(0.95), APART, clip_above=np.nextafter(cosine, -1), ssl_below=0.6)

    assert (len(at.i), len(below.i)) == (0, 1)


def test_an_ssl_cosine_on_the_threshold_is_not_below_it():
    (cosine,) = mine(TWINS, at_angle(0.6), **EVERYTHING).ssl_cosine

    at = mine(TWINS, at_angle(0.6), clip_above=0.95, ssl_below=cosine)
    above = mine(TWINS, at_angle(0.6), clip_above=0.95, ssl_below=np.nextafter(cosine, 1))

    assert (len(at.i), len(above.i)) == (0, 1)


def test_a_cosine_that_is_exact_in_binary_can_lie_on_a_threshold():
    half = np.array([[1.0, 1, 1, 1], [1.0, 1, 1, -1]])

    assert found_by(mine(half, APART, clip_above=0.5, ssl_below=0.6)) == []
    assert found_by(mine(TWINS, half, clip_above=0.95, ssl_below=0.5)) == []
    assert found_by(mine(half, half, clip_above=0.49, ssl_below=0.51)) == [(0, 1)]


@pytest.mark.parametrize(("shift", "is_blind"), [(1e-9, True), (-1e-9, False)])
def test_what_float32_cannot_tell_apart_is_decided_in_float64(shift, is_blind):
    by_clip = mine(at_angle(0.95 + shift), APART, **PAPER)
    by_ssl = mine(TWINS, at_angle(0.6 - shift), **PAPER)

    assert (len(by_clip.i) == 1) is is_blind
    assert (len(by_ssl.i) == 1) is is_blind


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_the_pairs_are_those_of_a_double_loop_in_float64(seed, dtype, cut_images):
    clip_ND = vectors_of(seed, dtype=dtype)
    ssl_NE = vectors_of(seed + 100, width=9, dtype=dtype)
    sure, near = brute_force(clip_ND, ssl_NE, clip_above=0.8, ssl_below=0.7)

    pairs = mine(clip_ND, ssl_NE, clip_above=0.8, ssl_below=0.7)

    assert len(sure) > 20, "else the test would say little"
    assert sure <= set(found_by(pairs)) <= sure | near
    i, j = pairs.i, pairs.j
    np.testing.assert_allclose(pairs.clip_cosine, cosines_of(clip_ND)[i, j], atol=1e-14)
    np.testing.assert_allclose(pairs.ssl_cosine, cosines_of(ssl_NE)[i, j], atol=1e-14)


VECTORS = st.integers(0, 17).flatmap(
    lambda count: st.tuples(
        *(
            arrays.arrays(
                np.float32,
                (count, width),
                elements=st.sampled_from([-2.0, -1.0, -0.25, 0.0, 0.0, 1.0, 3.0]),
            )
            for width in (3, 4)
        )
    )
)


@settings(deadline=None)
@given(VECTORS, st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 20))
def test_the_pairs_are_those_of_a_double_loop_whatever_the_vectors(
    vectors, clip_above, ssl_below, cut_images
):
    clip_ND, ssl_NE = (np.where((a == 0).all(axis=1, keepdims=True), 1, a) for a in vectors)
    thresholds = {"clip_above": clip_above, "ssl_below": ssl_below}
    sure, near = brute_force(clip_ND, ssl_NE, **thresholds)

    with pytest.MonkeyPatch.context() as patch:
        for size in CUTS:
            patch.setattr(propose, size, cut_images)
        found = found_by(mine(clip_ND, ssl_NE, **thresholds))

    assert found == sorted(set(found))
    assert sure <= set(found) <= sure | near


def test_pairs_are_sorted_and_i_is_before_j(cut_images):
    pairs = mine(vectors_of(0), vectors_of(1), **EVERYTHING)

    assert found_by(pairs) == [(i, j) for i in range(40) for j in range(i + 1, 40)]


@pytest.mark.parametrize("count", [1, 6, 7, 8, 14, 15, 36])
@pytest.mark.parametrize(
    "lay_out",
    [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]],
    ids=["by row", "by column", "strided"],
)
def test_the_bits_of_a_cosine_depend_on_its_two_vectors_alone(monkeypatch, count, lay_out):
    clip_ND, ssl_NE = vectors_of(0, width=300), vectors_of(1, width=130)
    whole = mine(clip_ND, ssl_NE, **EVERYTHING)
    expected = {pair: row for pair, *row in zip(found_by(whole), *whole[2:], strict=True)}
    for size in CUTS:
        monkeypatch.setattr(propose, size, 7)

    part = mine(lay_out(clip_ND)[-count:], lay_out(ssl_NE)[-count:], **EVERYTHING)

    assert len(part.i) == count * (count - 1) // 2
    for (i, j), *cosines in zip(found_by(part), *part[2:], strict=True):
        assert cosines == expected[i + 40 - count, j + 40 - count]


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (1e-30, np.float32),
        (1e30, np.float32),
        (1e-160, np.float64),
        (1e-200, np.float64),
        (1e200, np.float64),
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_length_of_a_vector_does_not_count(scale, dtype):
    vectors_ND = vectors_of(0, dtype=np.float64)

    scaled = mine((vectors_ND * scale).astype(dtype), vectors_of(1), clip_above=0.8, ssl_below=0.7)

    expected = mine(vectors_ND.astype(dtype), vectors_of(1), clip_above=0.8, ssl_below=0.7)
    assert found_by(scaled) == found_by(expected)
    np.testing.assert_allclose(scaled.clip_cosine, expected.clip_cosine, atol=1e-7)


def test_cosines_never_leave_their_range():
    same_ND = np.repeat(vectors_of(3, width=17)[:1], 30, axis=0)

    pairs = mine(same_ND, np.vstack([same_ND[:15], -same_ND[15:]]), **EVERYTHING)

    assert pairs.clip_cosine.max() <= 1
    assert pairs.ssl_cosine.min() >= -1


def test_the_vectors_given_are_left_as_they_are():
    clip_ND, ssl_NE = vectors_of(0), vectors_of(1)

    mine(clip_ND, ssl_NE, **PAPER)

    np.testing.assert_array_equal(clip_ND, vectors_of(0))
    np.testing.assert_array_equal(ssl_NE, vectors_of(1))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_pairs(count):
    pairs = mine(np.ones((count, 3)), np.ones((count, 5)), **EVERYTHING)

    assert [len(column) for column in pairs] == [0, 0, 0, 0]
    assert [column.dtype for column in pairs] == [np.int64, np.int64, np.float64, np.float64]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [0, np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("error")
def test_a_row_without_a_direction_is_refused_by_number(value, dtype):
    vectors_ND = np.ones((5, 2), dtype)
    vectors_ND[3] = value

    with pytest.raises(ValueError, match="row 3 of clip_ND: zero or not finite, expected a finite"):
        mine(vectors_ND, np.ones((5, 2)), **PAPER)
    with pytest.raises(ValueError, match="row 3 of ssl_NE"):
        mine(np.ones((5, 2)), vectors_ND, **PAPER)


def test_all_rows_without_a_direction_are_counted_and_the_first_are_named():
    vectors_ND = np.ones((20, 2), np.float32)
    vectors_ND[3::2] = 0

    with pytest.raises(ValueError, match=r"9 rows, 3, 5, 7, 9, 11 and 4 more of clip_ND: zero"):
        mine(vectors_ND, np.ones((20, 2)), **PAPER)


@pytest.mark.parametrize(
    ("clip_shape", "ssl_shape"), [((3, 2), (4, 2)), ((3,), (3, 2)), ((3, 2), (3, 2, 1))]
)
def test_arrays_of_other_shapes_are_refused(clip_shape, ssl_shape):
    with pytest.raises(ValueError, match="matrices with as many rows, found shapes"):
        mine(np.ones(clip_shape), np.ones(ssl_shape), **PAPER)
