"""How far two models fail at the same visual patterns: correlations of a few points, with doubt.

Put here: Pearson's and Spearman's correlation, their intervals and permutation tests; which points
two models have in common.
Keep out: drawing (`tasks.report.correlation_chart`), scores (`tasks.scores`).
Source: Tong et al. 2024 (arXiv:2401.06209), section 3.3, correlates a CLIP with multimodal models
over nine patterns; Fisher 1921 for the interval; Fieller, Hartley and Pearson 1957 for the standard
error of Spearman's.

Shapes:
    P  points    M  orders of the points that are tried
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Final, Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

from tasks.evaluation.asking import CONTRASTS, MMVP_VLM

EXACT_POINTS: Final = 9
"""Up to so many points all orders are tried, 362,880 for the nine patterns; else some, by lot."""

DRAWN_ORDERS: Final = 100_000
SEED: Final = 0
CONFIDENCE: Final = 0.95
LEAST_POINTS: Final = 3
SPEARMAN_ERROR: Final = 1.03
"""Standard error of Fisher's z of Spearman's correlation, over 1 / sqrt(P - 3)."""

CHUNK: Final = 65_536
"""Orders at once, so that memory stays in the tens of megabytes."""

TOLERANCE: Final = 1e-12
"""Correlations this near count as equal, since sums in another order differ in their last bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Both correlations of some points, each with a 95 % interval and a two-sided p-value.

    All are None but `points` where there are fewer than three, or one side does not vary. The
    intervals are None with three points, of which Fisher's z says nothing. `is_exact` says whether
    the p-values come from all orders of the points or from `DRAWN_ORDERS` of them.
    """

    points: int
    pearson: float | None
    pearson_low: float | None
    pearson_high: float | None
    pearson_p: float | None
    spearman: float | None
    spearman_low: float | None
    spearman_high: float | None
    spearman_p: float | None
    is_exact: bool


def correlate(x_P: Iterable[float], y_P: Iterable[float]) -> Correlation:
    """Return both correlations of points (x, y), in any unit; their order does not matter.

    Raises:
        ValueError: if the two sides differ in length or hold a value that is not finite.
    """
    x, y = (np.asarray(list(side), dtype=np.float64) for side in (x_P, y_P))
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        message = f"points have {len(x)} and {len(y)} values, expected as many finite ones of each"
        raise ValueError(message)
    points, is_exact = len(x), len(x) <= EXACT_POINTS
    if points < LEAST_POINTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(
            points=points,
            pearson=None,
            pearson_low=None,
            pearson_high=None,
            pearson_p=None,
            spearman=None,
            spearman_low=None,
            spearman_high=None,
            spearman_p=None,
            is_exact=is_exact,
        )
    order = np.lexsort((y, x))  # so that drawn orders are the same however the points came
    x, y = x[order], y[order]
    ranks_x, ranks_y = scipy.stats.rankdata(x), scipy.stats.rankdata(y)
    pearson, spearman = _pearson(x, y), _pearson(ranks_x, ranks_y)
    pearson_low, pearson_high = fisher_interval(pearson, points)
    spearman_low, spearman_high = fisher_interval(spearman, points, error=SPEARMAN_ERROR)
    return Correlation(
        points=points,
        pearson=pearson,
        pearson_low=pearson_low,
        pearson_high=pearson_high,
        pearson_p=_permutation_p(x, y),
        spearman=spearman,
        spearman_low=spearman_low,
        spearman_high=spearman_high,
        spearman_p=_permutation_p(ranks_x, ranks_y),
        is_exact=is_exact,
    )


def fisher_interval(
    r: float, points: int, *, error: float = 1.0
) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % interval of a correlation by Fisher's z; (None, None) of three points.

    `error` scales the standard error. It is for points drawn from a bivariate normal; of accuracies
    by pattern it is a guide, not a proof.
    """
    if points <= LEAST_POINTS:
        return None, None
    if abs(r) >= 1:
        return r, r
    half = float(scipy.stats.norm.ppf((1 + CONFIDENCE) / 2)) * error / math.sqrt(points - 3)
    z = math.atanh(r)
    return math.tanh(z - half), math.tanh(z + half)


def _pearson(x_P: NDArray[np.float64], y_P: NDArray[np.float64]) -> float:
    found = float(_unit(x_P) @ _unit(y_P))
    return math.copysign(1.0, found) if abs(found) > 1 - TOLERANCE else found


