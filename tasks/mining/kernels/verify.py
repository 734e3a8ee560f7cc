"""Decide pairs: their codes of the second stage, then their cosines in float64.

Put here: the loops that see candidates only.
Keep out: which pairs are candidates (`scan`), what a threshold means (`tasks.mining.tiles`).

Vectors are passed as (address, bytes of an element, width, lengths), so that float16, float32 and
float64 share one compiled function. A cosine is the dot product in float64, its additions in one
order, over the product of the lengths: its bits depend on the two vectors alone.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
from llvmlite import ir

from tasks.mining.kernels import intrinsics
from tasks.mining.kernels.compiling import compiled

dot_half = intrinsics.dot_of(ir.HalfType())
dot_float = intrinsics.dot_of(ir.FloatType())
dot_double = intrinsics.dot_of(ir.DoubleType())
dot: Any = None  # compiled from `_dot`, see `_code`


def _dot(size: Any, one: Any, other: Any, width: Any) -> Any:
    if size == 2:
        return dot_half(one, other, width)
    if size == 4:
        return dot_float(one, other, width)
    return dot_double(one, other, width)


def _squares(address: Any, size: Any, width: Any, total_N: Any) -> None:
    for row in range(len(total_N)):
        at = address + row * width * size
        total_N[row] = dot(size, at, at, width)


def _cosines(one: Any, other: Any, i: Any, j: Any, cosine_P: Any) -> None:
    first, size, width, one_length = one
    second, _, _, other_length = other
    for place in range(len(i)):
        a, b = i[place], j[place]
        total = dot(size, first + a * width * size, second + b * width * size, width)
        cosine = total / (one_length[a] * other_length[b])
        cosine_P[place] = min(max(cosine, -1.0), 1.0)


def _keep(rows: Any, columns: Any, constant: Any, i: Any, j: Any, count: Any) -> Any:
    """Move the pairs whose codes pass to the front, and return how many do."""
    row_codes, row_bias = rows
    column_codes, column_bias = columns
    kept = 0
    for place in range(count):
        a, b = i[place], j[place]
        total = np.int32(constant) - row_bias[a] - column_bias[b]
        for k in range(row_codes.shape[1]):
            total += np.int32(row_codes[a, k]) * np.int32(column_codes[b, k])
        i[kept], j[kept] = a, b
        kept += total >= 0
    return kept


LOOPS: Final[dict[str, Callable[..., Any]]] = {"squares": _squares, "cosines": _cosines}


@cache
def _code(name: str) -> Callable[..., Any]:
    if name == "dot":
        return compiled(_dot)
    if name == "keep":
        return compiled(_keep)
    return compiled(LOOPS[name], dot=_code("dot"))


def squares(*arguments: Any) -> None:
    """Write the squared length of each row: (address, bytes of an element, width, totals)."""
    _code("squares")(*arguments)


def cosines(*arguments: Any) -> None:
    """Write the cosine of pairs: (vectors, other vectors, i, j, cosines)."""
    _code("cosines")(*arguments)


def keep(*arguments: Any) -> int:
    """Keep the first `count` pairs that pass: (rows, columns, constant, i, j, count) -> kept."""
    return int(_code("keep")(*arguments))
