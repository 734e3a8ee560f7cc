"""Pairs of images as mining finds them: named by number, sorted, with their cosines.

Put here: the results of tiles and how they are joined.
Keep out: how pairs are found (`tasks.mining.tiles`).

Shapes:
    P  pairs
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class BlindPairs(NamedTuple):
    """CLIP-blind pairs, sorted by `i`, then `j`; `i < j` index the rows of the vectors."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    clip_cosine: NDArray[np.float64]
    ssl_cosine: NDArray[np.float64]


class NearPairs(NamedTuple):
    """Pairs that the first encoder takes for the same: `i < j` index the rows of the vectors."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    clip_cosine: NDArray[np.float64]


def join(parts: Iterable[BlindPairs]) -> BlindPairs:
    """Return the pairs of tiles that have none in common as one, sorted."""
    return BlindPairs._make(_join(parts, cosines=2))


def join_near(parts: Iterable[NearPairs]) -> NearPairs:
    """Return the near pairs of tiles that have none in common as one, sorted."""
    return NearPairs._make(_join(parts, cosines=1))


def _join(parts: Iterable[tuple[NDArray[Any], ...]], cosines: int) -> list[NDArray[Any]]:
    none = [np.empty(0, np.int64)] * 2 + [np.empty(0)] * cosines
    columns = [np.concatenate(column) for column in zip(none, *parts, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return [column[order] for column in columns]
