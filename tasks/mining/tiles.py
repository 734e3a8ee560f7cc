"""The exact search in one tile: all pairs of two blocks of images.

Put here: tiles, and which pairs of one are near for an encoder and far for another.
Keep out: which pairs are looked at (`tasks.mining.propose`), what a block holds (`.blocks`).

Shapes:
    P  pairs

The first encoder's near pairs do not depend on the second, which sees no others: several can
`decide` on the same ones. All is done in parts, so that memory is bounded but for the pairs found.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.mining.blocks import Block
from tasks.mining.kernels import Kernel, choose_kernel
from tasks.mining.pairs import BlindPairs, NearPairs, join, join_near
from tasks.mining.plan import Plan
from tasks.mining.propose import Places, proposals
from tasks.mining.vectors import Rows

PAIRS_AT_ONCE: Final = 1 << 18
"""Proposed pairs that are decided together."""


class Tile(NamedTuple):
    """The images of a tile's rows and columns; equal ranges mean each pair of them once."""

    rows: range
    columns: range


def cut_tiles(images: int, size: int) -> list[Tile]:
    """Return tiles of `size` x `size` images that hold each pair of images once."""
    ranges = [range(start, min(start + size, images)) for start in range(0, images, size)]
    return [Tile(rows, columns) for at, rows in enumerate(ranges) for columns in ranges[at:]]


def mine_tile(
    plan: Plan, rows: Block, columns: Block, *, kernel: Kernel | None = None
) -> BlindPairs:
    """Return the CLIP-blind pairs of two blocks, or of one with itself, by number of image.

    Raises:
        ValueError: if a block is for another plan or has no SSL vectors, or two blocks overlap.
    """
    if rows.ssl is None or columns.ssl is None:
        message = f"blocks {rows.first} and {columns.first} need SSL vectors, found none"
        raise ValueError(message)
    return join(
        decide(near, rows, columns, rows.ssl, columns.ssl, plan.ssl_below)
        for near in near_parts(plan, rows, columns, kernel or choose_kernel())
    )


def near_pairs(
    plan: Plan, rows: Block, columns: Block, *, kernel: Kernel | None = None
) -> NearPairs:
    """Return the pairs of two blocks, or of one with itself, with a CLIP cosine above the plan's.

    Raises:
        ValueError: as `mine_tile`, but SSL vectors are not needed.
    """
    return join_near(near_parts(plan, rows, columns, kernel or choose_kernel()))


def decide(
    near: NearPairs, rows: Block, columns: Block, ssl_rows: Rows, ssl_columns: Rows, below: float
) -> BlindPairs:
    """Return those of a tile's near pairs whose cosine by another encoder is below `below`."""
    ssl_cosine = ssl_cosines(near, rows, columns, ssl_rows, ssl_columns)
    blind = ssl_cosine < below
    return BlindPairs._make(column[blind] for column in (*near, ssl_cosine))


def ssl_cosines(
    near: NearPairs, rows: Block, columns: Block, ssl_rows: Rows, ssl_columns: Rows
) -> NDArray[np.float64]:
    """Return another encoder's cosines of a tile's near pairs."""
    in_rows, in_columns = near.i, near.j
    if rows.first > columns.first:
        in_rows, in_columns = near.j, near.i
    return _cosines(ssl_rows, ssl_columns, in_rows - rows.first, in_columns - columns.first)


def near_parts(plan: Plan, rows: Block, columns: Block, kernel: Kernel) -> Iterator[NearPairs]:
    """Yield the near pairs of a tile in parts that have none in common."""
    upper = _is_diagonal(plan, rows, columns)
    for i, j in _together(proposals(plan, rows, columns, kernel, upper=upper)):
        cosine = _cosines(rows.clip, columns.clip, i, j)
        near = cosine > plan.clip_above
        one, other = i[near] + np.int64(rows.first), j[near] + np.int64(columns.first)
        if rows.first > columns.first:
            one, other = other, one
        yield NearPairs(one, other, cosine[near])


def _together(parts: Iterator[Places]) -> Iterator[Places]:
    """Join small parts: vectors that are fetched cost less when more are wanted at once."""
    held: list[Places] = []
    for part in parts:
        held.append(part)
        if sum(len(i) for i, _ in held) >= PAIRS_AT_ONCE:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(parts: Sequence[Places]) -> Places:
    i, j = zip(*parts, strict=True)
    return np.concatenate(i), np.concatenate(j)


def _cosines(
    rows: Rows, columns: Rows, i: NDArray[np.integer], j: NDArray[np.integer]
) -> NDArray[np.float64]:
    if not len(i):
        return np.empty(0)
    (one, at), (other, to) = rows.gather(i), columns.gather(j)
    return one.cosines(at, to, other)


def _is_diagonal(plan: Plan, rows: Block, columns: Block) -> bool:
    for block in (rows, columns):
        if block.plan != plan.digest:
            message = (
                f"block {block.first} has codes of plan {block.plan[:8]}, expected "
                f"{plan.digest[:8]}; code it again for this plan"
            )
            raise ValueError(message)
    ranges = [range(block.first, block.first + len(block)) for block in (rows, columns)]
    if ranges[0] == ranges[1]:
        return True
    if max(ranges[0].start, ranges[1].start) < min(ranges[0].stop, ranges[1].stop):
        message = f"blocks {ranges[0]} and {ranges[1]} overlap, expected the same or none in common"
        raise ValueError(message)
    return False
