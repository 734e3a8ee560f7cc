"""Short int8 codes of vectors that rule out nearly all pairs, and no near one.

Put here: the map from a vector to its code, its rounding error, the bound and its proof.
Keep out: which codes a search uses (`tasks.mining.plan`), the loops over pairs (`kernels`).

Shapes:
    N  rows    D  width of a vector    P  axes, at most K    K  codes of a row    S  sampled rows

The map. V (D x P) has orthonormal columns and R (P x K) orthonormal rows, x is a unit vector.
u(x) = V'x R - c moves no two points apart: |u(x) - u(y)| = |V'(x - y)| <= |x - y|. The columns of V
are principal axes of a sample, so that u keeps much of a distance; any other orthonormal V would be
as right and slower. R is random: it spreads a vector evenly over its codes, so that rounding costs
less. c makes codes small.

The code. q = round(s u) within +-127, and e = |q - s u|, measured for each row and so also true
where a code was cut off at 127. It is measured against u as computed in float32; the codebook's
`slack` bounds how far that is from u, and s times it is added to e.

No near pair is missed. Let cos(x, y) > t, so |x - y|^2 < 2 - 2t, and g = s sqrt(2 - 2t + TINY).
Then |q - q'| <= s|u - u'| + e + e' <= g + e + e', and as (e + e')^2 <= 2e^2 + 2e'^2
    q.q' = (|q|^2 + |q'|^2 - |q - q'|^2) / 2 >= (|q|^2 + |q'|^2 - g^2) / 2 - g(e + e') - e^2 - e'^2.
With a bias b = floor(|q|^2 / 2 - g e - e^2) for each row and the constant G = ceil(g^2 / 2), all
integers: q.q' - b - b' + G >= 0. That is the test. A bias raised to -BIAS_RANGE still passes.

Rounding. A sum of D products in float32, in any order, is off by at most gamma times the lengths,
gamma = D eps / (1 - D eps), eps = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms,
3.1). So with W = VR rounded to float32, V'x R is off by at most
(1 + 2^-20)(gamma |W| + |W - VR|) + 2^-22, the last for x itself in float32; the norms of matrices
are Frobenius norms.

The length of x - VV'x as one more coordinate would be right too, but it hardly ever rules out a
pair, and the square root makes more of rounding.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.mining.vectors import ROWS_AT_ONCE, Vectors

TINY: Final = 1e-10
"""More than float64 can be off in a squared distance or in the threshold."""

LARGEST: Final = 127
MOST_SCALE: Final = 1024.0
BIAS_RANGE: Final = 1 << 23
"""No product of 256 codes, bias and constant together reaches this, so such a row always passes."""

SPARE_AXES: Final = 8
ROUNDS: Final = 2


class Codes(NamedTuple):
    """Codes of rows, with their biases: see the test in the module's text."""

    code_NK: NDArray[np.int8]
    bias_N: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Codebook:
    """The map from vectors to codes, for one threshold."""

    map_DK: NDArray[np.float32]
    """W of the proof."""
    centre_K: NDArray[np.float64]
    """c, the mean of the sample."""
    scale: float
    """s: codes for a distance of 1."""
    slack: float
    reach: float
    """g: how far apart, in units of codes, near vectors can lie."""

    @property
    def constant(self) -> int:
        """G of the test."""
        return int(np.ceil(self.reach**2 / 2))

    def encode(self, vectors: Vectors) -> Codes:
        """Return the codes of all rows."""
        from tasks.mining.kernels import encode

        total, width = len(vectors), len(self.centre_K)
        book = (self.centre_K, self.scale, self.slack, self.reach)
        limits = (float(LARGEST), float(-BIAS_RANGE))
        codes = Codes(np.empty((total, width), np.int8), np.empty(total, np.int32))
        for start in range(0, total, ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            mapped_NK = vectors.unit32(part) @ self.map_DK
            encode.quantise(mapped_NK, book, limits, *(column[part] for column in codes))
        return codes


def principal_axes(unit_SD: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return at most `count` orthonormal axes (D x P) that hold much of a sample, most first.

    Subspace iteration from a seeded start. The axes are about those of the sample's second moment;
    how close decides about speed alone.
    """
    width = unit_SD.shape[1]
    if count >= width:
        return np.eye(width)
    rng = np.random.default_rng(0)
    start = rng.standard_normal((width, min(count + SPARE_AXES, width)), dtype=np.float32)
    basis = np.linalg.qr(start)[0]
    for _ in range(ROUNDS):
        basis = np.linalg.qr(unit_SD.T @ (unit_SD @ basis))[0]
    basis = np.linalg.qr(basis.astype(np.float64))[0]
    held = (unit_SD @ basis.astype(np.float32)).astype(np.float64)
    turned: NDArray[np.float64] = basis @ np.linalg.eigh(held.T @ held)[1][:, ::-1][:, :count]
    return turned


def make_codebook(
    unit_SD: NDArray[np.float32],
    axes_DP: NDArray[np.float64],
    codes: int,
    *,
    clip_above: float,
) -> Codebook:
    """Return a codebook of `codes` codes a row, with the first axes that there is room for."""
    axes_DP = axes_DP[:, :codes]
    rng = np.random.default_rng(codes)
    turn_PK = np.linalg.qr(rng.standard_normal((codes, codes)))[0][: axes_DP.shape[1]]
    exact_DK = axes_DP @ turn_PK
    map_DK = exact_DK.astype(np.float32)
    mapped_SK = unit_SD @ map_DK
    centre_K = mapped_SK.mean(axis=0, dtype=np.float64)
    largest = float(np.abs(mapped_SK - centre_K).max(initial=LARGEST / MOST_SCALE))
    scale = LARGEST / largest
    return Codebook(
        map_DK=map_DK,
        centre_K=centre_K,
        scale=scale,
        slack=_slack(map_DK, exact_DK),
        reach=scale * float(np.sqrt(max(2 - 2 * clip_above, 0) + TINY)),
    )


def _slack(map_DK: NDArray[np.float32], exact_DK: NDArray[np.float64]) -> float:
    """Bound how far u as computed is from u, for any unit vector."""
    relative = len(map_DK) * 2.0**-24
    gamma = relative / (1 - relative)
    wide_DK = map_DK.astype(np.float64)
    rounded = gamma * np.linalg.norm(wide_DK) + np.linalg.norm(wide_DK - exact_DK)
    return (1 + 2.0**-20) * float(rounded) + 2.0**-22 + 1e-9
