"""The exact search for CLIP-blind pairs among vectors.

Put here: the rule that makes a pair blind and the block-wise search that applies it.
Keep out: where vectors come from and where pairs go (`tasks.mining.stage`).

Source: Tong et al. 2024 (arXiv:2401.06209), "Finding CLIP-blind pairs".

Shapes:
    N  images    D  width of a CLIP vector    E  width of an SSL vector    P  pairs

A product of blocks in float32 proposes pairs, with a margin that its rounding cannot cross; what
it proposes is decided in float64. So no pair is missed and none is let in by rounding, and a
cosine's bits depend on its two vectors alone, not on the blocks.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_IMAGES = 2048
PAIRS_AT_ONCE = 8192


class BlindPairs(NamedTuple):
    """CLIP-blind pairs, sorted by `i`, then `j`; `i < j` index the rows of the vectors."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    clip_cosine: NDArray[np.float64]
    ssl_cosine: NDArray[np.float64]


def mine(
    clip_ND: NDArray[np.floating],
    ssl_NE: NDArray[np.floating],
    *,
    clip_above: float,
    ssl_below: float,
) -> BlindPairs:
    """Return all pairs with a CLIP cosine above `clip_above` and an SSL cosine below `ssl_below`.

    Both inequalities are strict, as in the paper (0.95 and 0.6 there). The vectors may be float16,
    float32 or float64 and of any length but zero; a cosine is that of the normalised rows in
    float64, in [-1, 1].

    Raises:
        ValueError: if the arrays are not two matrices with as many rows, or a row is zero or not
            finite.
    """
    if clip_ND.ndim != 2 or ssl_NE.ndim != 2 or len(clip_ND) != len(ssl_NE):
        message = (
            f"clip_ND and ssl_NE must be matrices with as many rows, found shapes "
            f"{clip_ND.shape} and {ssl_NE.shape}"
        )
        raise ValueError(message)
    clip = Vectors("clip_ND", clip_ND)
    ssl = Vectors("ssl_NE", ssl_NE)
    parts = [
        _decide(clip, ssl, i, j, clip_above, ssl_below)
        for i, j in _propose(clip, ssl, clip_above, ssl_below)
    ]
    empty = np.empty(0, np.int64)
    parts.append(BlindPairs(empty, empty, np.empty(0), np.empty(0)))
    i, j, clip_cosine, ssl_cosine = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((j, i))
    return BlindPairs(i[order], j[order], clip_cosine[order], ssl_cosine[order])


class Vectors:
    """Vectors with their lengths, for cosines in float32 by block and in float64 by pair."""

    def __init__(self, name: str, vectors_ND: NDArray[np.floating]) -> None:
        vectors_ND = np.ascontiguousarray(vectors_ND)  # the order of a sum depends on the layout
        self._raw_ND = vectors_ND
        lengths = [
            _lengths(vectors_ND[start : start + BLOCK_IMAGES])
            for start in range(0, len(vectors_ND), BLOCK_IMAGES)
        ]
        self._length_N = np.concatenate([*lengths, np.empty(0)])
        bad = np.flatnonzero(~(np.isfinite(self._length_N) & (self._length_N > 0)))
        if len(bad):
            message = (
                f"row {bad[0]} of {name} has length {self._length_N[bad[0]]}, expected a finite "
                f"length above 0 ({len(bad)} such rows)"
            )
            raise ValueError(message)
        self.margin = (vectors_ND.shape[1] + 8) * float(np.finfo(np.float32).eps)
        """No float32 cosine of `block` is farther than this from the float64 one."""

    def __len__(self) -> int:
        return len(self._raw_ND)

    def unit(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Return rows at unit length in float64."""
        unit_ND: NDArray[np.float64] = self._raw_ND[rows] / self._length_N[rows, None]
        return unit_ND

    def unit32(self, rows: slice) -> NDArray[np.float32]:
        """Return rows at unit length, rounded to float32."""
        return self.unit(rows).astype(np.float32)

    def cosines(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the cosine of each pair of rows in float64."""
        cosine_P = np.empty(len(i))
        for start in range(0, len(i), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            cosine_P[part] = (self.unit(i[part]) * self.unit(j[part])).sum(axis=1)
        return np.clip(cosine_P, -1.0, 1.0)


def _lengths(vectors_ND: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the length of each row, also where squares would leave the range of float64."""
    wide_ND = vectors_ND.astype(np.float64)
    exponent_N = np.frexp(np.abs(wide_ND).max(axis=1, initial=0.0))[1]
    scaled_ND = np.ldexp(wide_ND, -exponent_N[:, None])
    length_N: NDArray[np.float64] = np.ldexp(np.sqrt(np.square(scaled_ND).sum(1)), exponent_N)
    return length_N


def block_pairs(total: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices that meet each unordered pair of blocks once, the first not after the second."""
    starts = range(0, total, size)
    for first in starts:
        for second in starts[first // size :]:
            yield slice(first, min(first + size, total)), slice(second, min(second + size, total))


def _propose(
    clip: Vectors, ssl: Vectors, clip_above: float, ssl_below: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for rows, columns in block_pairs(len(clip), BLOCK_IMAGES):
        near = clip.unit32(rows) @ clip.unit32(columns).T > clip_above - clip.margin
        if rows == columns:
            near = np.triu(near, 1)
        if not near.any():
            continue
        near &= ssl.unit32(rows) @ ssl.unit32(columns).T < ssl_below + ssl.margin
        i, j = np.nonzero(near)
        yield i + rows.start, j + columns.start


def _decide(
    clip: Vectors,
    ssl: Vectors,
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    clip_above: float,
    ssl_below: float,
) -> BlindPairs:
    clip_cosine = clip.cosines(i, j)
    ssl_cosine = ssl.cosines(i, j)
    blind = (clip_cosine > clip_above) & (ssl_cosine < ssl_below)
    return BlindPairs(i[blind], j[blind], clip_cosine[blind], ssl_cosine[blind])