def _unit(values_P: NDArray[np.float64]) -> NDArray[np.float64]:
    centred_P = values_P - values_P.mean()
    unit_P: NDArray[np.float64] = centred_P / np.linalg.norm(centred_P)
    return unit_P


def _permutation_p(x_P: NDArray[np.float64], y_P: NDArray[np.float64]) -> float:
    """Return the share of orders of `y_P` whose correlation is as far from 0 as that found.

    Of drawn orders the found one counts too, so that no p-value is 0.
    """
    unit_x_P, unit_y_P = _unit(x_P), _unit(y_P)
    least = abs(float(unit_x_P @ unit_y_P)) - TOLERANCE
    points = len(x_P)
    if points <= EXACT_POINTS:
        orders_MP = _all_orders(points)
        return _as_far(unit_x_P, unit_y_P, orders_MP, least) / len(orders_MP)
    rng = np.random.default_rng(SEED)
    orders_MP = rng.permuted(np.tile(np.arange(points), (DRAWN_ORDERS, 1)), axis=1)
    return (_as_far(unit_x_P, unit_y_P, orders_MP, least) + 1) / (DRAWN_ORDERS + 1)


@cache
def _all_orders(points: int) -> NDArray[np.int8]:
    return np.array(list(permutations(range(points))), dtype=np.int8)


def _as_far(
    unit_x_P: NDArray[np.float64],
    unit_y_P: NDArray[np.float64],
    orders_MP: NDArray[np.integer],
    least: float,
) -> int:
    far = 0
    for start in range(0, len(orders_MP), CHUNK):
        found_M = unit_y_P[orders_MP[start : start + CHUNK]] @ unit_x_P
        far += int(np.count_nonzero(np.abs(found_M) >= least))
    return far


class Scored(Protocol):
    """What is needed of a row of the table `scores`; the accuracy is a share from 0 to 1."""

    @property
    def benchmark(self) -> str:
        """Name of the benchmark."""

    @property
    def model(self) -> str:
        """Name of the model."""

    @property
    def protocol(self) -> str:
        """How it was asked; `mmvp-vlm` of a CLIP."""

    @property
    def key(self) -> str:
        """Version of the answer key."""

    @property
    def pattern(self) -> str | None:
        """Visual pattern; None over all pairs."""

    @property
    def pair_accuracy(self) -> float:
        """Share of pairs with both questions right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlated:
    """A CLIP and a multimodal model by pattern: their points, and how they correlate.

    `points` has the accuracies in percent by pattern, the CLIP's first.
    """

    benchmark: str
    clip: str
    model: str
    protocol: str
    key: str
    points: Mapping[str, tuple[float, float]]
    correlation: Correlation


def correlate_scores(
    clips: Iterable[Scored], models: Iterable[Scored], *, across: bool = False
) -> list[Correlated]:
    """Return each CLIP with each multimodal model over the patterns that both were asked about.

    Both may be all rows of the table `scores`: CLIPs are those under the protocol `mmvp-vlm`. Only
    rows of one benchmark are set against each other, unless `across` is true: then a CLIP's on
    MMVP-VLM can stand against a model's on MMVP, as in the paper.
    """
    mine = _by_model(row for row in clips if row.protocol == MMVP_VLM)
    theirs = _by_model(row for row in models if row.protocol not in CONTRASTS)
    found = []
    for (clip_benchmark, clip, _, _), clip_points in mine.items():
        for (benchmark, model, protocol, key), points in theirs.items():
            common = sorted(clip_points.keys() & points.keys())
            if common and (across or clip_benchmark == benchmark):
                both = {name: (clip_points[name], points[name]) for name in common}
                found.append(
                    Correlated(
                        benchmark=benchmark,
                        clip=clip,
                        model=model,
                        protocol=protocol,
                        key=key,
                        points=both,
                        correlation=correlate(*zip(*both.values(), strict=True)),
                    )
                )
    return sorted(
        found, key=lambda one: (one.benchmark, one.clip, one.model, one.protocol, one.key)
    )


_Series = dict[tuple[str, str, str, str], dict[str, float]]


def _by_model(rows: Iterable[Scored]) -> _Series:
    series: _Series = {}
    for row in rows:
        if row.pattern is not None:
            name = (row.benchmark, row.model, row.protocol, row.key)
            series.setdefault(name, {})[row.pattern] = 100 * row.pair_accuracy
    return series
