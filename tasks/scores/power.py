"""Which difference between two models a benchmark of some size can show.

Put here: the power of the test that `compare` makes, and the difference found with 80 % power.
Keep out: tests of measured differences (`statistics`, beside this file).

Source: for pairs that two models share, the exact power of McNemar's exact test, with `discordant`
as the share of pairs that only one of the two gets right; Connor 1987, "Sample Size for Testing
Differences in Proportions for the Paired-Sample Design", has the approximation by normals (tested
against). For two sets of pairs: Fleiss, Levin and Paik 2003, "Statistical Methods for Rates and
Proportions", 4.2.

Shapes: D  numbers of discordant pairs, none to all; differences are of pair accuracy, 0 to 1.
"""

import math
from typing import Final

import numpy as np
import scipy

from tasks.scores.statistics import CONFIDENCE

POWER: Final = 0.8
_TAIL: Final = (1 - CONFIDENCE) / 2


def detectable_paired(pairs: int, discordant: float) -> float | None:
    """Return the smallest true difference that McNemar's test finds four times in five.

    None where even models that differ on all discordant pairs in one direction are not told apart.

    Raises:
        ValueError: if there are no pairs, or `discordant` is no share above 0.
    """
    _check(pairs, discordant, above=0.0)
    if mcnemar_power(pairs, discordant, discordant) < POWER:
        return None

    def lacking(difference: float) -> float:
        return mcnemar_power(pairs, discordant, difference) - POWER

    return float(scipy.optimize.brentq(lacking, 0.0, discordant, xtol=1e-6))


def mcnemar_power(pairs: int, discordant: float, difference: float) -> float:
    """Return how often McNemar's exact test finds a difference, at a level of 5 %, two-sided."""
    number_D = np.arange(pairs + 1)
    # The most pairs of the rarer kind with which the test still says that the models differ.
    most_D = scipy.stats.binom.ppf(_TAIL, number_D, 0.5) - 1
    better = (discordant + difference) / (2 * discordant)
    found_D = scipy.stats.binom.cdf(most_D, number_D, better)
    found_D += scipy.stats.binom.sf(number_D - most_D - 1, number_D, better)
    return float(scipy.stats.binom.pmf(number_D, pairs, discordant) @ found_D)


def detectable_unpaired(pairs: int, accuracy: float) -> float:
    """Return the same for two models on different pairs, `pairs` each, around an accuracy.

    Raises:
        ValueError: if there are no pairs, or `accuracy` is no share.
    """
    _check(pairs, accuracy, above=None)
    z = scipy.stats.norm.isf(_TAIL) + scipy.stats.norm.isf(1 - POWER)
    return float(z * math.sqrt(2 * accuracy * (1 - accuracy) / pairs))


def _check(pairs: int, share: float, *, above: float | None) -> None:
    low_enough = share >= 0 if above is None else share > above
    if pairs < 1 or not low_enough or share > 1:
        message = f"{pairs} pairs and a share of {share}; expected 1 pair or more, a share up to 1"
        raise ValueError(message)
