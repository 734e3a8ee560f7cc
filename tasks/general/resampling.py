"""How sure a figure is whose questions share images: resample images, not questions.

Put here: the percentile bootstrap over groups.
Keep out: which figure (`pope`, `vqa`, `judged`, beside this file); intervals of plain shares
(`tasks.scores`).

Source: Efron 1979, "Bootstrap Methods"; Field and Welsh 2007 for clusters.

Shapes:
    G  groups, as images    K  sums that a figure is made of
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.scores.statistics import CONFIDENCE, RESAMPLES, SEED, Interval, wilson


def group_sums(groups: Sequence[str], rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the sums of the rows of each group, shape (G, K), in the order of their names."""
    order = {name: place for place, name in enumerate(sorted(set(groups)))}
    sums_GK = np.zeros((len(order), len(rows[0])), np.float64)
    for name, row in zip(groups, rows, strict=True):
        sums_GK[order[name]] += row
    return sums_GK


def resampled(
    sums_GK: NDArray[np.float64], figure: Callable[[NDArray[np.float64]], float]
) -> Interval:
    """Return the interval of a figure from 0 to 1, or of any other, over groups.

    `figure` is a function of the K sums over all groups. The seed is fixed. If every resample
    gives the same share, they say nothing: then at most a share of the groups, by Wilson's
    interval, is any other.
    """
    rng = np.random.default_rng(SEED)
    groups = len(sums_GK)
    found = np.empty(RESAMPLES)
    for place in range(RESAMPLES):
        drawn_G = np.bincount(rng.integers(groups, size=groups), minlength=groups)
        found[place] = figure(drawn_G @ sums_GK)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(value) for value in np.quantile(found, [tail, 1 - tail]))
    share = float(figure(sums_GK.sum(axis=0)))
    if low == high and 0 <= share <= 1:
        missed = wilson(0, groups).high
        return Interval(share * (1 - missed), share + (1 - share) * missed)
    return Interval(low, high)
