"""The detectable difference: what McNemar's test of this package finds four times in five."""

import math

import numpy as np
import pytest
from scipy import stats

from tasks.scores import detectable_paired, detectable_unpaired
from tasks.scores.power import mcnemar_power
from tasks.scores.statistics import mcnemar

Z_LEVEL, Z_POWER = stats.norm.isf(0.025), stats.norm.isf(0.2)


def connor(pairs, discordant):
    """Connor 1987, solved for the difference; for McNemar's test without correction."""
    scale = pairs + Z_POWER**2
    inner = math.sqrt(scale - Z_LEVEL**2)
    return math.sqrt(discordant) * (Z_LEVEL * math.sqrt(pairs) + Z_POWER * inner) / scale


@pytest.mark.parametrize(("pairs", "discordant"), [(150, 0.2), (150, 0.4), (600, 0.3), (5000, 0.1)])
def test_the_exact_difference_is_a_little_above_connors_approximation(pairs, discordant):
    approximate = connor(pairs, discordant)
    needed = (
        Z_LEVEL * math.sqrt(discordant) + Z_POWER * math.sqrt(discordant - approximate**2)
    ) ** 2 / approximate**2
    assert needed == pytest.approx(pairs), "the formula as printed gives the number of pairs back"

    assert approximate < detectable_paired(pairs, discordant) < 1.12 * approximate


def test_a_difference_of_that_size_is_found_four_times_in_five():
    difference = detectable_paired(150, 0.3)
    lot = np.random.default_rng(0)
    better, worse = (0.3 + difference) / 2, (0.3 - difference) / 2
    drawn = lot.multinomial(150, [better, worse, 0.7], size=4000)
    found = np.mean([mcnemar(int(a), int(b)) <= 0.05 for a, b, _ in drawn])

    assert found == pytest.approx(0.8, abs=0.02)


def test_the_power_is_the_sum_over_every_table():
    total = 0.0
    for a in range(13):
        for b in range(13 - a):
            chance = stats.multinomial.pmf([a, b, 12 - a - b], 12, [0.5, 0.1, 0.4])
            total += chance * (mcnemar(a, b) <= 0.05)

    assert mcnemar_power(12, 0.6, 0.4) == pytest.approx(total)


def test_without_a_difference_the_test_keeps_its_level():
    assert 0.02 < mcnemar_power(150, 0.3, 0.0) <= 0.05


def test_few_discordant_pairs_can_show_nothing():
    assert detectable_paired(15, 0.2) is None
    assert detectable_paired(1, 1.0) is None


def test_more_pairs_show_smaller_differences():
    found = [detectable_paired(pairs, 0.3) for pairs in (50, 150, 500, 5000)]

    assert found == sorted(found, reverse=True)


def test_unpaired_is_the_textbook_formula_and_worse_than_paired():
    assert detectable_unpaired(150, 0.25) == pytest.approx(0.14008, abs=1e-5), (
        "by hand: (1.95996 + 0.84162) * sqrt(2 * 0.25 * 0.75 / 150)"
    )
    assert detectable_paired(150, 0.2) < detectable_unpaired(150, 0.25)


@pytest.mark.parametrize(("pairs", "share"), [(0, 0.3), (10, 1.1), (10, -0.1)])
def test_no_pairs_and_no_shares_are_refused(pairs, share):
    for work in (detectable_paired, detectable_unpaired):
        with pytest.raises(ValueError, match=rf"{pairs} pairs and a share of {share}"):
            work(pairs, share)
    with pytest.raises(ValueError, match=r"share of 0\.0"):
        detectable_paired(10, 0.0)
