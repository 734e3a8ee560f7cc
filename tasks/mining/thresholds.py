"""What counts as near and as far: fixed cosines, or quantiles of the cosines observed.

Put here: the settings of mining and how quantiles become cosines.
Keep out: the search itself (`tasks.mining.search`).

Source: Tong et al. 2024 (arXiv:2401.06209), "Finding CLIP-blind pairs".

Shapes:
    N  images    D  width of a CLIP vector    E  width of an SSL vector    P  pairs
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tasks.mining.vectors import Vectors

BLOCK_IMAGES = 2048

ALL_PAIRS = 20_000_000
"""Up to so many pairs (6,324 images) quantiles are exact; beyond, they are of a sample."""

SAMPLED_PAIRS = 1_000_000

ROUNDING = 1e-12
"""No two ways of computing one cosine in float64 differ by more."""


class MineConfig(BaseModel):
    """What makes a pair blind, and how large the benchmark is."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    clip_above: float = Field(default=0.95, ge=-1, le=1)
    """A pair is blind only if its CLIP cosine is above this (0.95 in the paper)."""

    ssl_below: float = Field(default=0.6, ge=-1, le=1)
    """...and its SSL cosine is below this (0.6 in the paper)."""

    clip_above_quantile: float | None = Field(default=None, ge=0, le=1)
    """Take this quantile of all observed CLIP cosines instead of `clip_above`, e.g. 0.999."""

    ssl_below_quantile: float | None = Field(default=None, ge=0, le=1)
    """Take this quantile of all observed SSL cosines instead of `ssl_below`, e.g. 0.25."""

    pairs_per_image: int = Field(default=1000, ge=1)
    """Pairs kept of an image where it has more, those with the widest gaps; so a thousand cuttings
    of one photograph do not fill the store. What is cut is counted."""

    duplicate_above: float = Field(default=0.99, ge=-1, le=1)
    """Pairs of which both cosines are above this (and blind ones are not) are listed as
    near-duplicates."""

    benchmark_pairs: int = Field(default=150, ge=0)
    """Pairs selected as the benchmark, each image in at most one (150 in the paper)."""


class Thresholds(NamedTuple):
    """The cosines that were used."""

    clip_above: float
    ssl_below: float


class Observed(NamedTuple):
    """Cosines of pairs of images, of both encoders in one order."""

    clip_P: NDArray[np.float64]
    ssl_P: NDArray[np.float64]
    pairs: int
    """Pairs there are; more than `len(clip_P)` if these are a sample."""


def observe(
    clip_ND: NDArray[np.floating],
    ssl_NE: NDArray[np.floating],
    *,
    all_pairs: int = ALL_PAIRS,
    sampled_pairs: int = SAMPLED_PAIRS,
) -> Observed:
    """Return the cosines of all pairs if there are at most `all_pairs`, else of a seeded sample."""
    total = len(clip_ND)
    clip_P, ssl_P = (
        _cosines(Vectors(name, vectors), all_pairs, sampled_pairs)
        for name, vectors in (("clip_ND", clip_ND), ("ssl_NE", ssl_NE))
    )
    return Observed(clip_P, ssl_P, total * (total - 1) // 2)


def _cosines(vectors: Vectors, all_pairs: int, sampled_pairs: int) -> NDArray[np.float64]:
    """Return one encoder's cosines; a sample's pairs depend on the number of rows alone."""
    total = len(vectors)
    if total * (total - 1) // 2 <= all_pairs:
        return _all_cosines(vectors)
    rng = np.random.default_rng(0)
    i = rng.integers(0, total, sampled_pairs)
    j = rng.integers(0, total - 1, sampled_pairs)
    j += j >= i  # uniform over ordered pairs of different images
    return vectors.cosines(i, j)


Quantile = Callable[[float], float | None]
"""Gives a quantile of one encoder's cosines, None where there are no pairs."""


def resolve_thresholds(config: MineConfig, clip: Quantile, ssl: Quantile) -> Thresholds:
    """Return the thresholds as cosines; only quantiles that are asked for are computed."""

    def resolve(share: float | None, quantile: Quantile, fixed: float) -> float:
        found = None if share is None else quantile(share)
        return fixed if found is None else found

    return Thresholds(
        resolve(config.clip_above_quantile, clip, config.clip_above),
        resolve(config.ssl_below_quantile, ssl, config.ssl_below),
    )


def find_quantile(vectors_ND: NDArray[np.floating], share: float) -> float | None:
    """Return a quantile of cosines with the very bits that mining compares it with.

    A matrix product rounds otherwise than mining does, so of all pairs those at the quantile are
    computed again; else a pair on the threshold would be found or not by chance. The result is
    None for fewer than two vectors.
    """
    total = len(vectors_ND)
    if total < 2:
        return None
    vectors = Vectors("vectors_ND", vectors_ND)
    cosine_P = _cosines(vectors, ALL_PAIRS, SAMPLED_PAIRS)
    if len(cosine_P) == total * (total - 1) // 2:
        ends = [np.quantile(cosine_P, share, method=end) for end in ("lower", "higher")]
        near = np.flatnonzero(np.minimum(*(np.abs(cosine_P - end) for end in ends)) < ROUNDING)
        cosine_P = cosine_P.copy()
        cosine_P[near] = vectors.cosines(*_images(near, total))
    return float(np.quantile(cosine_P, share))


def _images(pairs: NDArray[np.int64], total: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `i` and `j` of pairs given by their place among all pairs, sorted by `i`, then `j`."""
    rows = np.arange(total)
    starts = rows * (2 * total - rows - 1) // 2
    i = np.searchsorted(starts, pairs, side="right") - 1
    return i, pairs - starts[i] + i + 1


def _all_cosines(vectors: Vectors) -> NDArray[np.float64]:
    """Return the cosines of all pairs, sorted by `i`, then `j`."""
    total = len(vectors)
    unit_ND = vectors.unit(slice(0, total))
    parts = [np.empty(0)]
    for start in range(0, total, BLOCK_IMAGES):
        cosines = unit_ND[start : start + BLOCK_IMAGES] @ unit_ND[start:].T
        parts.append(cosines[np.triu(np.ones(cosines.shape, bool), 1)])
    return np.clip(np.concatenate(parts), -1.0, 1.0)
