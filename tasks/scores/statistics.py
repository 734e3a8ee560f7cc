"""How sure a score is, and how sure a difference between two models is.

Put here: intervals, tests and their correction, each a function of counts.
Keep out: counting (`tasks.scores.results`).

Source: Wilson 1927 and McNemar 1947 (both by SciPy); Holm 1979, "A Simple Sequentially Rejective
Multiple Test Procedure"; Cameron, Gelbach and Miller 2011, "Robust Inference With Multiway
Clustering"; Korn and Graubard 1998, "Confidence Intervals for Proportions With Small Expected
Number of Positive Counts Estimated From Survey Data", for the effective number.

Shapes:
    P  pairs    K  questions right in a pair: none, one, two    R  resamples    M  tests
    H  people
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95

PAIR_CHANCE: Final = 0.25
"""Pair accuracy of guessing: two questions of two options each, guessed independently.

Of the guessers who do not look, one that always gives the same answer gets 0 of the pairs, and
one that knows that the two answers of a pair differ gets 0.5.
"""

RESAMPLES: Final = 2000
SEED: Final = 0

_NOTHING: Final = 1e-12
"""A variance that is none but for rounding."""


class Interval(NamedTuple):
    """A share lies between these two with a confidence of 95 %."""

    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """Return Wilson's score interval of a share; of nothing (`n` = 0) nothing is known: 0 to 1.

    Raises:
        ValueError: if there are more successes than `n`, or fewer than 0.
    """
    if n == 0 and successes == 0:
        return Interval(0.0, 1.0)
    found = scipy.stats.binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(float(found.low), float(found.high))


def question_interval(right_P: Sequence[int]) -> Interval:
    """Return the interval of the share of questions right, given how many each pair has right.

    The two questions of a pair are not independent, so pairs are resampled, not questions: the
    percentile bootstrap, with a fixed seed. Pairs differ in nothing but the number right, so the
    numbers drawn of each kind are a multinomial sample, whatever the order of the pairs.

    If all pairs have the same number right, every resample does too and says nothing. Then at
    most a share `missed` of all pairs, by Wilson's interval, has another number, up to all or
    down to none of its questions. Of no pairs nothing is known: 0 to 1.
    """
    pairs_K = np.bincount(np.asarray(right_P, dtype=np.int64), minlength=3)
    pairs = int(pairs_K.sum())
    if pairs == 0:
        return Interval(0.0, 1.0)
    if pairs_K.max() == pairs:
        share = int(pairs_K.argmax()) / 2
        missed = wilson(0, pairs).high
        return Interval(share * (1 - missed), share + (1 - share) * missed)
    rng = np.random.default_rng(SEED)
    drawn_RK = rng.multinomial(pairs, pairs_K / pairs, size=RESAMPLES)
    share_R = drawn_RK @ np.arange(3) / (2 * pairs)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(share_R, [tail, 1 - tail])
    return Interval(float(low), float(high))


def crossed_interval(share_HP: NDArray[np.float64]) -> Interval:
    """Return the interval of the mean of shares (0 to 1) that people each got of the same pairs.

    It is about other people and other pairs. People differ and pairs differ, so the variance is
    clustered both ways. Wilson's interval is taken of as many pairs as would vary so, with
    Student's t at Satterthwaite's degrees of freedom: of few people little is known. Where nothing
    varies, or of one pair, it is Wilson's interval of the pairs alone.
    """
    people, pairs = share_HP.shape
    mean = float(share_HP.mean())
    off_HP = share_HP - mean
    by_people = float((off_HP.mean(axis=1) ** 2).sum() / (people * max(people - 1, 1)))
    by_pairs = float((off_HP.mean(axis=0) ** 2).sum() / (pairs * max(pairs - 1, 1)))
    both = float((off_HP**2).mean() / (people * pairs))
    variance = max(by_people + by_pairs - both, by_people, by_pairs)
    z = float(scipy.stats.norm.isf((1 - CONFIDENCE) / 2))
    if pairs == 1 or variance < _NOTHING:
        return _wilson_of(mean, pairs, z)
    freedom = variance**2 / (by_people**2 / max(people - 1, 1) + by_pairs**2 / (pairs - 1))
    t = float(scipy.stats.t.isf((1 - CONFIDENCE) / 2, freedom))
    return _wilson_of(mean, mean * (1 - mean) / variance, t)


def _wilson_of(share: float, n: float, z: float) -> Interval:
    """Return Wilson's interval of a share of `n`, which need not be whole, `z` deviations wide."""
    weight = z**2 / n
    middle = (share + weight / 2) / (1 + weight)
    half = math.sqrt(weight * share * (1 - share) + weight**2 / 4) / (1 + weight)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the p-value of McNemar's exact two-sided test that two models are equally good.

    `only_a` and `only_b` are the pairs that only one of them gets right. If there are none, the
    models do not differ: 1.
    """
    differing = only_a + only_b
    if differing == 0:
        return 1.0
    return float(scipy.stats.binomtest(min(only_a, only_b), differing, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down procedure, in their order.

    To reject those below 0.05 keeps the chance of any false rejection below 0.05.
    """
    p_M = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_M, kind="stable")
    raised_M = np.maximum.accumulate(p_M[order] * np.arange(len(p_M), 0, -1))
    corrected_M = np.empty_like(p_M)
    corrected_M[order] = np.minimum(raised_M, 1.0)
    return [float(p) for p in corrected_M]
