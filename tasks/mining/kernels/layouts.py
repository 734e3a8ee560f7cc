"""How codes lie in memory for a kernel.

Put here: rows and panels of columns as the blocks of `intrinsics` read them.
Keep out: what codes mean (`tasks.mining.codes`).

Shapes:
    N  rows of a block    K  codes of a row
    P  columns of a panel    W  bytes of a row's codes, in fours
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.mining.kernels.intrinsics import ROWS

NEVER: Final = 1 << 29
"""The bias of a column that is not there: no sum reaches it."""

OFFSET: Final = 128
"""vpdpbusd takes columns as unsigned bytes: so much is added to their codes."""


class Laid(NamedTuple):
    """One side of a tile as a kernel reads it."""

    codes: NDArray[np.integer]
    adds: NDArray[np.int32]
    """What a row's sums start from, or what a column's sums are reduced by."""


def lay_rows(
    codes_NK: NDArray[np.int8], bias_N: NDArray[np.int32], constant: int, dtype: type
) -> Laid:
    """Lay out rows, and zeros after them so that a block may read past the last one."""
    total, width = codes_NK.shape
    rows = np.zeros((total + ROWS, width), dtype)
    rows[:total] = codes_NK
    starts = np.zeros(total + ROWS, np.int32)
    starts[:total] = constant - bias_N
    if dtype is np.int8:
        starts[:total] -= OFFSET * codes_NK.sum(axis=1, dtype=np.int32)
    return Laid(rows, starts)


def lay_columns(
    codes_NK: NDArray[np.int8], bias_N: NDArray[np.int32], panel: int, dtype: type
) -> Laid:
    """Lay out columns by panel: of all P the first four bytes of codes, then the next four."""
    total, width = codes_NK.shape
    padded = -(-total // panel) * panel
    columns = np.zeros((padded, width), dtype)
    columns[:total] = codes_NK
    biases = np.full(padded, NEVER, np.int32)
    biases[:total] = bias_N
    if dtype is np.int8:
        columns.view(np.uint8)[:] ^= OFFSET
    words = columns.view(np.int32).reshape(padded // panel, panel, -1)
    return Laid(np.ascontiguousarray(words.transpose(0, 2, 1)), biases)
