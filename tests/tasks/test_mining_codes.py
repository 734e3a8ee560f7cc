"""Codes: no near pair fails their test, whatever the vectors, the axes and the threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mining.codes import LARGEST, make_codebook, principal_axes
from tasks.mining.vectors import Vectors

SEEDS = st.integers(0, 2**32 - 1)


def unit32(rows_ND):
    return Vectors("rows", rows_ND).unit32(slice(None))


def passes(codebook, vectors):
    """Whether each pair passes the test of the proof, by integers of any size."""
    code_NK, bias_N = codebook.encode(vectors)
    wide_NK, wide_N = code_NK.astype(np.int64), bias_N.astype(np.int64)
    return wide_NK @ wide_NK.T - wide_N[:, None] - wide_N + codebook.constant >= 0


def some_vectors(rng, width):
    """Rows at all distances of each other, from one direction to opposite ones."""
    first = rng.normal(size=width)
    apart = 10.0 ** -rng.uniform(0, 7, (40, 1))
    return np.vstack([first + apart * rng.normal(size=(40, width)), -first, 3 * first])


@settings(deadline=None, max_examples=100)
@given(
    SEEDS,
    st.sampled_from([2, 3, 16, 31, 32, 33, 64, 200, 700]),
    st.sampled_from([32, 64, 128, 256]),
    st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_a_pair_on_the_threshold_passes_with_any_axes(seed, width, codes, dtype):
    rng = np.random.default_rng(seed)
    vectors = Vectors("rows", some_vectors(rng, width).astype(dtype))
    sample_SD = unit32(some_vectors(rng, width)[: rng.integers(1, 40)])  # of other vectors
    axes_DP = np.linalg.qr(rng.normal(size=(width, width)))[0]
    upper = np.triu_indices(len(vectors), 1)
    cosines = vectors.cosines(*upper)

    for place in rng.integers(0, len(cosines), 8):
        above = np.nextafter(cosines[place], -2)
        codebook = make_codebook(sample_SD, axes_DP, codes, clip_above=above)
        assert passes(codebook, vectors)[upper][cosines > above].all()


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.sampled_from([64, 300]))
def test_the_bound_is_not_idle(seed, width):
    """Codes as long as the vectors rule out what is well beyond the threshold."""
    rng = np.random.default_rng(seed)
    vectors = Vectors("rows", rng.normal(size=(200, width)))
    unit_SD = vectors.unit32(slice(None))
    codebook = make_codebook(unit_SD, np.eye(width), 2 * width, clip_above=0.9)

    upper = np.triu_indices(200, 1)

    assert not passes(codebook, vectors)[upper][vectors.cosines(*upper) < 0.8].any()


def test_a_vector_beyond_the_range_of_codes_keeps_its_near_pairs():
    rng = np.random.default_rng(0)
    inside = 5 + 0.01 * rng.normal(size=(50, 40))
    outside = rng.normal(size=40)
    vectors = Vectors("rows", np.vstack([inside, outside, 1.0001 * outside]))
    axes_DP = principal_axes(unit32(inside), 32)

    codebook = make_codebook(unit32(inside), axes_DP, 32, clip_above=0.999)

    code_NK, _ = codebook.encode(vectors)
    assert np.abs(code_NK[-1].astype(int)).max() == LARGEST, "else the code was not cut off"
    assert passes(codebook, vectors)[-1, -2]


def test_what_is_measured_covers_the_distance_between_code_and_vector():
    """|q - s u| with u in float64 is at most the error that the bias holds."""
    rng = np.random.default_rng(1)
    rows_ND = rng.normal(size=(300, 500)) * np.arange(1, 501) ** -0.5
    vectors = Vectors("rows", rows_ND)
    unit_SD = vectors.unit32(slice(None))
    axes_DP = principal_axes(unit_SD, 64)
    codebook = make_codebook(unit_SD[:100], axes_DP, 64, clip_above=0.95)
    code_NK, bias_N = codebook.encode(vectors)

    turned_DK = axes_DP @ (axes_DP.T @ codebook.map_DK.astype(np.float64))
    exact_NK = (vectors.unit(slice(None)) @ turned_DK - codebook.centre_K) * codebook.scale
    error_N = np.linalg.norm(exact_NK - code_NK, axis=1)

    half_N = np.square(code_NK.astype(np.int64)).sum(axis=1) / 2
    assert (bias_N <= half_N - codebook.reach * error_N - error_N**2).all()
    assert (bias_N >= half_N - codebook.reach * (1.5 * error_N) - (1.5 * error_N) ** 2 - 1).all()


@pytest.mark.parametrize(("rows", "width", "count"), [(5, 40, 16), (2000, 90, 32), (100, 12, 32)])
def test_axes_are_orthonormal_and_hold_most_of_the_sample(rows, width, count):
    rng = np.random.default_rng(2)
    unit_SD = unit32(rng.normal(size=(rows, width)) * np.arange(1, width + 1) ** -0.7)

    axes_DP = principal_axes(unit_SD, count)

    used = axes_DP.shape[1]
    best = np.linalg.svd(unit_SD.astype(np.float64), compute_uv=False)[:used]
    np.testing.assert_allclose(axes_DP.T @ axes_DP, np.eye(used), atol=1e-12)
    assert np.square(unit_SD @ axes_DP).sum() >= 0.98 * np.square(best).sum()
