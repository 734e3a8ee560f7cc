"""Propose the pairs of a tile that may be near, and no more of the others than need be.

Put here: the order of work in a tile, where codes give way to matrix products.
Keep out: why codes miss no near pair (`tasks.mining.codes`), the decision (`tasks.mining.tiles`).

A tile is searched a cut at a time. Short codes rule out most pairs of a cut, longer codes, if the
plan has them, most of the rest. Where codes leave more than `DENSE` of a cut, or the plan has none,
products in float32 propose pairs instead, with a margin that their rounding cannot cross.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.mining.blocks import Block
from tasks.mining.kernels import Kernel
from tasks.mining.plan import Plan

CUT_ROWS: Final = 4096
CUT_COLUMNS: Final = 8192
PRODUCT_IMAGES: Final = 1024

DENSE: Final = 1 / 8
"""Share of a cut's pairs beyond which one matrix product costs less than a look at each."""

Places = tuple[NDArray[np.integer], NDArray[np.integer]]
"""Pairs by their places in the block of rows and that of columns."""


def proposals(
    plan: Plan, rows: Block, columns: Block, kernel: Kernel, *, upper: bool
) -> Iterator[Places]:
    """Yield all near pairs of two blocks, and some others, none twice; `upper`: only i < j."""
    by_codes = _code_search(plan, rows, columns, kernel, upper=upper) if plan.codebooks else None
    for across in _parts(range(len(rows)), CUT_ROWS * kernel.cut_scale):
        for down in _parts(range(len(columns)), CUT_COLUMNS * kernel.cut_scale):
            if upper and down.stop <= across.start + 1:
                continue
            found = by_codes(across, down) if by_codes else None
            if found is None:
                yield from _by_products(plan, rows, columns, (across, down), upper=upper)
            else:
                yield found


def _parts(places: range, size: int) -> Iterator[range]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _code_search(
    plan: Plan, rows: Block, columns: Block, kernel: Kernel, *, upper: bool
) -> Callable[[range, range], Places | None]:
    """Return the search of one cut by codes, which returns None if they leave too many pairs."""
    from tasks.mining.kernels import verify

    first, *others = zip(rows.codes, columns.codes, plan.codebooks, strict=True)
    scan = kernel.scan(first[0], first[1], first[2].constant)
    sizes = CUT_ROWS * kernel.cut_scale, CUT_COLUMNS * kernel.cut_scale
    largest = min(len(rows), sizes[0]) * min(len(columns), sizes[1])
    room = np.empty((2, int(largest * DENSE) + 1), np.int32)

    def search(across: range, down: range) -> Places | None:
        i, j = room[:, : int(len(across) * len(down) * DENSE) + 1]
        limits = slice(across.start, across.stop), slice(down.start, down.stop)
        count = scan(*limits, i, j, upper)
        if count > len(i):
            return None
        for row_codes, column_codes, codebook in others:
            count = verify.keep(row_codes, column_codes, codebook.constant, i, j, count)
        return i[:count].copy(), j[:count].copy()

    return search


def _by_products(
    plan: Plan, rows: Block, columns: Block, cut: tuple[range, range], *, upper: bool
) -> Iterator[Places]:
    (one, at), (other, to) = (
        block.clip.gather(np.arange(part.start, part.stop))
        for block, part in zip((rows, columns), cut, strict=True)
    )
    unit_ND, other_ND = one.unit32(at), other.unit32(to)
    least = plan.clip_above - one.margin
    for across in _parts(cut[0], PRODUCT_IMAGES):
        for down in _parts(cut[1], PRODUCT_IMAGES):
            if upper and down.stop <= across.start + 1:
                continue
            top, left = across.start - cut[0].start, down.start - cut[1].start
            products = unit_ND[top:][: len(across)] @ other_ND[left:][: len(down)].T
            i, j = np.nonzero(products > least)
            i, j = i + across.start, j + down.start
            wanted = j > i if upper else slice(None)
            yield i[wanted], j[wanted]
