"""How a corpus is searched: which codes, chosen by what they cost and what they leave.

Put here: the choice from a sample of vectors, and the plan that all workers share.
Keep out: the codes themselves (`tasks.mining.codes`).

Shapes:
    S  sampled rows    D  width of a vector    P  axes    K  codes of a row

Any plan finds the same pairs: the sample decides about speed alone. A plan is made once, sent to
workers, and kept by its bytes.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tasks.mining.codes import Codebook, make_codebook, principal_axes
from tasks.mining.kernels import Kernel, choose_kernel
from tasks.mining.vectors import Vectors

SAMPLES: Final = (2048, 8192)
"""Rows that axes are found from, at least and at most; in between a part of all."""

SAMPLED: Final = 1 / 32
TRIED: Final = 1024
"""Other rows, whose pairs tell how many pairs codes leave: axes flatter the rows they are of."""

SHORT: Final = (32, 48, 64, 96, 128)
LONG: Final = 256

FLOP_NS: Final = 0.01
"""CPU time of a multiplication or addition in float32; it and what follows steer speed alone."""

ROW_NS: Final = 3.0
"""...of coding a row, for each code, beside the matrix product."""

COSINE_NS: Final = (60.0, 0.25)
"""...of a cosine: beside its width, and for each number of a vector."""

LONG_NS: Final = 20.0
"""...of a look at the long codes of a pair."""

AXES_FLOPS: Final = 15.0
"""Operations for each number of the sample and axis, to find the axes and try codes."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The search for pairs with a CLIP cosine above and an SSL cosine below a threshold."""

    clip_above: float
    ssl_below: float
    codebooks: tuple[Codebook, ...]
    """Of short codes, then of long ones; none where matrix products alone are faster."""

    @cached_property
    def digest(self) -> str:
        """Return 32 hex digits that name the plan."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:32]

    def to_bytes(self) -> bytes:
        """Return the plan as bytes: a line of JSON, then the arrays of its codebooks."""
        books = [
            {
                "shape": list(book.map_DK.shape),
                "scale": book.scale,
                "slack": book.slack,
                "reach": book.reach,
            }
            for book in self.codebooks
        ]
        head = {"clip_above": self.clip_above, "ssl_below": self.ssl_below, "codebooks": books}
        arrays = [
            np.ascontiguousarray(array, f"<f{array.itemsize}").tobytes()
            for book in self.codebooks
            for array in (book.map_DK, book.centre_K)
        ]
        return b"".join([json.dumps(head).encode(), b"\n", *arrays])

    @classmethod
    def from_bytes(cls, written: bytes) -> Self:
        """Return the plan that `to_bytes` wrote."""
        line, _, arrays = written.partition(b"\n")
        head = json.loads(line)
        books, at = [], 0
        for book in head["codebooks"]:
            width, codes = book.pop("shape")
            map_DK = np.frombuffer(arrays, "<f4", width * codes, at).reshape(width, codes)
            centre_K = np.frombuffer(arrays, "<f8", codes, at + map_DK.nbytes)
            at += map_DK.nbytes + centre_K.nbytes
            books.append(Codebook(map_DK.copy(), centre_K.copy(), **book))  # aligned, as made
        return cls(head["clip_above"], head["ssl_below"], tuple(books))


def plan_search(
    clip: Vectors | NDArray[np.floating],
    *,
    clip_above: float,
    ssl_below: float,
    images: int | None = None,
    kernel: Kernel | None = None,
) -> Plan:
    """Return the plan that is expected to cost least for `images` vectors like these.

    `clip` may be all vectors or a sample; some thousand rows, drawn evenly, tell enough. The same
    vectors give the same plan for the same kernel.
    """
    vectors = clip if isinstance(clip, Vectors) else Vectors("clip", clip)
    images = len(vectors) if images is None else images
    choice = _Choice(vectors, images, float(clip_above), kernel or choose_kernel())
    if len(vectors) > 1 and choice.least > _axes_cost(vectors.width, SHORT[0]):
        choice.try_short()
        choice.try_long()
    return Plan(float(clip_above), float(ssl_below), choice.chosen)


def fixed_plan(
    clip: Vectors | NDArray[np.floating], *codes: int, clip_above: float, ssl_below: float
) -> Plan:
    """Return the plan with codebooks of so many codes, whatever they cost."""
    vectors = clip if isinstance(clip, Vectors) else Vectors("clip", clip)
    if not len(vectors):
        codes = ()  # nothing tells which axes
    unit_SD = _draw(vectors, len(vectors))[0]
    axes_DP = principal_axes(unit_SD, max(codes, default=1))
    books = (make_codebook(unit_SD, axes_DP, count, clip_above=clip_above) for count in codes)
    return Plan(float(clip_above), float(ssl_below), tuple(books))


def _draw(vectors: Vectors, images: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return unit rows to find axes from, and others to try codes on."""
    few, many = SAMPLES
    wanted = min(max(int(images * SAMPLED), few), many)
    rows = np.random.default_rng(0).permutation(len(vectors))[: wanted + TRIED]
    tried = min(TRIED, len(rows) // 3)
    unit_SD = vectors.unit32(rows)
    return unit_SD[tried:], unit_SD[:tried]


class _Tried(NamedTuple):
    """A codebook of short codes, what it costs beside verification, and the pairs it leaves."""

    book: Codebook
    cost: float
    left_SS: NDArray[np.bool_]
    share: float


class _Choice:
    """Tries codes, shortest first, and keeps what costs least; costs are CPU time in ns."""

    def __init__(self, vectors: Vectors, images: int, clip_above: float, kernel: Kernel) -> None:
        self.chosen: tuple[Codebook, ...] = ()
        self.width, self.images = vectors.width, images
        self.pairs = images * (images - 1) / 2
        self.least = self.pairs * (2 * self.width * FLOP_NS + 1)  # by matrix products alone
        self._clip_above, self._kernel = clip_above, kernel
        self._cosine_ns = COSINE_NS[0] + COSINE_NS[1] * self.width
        self._vectors = vectors
        self._short: list[_Tried] = []
        self._spent = 0.0

    def try_short(self) -> None:
        """Try codes of each length, as long as those that follow can cost less."""
        self._unit_SD, self._tried_SD = _draw(self._vectors, self.images)
        axes_DP = np.empty((self.width, 0))
        for codes in SHORT:
            if codes > axes_DP.shape[1] < self.width:
                count = SHORT[2] if codes <= SHORT[2] else SHORT[-1]
                self._spent += _axes_cost(self.width, count)
                if self._spent > self.least:
                    return
                axes_DP = principal_axes(self._unit_SD, count)
            cost = self._spent + self._coding(codes)
            cost += self.pairs * (self._kernel.pair_ns + self._kernel.code_ns * codes)
            if cost > self.least:
                return
            book, left_SS = self._try(axes_DP, codes)
            share = self._share(left_SS)
            self._short.append(_Tried(book, cost, left_SS, share))
            self._offer(cost + self.pairs * share * self._cosine_ns, book)
            if codes >= self.width:
                return

    def try_long(self) -> None:
        """Try a second look by long codes, if looks at vectors would cost more than making them."""
        extra = _axes_cost(self.width, LONG) + self._coding(LONG)
        looks = [tried.cost + self.pairs * tried.share * LONG_NS for tried in self._short]
        if min(looks, default=np.inf) + extra > self.least:
            return
        book, left_SS = self._try(principal_axes(self._unit_SD, LONG), LONG)
        for tried, cost in zip(self._short, looks, strict=True):
            both = self._share(left_SS & tried.left_SS)
            self._offer(cost + extra + self.pairs * both * self._cosine_ns, tried.book, book)

    def _try(self, axes_DP: NDArray[np.float64], codes: int) -> tuple[Codebook, NDArray[np.bool_]]:
        """Return a codebook, and for pairs of rows that it has not seen whether it leaves them."""
        book = make_codebook(self._unit_SD, axes_DP, codes, clip_above=self._clip_above)
        code_SK, bias_S = book.encode(Vectors("sample", self._tried_SD))
        wide_SK = code_SK.astype(np.float32)
        left_SS = wide_SK @ wide_SK.T >= (bias_S[:, None] + bias_S - book.constant)
        return book, np.triu(left_SS, 1)

    def _share(self, left_SS: NDArray[np.bool_]) -> float:
        total = len(left_SS)
        return int(left_SS.sum()) / max(total * (total - 1) / 2, 1)

    def _coding(self, codes: int) -> float:
        return self.images * (self.width + codes * (2 * self.width * FLOP_NS + ROW_NS))

    def _offer(self, cost: float, *codebooks: Codebook) -> None:
        if cost < self.least:
            self.chosen, self.least = codebooks, cost


def _axes_cost(width: int, count: int) -> float:
    return SAMPLES[0] * width * count * AXES_FLOPS * FLOP_NS
