"""Thresholds: cosines as given, or quantiles of the cosines of all pairs."""

from functools import partial

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.mining import mine, thresholds
from tasks.mining.thresholds import (
    MineConfig,
    Thresholds,
    find_quantile,
    observe,
    resolve_thresholds,
)

TWINS = np.array([[1.0, 0.0], [1.0, 0.01]])
APART = np.array([[1.0, 0.0], [0.0, 1.0]])


def vectors_of(seed, count=40, width=24):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def resolve(config, clip_ND, ssl_NE):
    return resolve_thresholds(
        config, partial(find_quantile, clip_ND), partial(find_quantile, ssl_NE)
    )


def cosines_of(vectors_ND):
    """The cosines of all pairs, by the definition, in float64."""
    wide_ND = vectors_ND.astype(np.float64)
    wide_ND /= np.linalg.norm(wide_ND, axis=1, keepdims=True)
    return (wide_ND @ wide_ND.T)[np.triu_indices(len(wide_ND), 1)]


@pytest.fixture(params=[7, 2048])
def block_images(request, monkeypatch):
    monkeypatch.setattr(thresholds, "BLOCK_IMAGES", request.param)
    return request.param


def test_every_pair_is_observed_once_while_they_are_few(block_images):
    clip_ND, ssl_NE = vectors_of(0), vectors_of(1)

    observed = observe(clip_ND, ssl_NE)

    assert observed.pairs == len(observed.clip_P) == 40 * 39 // 2
    np.testing.assert_allclose(observed.clip_P, cosines_of(clip_ND), atol=1e-13)
    np.testing.assert_allclose(observed.ssl_P, cosines_of(ssl_NE), atol=1e-13)


def test_a_sample_has_both_cosines_of_a_pair_at_one_place():
    observed = observe(vectors_of(0), -vectors_of(0), all_pairs=0, sampled_pairs=50)

    np.testing.assert_array_equal(observed.clip_P, observed.ssl_P)


def test_a_sample_is_the_same_every_time_and_knows_how_many_pairs_there_are():
    one, two = (
        observe(vectors_of(0), vectors_of(1), all_pairs=779, sampled_pairs=50) for _ in range(2)
    )

    assert (len(one.clip_P), one.pairs) == (50, 780)
    np.testing.assert_array_equal(one.clip_P, two.clip_P)
    np.testing.assert_array_equal(one.ssl_P, two.ssl_P)


def test_a_sample_takes_every_pair_of_different_images_equally_often():
    vectors_ND = np.array([[1.0, 0.0], [1.0, 0.5], [1.0, 2.0]])

    observed = observe(vectors_ND, vectors_ND, all_pairs=0, sampled_pairs=30_000)

    _, counts = np.unique(observed.clip_P.round(6), return_counts=True)
    np.testing.assert_allclose(counts / 30_000, [1 / 3] * 3, atol=0.02)


def test_fixed_thresholds_stay_as_they_are():
    config = MineConfig(clip_above=0.9, ssl_below=0.5)

    assert resolve(config, TWINS, APART) == Thresholds(0.9, 0.5)


def test_the_paper_has_095_and_06_and_150_pairs():
    assert MineConfig().model_dump(exclude_none=True) == {
        "clip_above": 0.95,
        "ssl_below": 0.6,
        "pairs_per_image": 1000,
        "duplicate_above": 0.99,
        "benchmark_pairs": 150,
    }


def test_quantiles_are_of_all_observed_cosines():
    clip_ND, ssl_NE = vectors_of(0), vectors_of(1)

    resolved = resolve(
        MineConfig(clip_above_quantile=0.9, ssl_below_quantile=0.25), clip_ND, ssl_NE
    )

    expected = (
        np.quantile(cosines_of(clip_ND), 0.9),
        np.quantile(cosines_of(ssl_NE), 0.25),
    )
    np.testing.assert_allclose(resolved, expected, atol=1e-13)


def test_a_quantile_of_one_encoder_leaves_the_other_threshold_alone():
    config = MineConfig(clip_above_quantile=0.5, ssl_below=0.4)

    resolved = resolve(config, vectors_of(0), vectors_of(1))

    assert resolved.clip_above != 0.95
    assert resolved.ssl_below == 0.4


def pairs_beyond(vectors_ND, **quantiles):
    """How many pairs are above the upper and below the lower quantile, each on its own."""
    resolved = resolve(MineConfig(**quantiles), vectors_ND, vectors_ND)
    above = mine(vectors_ND, vectors_ND, clip_above=resolved.clip_above, ssl_below=2)
    below = mine(vectors_ND, vectors_ND, clip_above=-2, ssl_below=resolved.ssl_below)
    return len(above.i), len(below.i)


@pytest.mark.parametrize("seed", range(10))
def test_no_pair_is_beyond_the_outermost_quantiles(seed, block_images):
    vectors_ND = vectors_of(seed, width=64)

    assert pairs_beyond(vectors_ND, clip_above_quantile=1, ssl_below_quantile=0) == (0, 0)


@pytest.mark.parametrize("seed", range(10))
def test_a_quantile_that_is_a_pair_leaves_that_pair_out(seed, block_images):
    vectors_ND = vectors_of(seed, count=42, width=64)  # 861 pairs: a quarter is pair 215 of 0..860

    assert pairs_beyond(vectors_ND, clip_above_quantile=0.75, ssl_below_quantile=0.25) == (215, 215)


def test_of_equal_images_none_is_beyond_a_quantile():
    vectors_ND = np.repeat(vectors_of(3, count=1, width=17), 9, axis=0)

    assert pairs_beyond(vectors_ND, clip_above_quantile=0.5, ssl_below_quantile=0.5) == (0, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_without_pairs_quantiles_fall_back_on_the_cosines(count):
    config = MineConfig(clip_above_quantile=0.9, ssl_below_quantile=0.1)
    vectors_ND = np.ones((count, 3))

    assert resolve(config, vectors_ND, vectors_ND) == Thresholds(0.95, 0.6)


@pytest.mark.parametrize(
    "options",
    [
        {"clip_above": 1.1},
        {"ssl_below": -1.1},
        {"clip_above_quantile": -0.1},
        {"ssl_below_quantile": 1.1},
        {"benchmark_pairs": -1},
        {"dino_below": 0.6},
    ],
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        MineConfig(**options)
