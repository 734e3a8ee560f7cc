"""Find the pairs of codes that may be near: the loops that see every pair.

Put here: one scan for blocks in registers (VNNI, AVX2), one for products by BLAS.
Keep out: the proof that no near pair is missed (`tasks.mining.codes`).

A scan takes a range of rows and of columns and writes the pairs that pass as places in their
blocks. It returns how many; more than there is room for means that it gave up.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.mining.kernels import intrinsics, layouts
from tasks.mining.kernels.compiling import compiled

Scan = Callable[[slice, slice, NDArray[np.int32], NDArray[np.int32], bool], int]
"""(rows, columns, room for i, room for j, only i < j) -> how many."""


Side = tuple[NDArray[np.int8], NDArray[np.int32]]
"""Codes (N x K) and biases (N); a pair passes if products - bias - bias + constant >= 0."""


class Blocks(NamedTuple):
    """How a kernel of blocks multiplies and in which layout."""

    shape: intrinsics.Shape
    multiply: intrinsics.Multiply
    dtype: type


BLOCKS: Final = {
    "vnni": Blocks(intrinsics.WIDE, intrinsics.multiply_bytes, np.int8),
    "avxvnni": Blocks(intrinsics.NARROW, intrinsics.multiply_bytes, np.int8),
    "avx2": Blocks(intrinsics.NARROW, intrinsics.multiply_shorts, np.int16),
}
PRODUCTS: Final = (256, 2048)
"""Rows and columns of a product by BLAS: 2 MB, so that it is read back from the cache."""


def blocks(name: str, rows: Side, columns: Side, constant: int) -> Scan:
    """Return the scan by blocks in registers of the kernel `name`."""
    kind = BLOCKS[name]
    across = layouts.lay_rows(*rows, constant, kind.dtype)
    down = layouts.lay_columns(*columns, kind.shape.panel, kind.dtype)
    code = _blocks_code(name)

    def scan(i: slice, j: slice, room_i: Any, room_j: Any, upper: bool) -> int:  # noqa: FBT001
        limits = (i.start, i.stop, j.start, j.stop)
        return int(code(*across, *down, limits, upper, room_i, room_j))

    return scan


@cache
def _blocks_code(name: str) -> Callable[..., Any]:
    kind = BLOCKS[name]
    block = intrinsics.block_of(kind.shape, kind.multiply)
    return compiled(_scan_blocks, "_" + name, block=block, PANEL=kind.shape.panel)


PANEL = 64
ROWS = intrinsics.ROWS
block: Any = None  # each kernel's own, see `compiled`
lowest_bit: Any = intrinsics.lowest_bit


def _scan_blocks(  # noqa: C901, PLR0913, PLR0917
    rows: Any,
    starts: Any,
    panels: Any,
    biases: Any,
    limits: Any,
    upper: Any,
    room_i: Any,
    room_j: Any,
) -> Any:
    first_i, last_i, first_j, last_j = limits
    row_bytes = rows.shape[1] * rows.itemsize
    masks = np.zeros(ROWS, np.uint64)
    found = 0
    for j in range(first_j, last_j, PANEL):
        panel = panels.ctypes.data + j * row_bytes
        for i in range(first_i, last_i, ROWS):
            if upper and i >= j + PANEL - 1:
                break
            if not block(
                rows.ctypes.data + i * row_bytes,
                starts.ctypes.data + 4 * i,
                panel,
                biases.ctypes.data + 4 * j,
                masks.ctypes.data,
                row_bytes,
            ):
                continue
            for r in range(min(ROWS, last_i - i)):
                mask = masks[r]
                while mask:
                    column = j + lowest_bit(mask)
                    mask &= mask - np.uint64(1)
                    if (upper and column <= i + r) or column >= last_j:
                        continue
                    if found == len(room_i):
                        return found + 1
                    room_i[found] = i + r
                    room_j[found] = column
                    found += 1
    return found


def products(rows: Side, columns: Side, constant: int) -> Scan:
    """Return the scan by matrix products in float32, in which sums of codes are exact.

    A sum of at most 256 products of codes, less a bias, stays below 2^24.
    """
    across, down = (codes_NK.astype(np.float32) for codes_NK, _ in (rows, columns))
    least = (rows[1] - np.int32(constant)).astype(np.float32)
    biases = columns[1].astype(np.float32)
    pick = _products_code()
    room = np.empty(PRODUCTS[0] * PRODUCTS[1], np.float32)

    def scan(i: slice, j: slice, room_i: Any, room_j: Any, upper: bool) -> int:  # noqa: FBT001
        found = 0
        for top in range(i.start, i.stop, PRODUCTS[0]):
            part = slice(top, min(top + PRODUCTS[0], i.stop))
            for left in range(j.start, j.stop, PRODUCTS[1]):
                cut = slice(left, min(left + PRODUCTS[1], j.stop))
                if upper and cut.stop <= part.start:
                    continue
                shape = (part.stop - part.start, cut.stop - cut.start)
                sums = room[: shape[0] * shape[1]].reshape(shape)
                np.matmul(across[part], down[cut].T, out=sums)
                found = pick(
                    sums, least[part], biases[cut], (top, left), upper, room_i, room_j, found
                )
                if found > len(room_i):
                    return int(found)
        return int(found)

    return scan


@cache
def _products_code() -> Callable[..., Any]:
    return compiled(_pick)


def _pick(  # noqa: PLR0913, PLR0917
    sums: Any,
    least: Any,
    biases: Any,
    at: Any,
    upper: Any,
    room_i: Any,
    room_j: Any,
    found: Any,
) -> Any:
    for r in range(len(sums)):
        for start in range(0, sums.shape[1], 64):
            stop = min(start + 64, sums.shape[1])
            passing = 0
            for c in range(start, stop):
                passing += sums[r, c] - biases[c] >= least[r]
            if passing == 0:
                continue
            for c in range(start, stop):
                i, j = at[0] + r, at[1] + c
                if sums[r, c] - biases[c] < least[r] or (upper and j <= i):
                    continue
                if found == len(room_i):
                    return found + 1
                room_i[found] = i
                room_j[found] = j
                found += 1
    return found
