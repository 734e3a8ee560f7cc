"""Vectors of one encoder, and the cosine of two of them.

Put here: which rows have a direction, the definition of a cosine and its bits.
Keep out: which pairs are looked at (`tasks.mining.tiles`).

Shapes:
    N  images    D  width of a vector    P  pairs

A cosine is the dot product in float64 over the product of the lengths. Additions have one order,
so its bits depend on the two vectors alone: not on blocks, on their neighbours or the machine.
"""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

NAMED_ROWS: Final = 5
"""Rows that an error names; it counts the others."""

ROWS_AT_ONCE: Final = 4096


class Rows(Protocol):
    """Vectors that can be had by number: all at hand (`Vectors`), or read on demand (`Fetched`)."""

    def __len__(self) -> int: ...

    def gather(self, rows: NDArray[np.integer]) -> "tuple[Vectors, NDArray[np.integer]]":
        """Return vectors that hold these rows, and at which place each of them is."""
        ...


class Vectors:
    """Rows of float16, float32 or float64 as they are stored, with their lengths.

    A float16 or float32 matrix in C order is not copied, so it may be a view of a table or a file.
    """

    def __init__(self, name: str, vectors_ND: NDArray[np.floating], *, first: int = 0) -> None:
        """Take a matrix; `first` is the number of its first row in messages.

        Raises:
            ValueError: if it is no matrix, or some rows are zero or not finite; names the rows.
        """
        if vectors_ND.ndim != 2:
            message = f"{name} must be a matrix, found the shape {vectors_ND.shape}"
            raise ValueError(message)
        if vectors_ND.dtype not in (np.float16, np.float32):
            vectors_ND = _scaled(vectors_ND.astype(np.float64))
        self._raw_ND = np.ascontiguousarray(vectors_ND)
        self._length_N = self._lengths()
        bad = np.flatnonzero(~(np.isfinite(self._length_N) & (self._length_N > 0)))
        if len(bad):
            raise ValueError(_no_direction(name, first + bad))
        self.margin = (vectors_ND.shape[1] + 8) * float(np.finfo(np.float32).eps)
        """No product of `unit32` rows in float32 is farther than this from the cosine."""

    def __len__(self) -> int:
        return len(self._raw_ND)

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self._raw_ND.shape[1])

    def gather(self, rows: NDArray[np.integer]) -> "tuple[Vectors, NDArray[np.integer]]":
        """Return these vectors themselves: all rows are at hand."""
        return self, rows

    def unit(self, rows: NDArray[np.integer] | slice) -> NDArray[np.float64]:
        """Return rows at unit length in float64."""
        unit_ND: NDArray[np.float64] = self._raw_ND[rows] / self._length_N[rows, None]
        return unit_ND

    def unit32(self, rows: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        """Return rows at unit length in float32, each off by less than 2^-22."""
        raw_ND, length_N = self._raw_ND[rows], self._length_N[rows]
        tame = len(length_N) and length_N.min() > 1e-18 and length_N.max() < 1e18
        if self._raw_ND.dtype == np.float64 or not tame:
            return (raw_ND / length_N[:, None]).astype(np.float32)
        inverse_N = (1 / length_N).astype(np.float32)
        return np.multiply(raw_ND, inverse_N[:, None], dtype=np.float32)

    def cosines(
        self, i: NDArray[np.integer], j: NDArray[np.integer], other: "Vectors | None" = None
    ) -> NDArray[np.float64]:
        """Return the cosine of each pair of rows, `j` of `other` if given, in [-1, 1].

        Raises:
            ValueError: if the vectors are of two widths or dtypes.
        """
        from tasks.mining.kernels import verify

        other = other or self
        if (self.width, self._raw_ND.dtype) != (other.width, other._raw_ND.dtype):
            kinds = " and ".join(f"{rows.width} x {rows._raw_ND.dtype}" for rows in (self, other))
            message = f"vectors to compare must be alike, found {kinds}"
            raise ValueError(message)
        cosine_P = np.empty(len(i))
        verify.cosines(self._by_address(), other._by_address(), i, j, cosine_P)
        return cosine_P

    def _by_address(self) -> tuple[int, int, int, NDArray[np.float64]]:
        raw_ND = self._raw_ND
        return raw_ND.ctypes.data, raw_ND.itemsize, raw_ND.shape[1], self._length_N

    def _lengths(self) -> NDArray[np.float64]:
        from tasks.mining.kernels import verify

        squared_N = np.empty(len(self._raw_ND))
        raw_ND = self._raw_ND
        verify.squares(raw_ND.ctypes.data, raw_ND.itemsize, raw_ND.shape[1], squared_N)
        return np.sqrt(squared_N)


class Fetched:
    """Vectors that are read when a pair needs them, for tiles whose codes alone are in memory."""

    def __init__(
        self, name: str, total: int, fetch: Callable[[NDArray[np.int64]], NDArray[np.floating]]
    ) -> None:
        """Take what returns the vectors of sorted, distinct rows; there are `total` in all."""
        self._name, self._total, self._fetch = name, total, fetch

    def __len__(self) -> int:
        return self._total

    def gather(self, rows: NDArray[np.integer]) -> tuple[Vectors, NDArray[np.integer]]:
        """Fetch these rows, each once."""
        wanted, place = np.unique(rows, return_inverse=True)
        return Vectors(f"fetched {self._name}", self._fetch(wanted.astype(np.int64))), place


def _scaled(wide_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply each row by a power of two, which changes no cosine, so that no square overflows."""
    exponent_N = np.frexp(np.abs(wide_ND).max(axis=1, initial=0.0))[1]
    scaled_ND: NDArray[np.float64] = np.ldexp(wide_ND, -exponent_N[:, None])
    return scaled_ND


def _no_direction(name: str, rows: NDArray[np.integer]) -> str:
    named = ", ".join(str(row) for row in rows[:NAMED_ROWS])
    more = f" and {len(rows) - NAMED_ROWS} more" if len(rows) > NAMED_ROWS else ""
    what = f"row {named}" if len(rows) == 1 else f"{len(rows)} rows, {named}{more}"
    return (
        f"{what} of {name}: zero or not finite, expected a finite length above 0; leave such rows "
        f"out or embed their images again"
    )
