"""Intervals, tests and corrections against textbooks, SciPy, and the slow way of computing them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.scores.statistics import (
    PAIR_CHANCE,
    crossed_interval,
    holm,
    mcnemar,
    question_interval,
    wilson,
)

NOTHING_KNOWN = (0.0, 1.0)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high", "source"),
    [
        (81, 263, 0.2553, 0.3662, "Newcombe 1998, table I"),
        (15, 148, 0.0624, 0.1605, "Newcombe 1998, table I"),
        (0, 20, 0.0, 0.1611, "Newcombe 1998, table I"),
        (1, 29, 0.0061, 0.1718, "Newcombe 1998, table I"),
        (37, 150, 0.1846, 0.3214, "by hand, z = 1.959964: LLaVA-1.5 of the paper, 24.7 %"),
        (37, 150, 0.1845816296, 0.3214032943, "statsmodels 0.15.0, proportion_confint"),
        (148, 150, 0.9526930913, 0.9963358708, "statsmodels 0.15.0: a perfect model, old key"),
        (150, 150, 0.9750297556, 1.0, "statsmodels 0.15.0"),
    ],
)
def test_wilson_is_that_of_the_textbooks(successes, n, low, high, source):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5), source


def test_24_7_percent_of_150_pairs_are_between_18_5_and_32_1():
    low, high = wilson(37, 150)

    assert (round(100 * low, 1), round(100 * high, 1)) == (18.5, 32.1)


def test_of_no_trials_nothing_is_known():
    assert wilson(0, 0) == NOTHING_KNOWN


@pytest.mark.parametrize(("successes", "n"), [(3, 2), (1, 0), (-1, 2)])
def test_more_successes_than_trials_are_refused(successes, n):
    with pytest.raises(ValueError, match="must"):
        wilson(successes, n)


counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
@settings(deadline=None)
def test_wilson_holds_the_share_and_mirrors(count):
    successes, n = count
    low, high = wilson(successes, n)
    mirrored = wilson(n - successes, n)

    assert 0 <= low <= successes / n <= high <= 1
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)
    assert (low == 0) is (successes == 0)
    assert (high == 1) is (successes == n)


@pytest.mark.parametrize("kinds", [(50, 60, 40), (10, 3, 2), (0, 149, 1), (140, 0, 10)])
def test_the_bootstrap_is_that_of_resampling_whole_pairs(kinds):
    right_P = np.repeat([0, 1, 2], kinds)
    rng = np.random.default_rng(7)
    drawn = rng.choice(right_P, size=(20_000, len(right_P))).mean(axis=1) / 2

    found = question_interval(right_P.tolist())

    assert found == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.012)


def test_the_bootstrap_is_that_of_scipy():
    right_P = np.repeat([0, 1, 2], (50, 60, 40))
    found = stats.bootstrap(
        (right_P / 2,),
        np.mean,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(7),
    ).confidence_interval

    assert question_interval(right_P.tolist()) == pytest.approx(tuple(found), abs=0.012)


def test_questions_that_go_together_count_as_one():
    together = question_interval([0] * 75 + [2] * 75)
    apart = question_interval([0] * 37 + [1] * 76 + [2] * 37)
    opposed = question_interval([0] + [1] * 148 + [2])

    width = [high - low for low, high in (together, apart, opposed)]
    assert width[0] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 150), rel=0.1), "150 questions"
    assert width[1] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 300), rel=0.1), "300 questions"
    assert width[2] < width[1] / 2, "pairs that always have one right vary less than questions"


@given(st.lists(st.integers(0, 2), min_size=1, max_size=200), st.randoms())
@settings(deadline=None)
def test_the_interval_holds_the_share_and_is_the_same_in_any_order(right_P, random):
    low, high = question_interval(right_P)
    shuffled = random.sample(right_P, len(right_P))

    assert 0 <= low <= sum(right_P) / (2 * len(right_P)) <= high <= 1
    assert question_interval(shuffled) == (low, high)


@pytest.mark.parametrize(
    ("right", "low", "high"),
    [(2, 1 - 0.2775, 1.0), (0, 0.0, 0.2775), (1, 0.5 - 0.2775 / 2, 0.5 + 0.2775 / 2)],
)
def test_pairs_that_all_come_out_the_same_are_no_certainty(right, low, high):
    assert wilson(0, 10).high == pytest.approx(0.2775, abs=5e-5)
    assert question_interval([right] * 10) == pytest.approx((low, high), abs=5e-5)


def test_of_no_pairs_nothing_is_known():
    assert question_interval([]) == NOTHING_KNOWN


def test_a_hundred_thousand_pairs_are_no_trouble():
    low, high = question_interval([0, 1, 2, 2] * 25_000)

    assert 0.62 < low < 0.625 < high < 0.63


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value", "why"),
    [
        (0, 5, 2 / 32, "both tails of five tosses"),
        (1, 7, 2 * (1 + 8) / 256, "both tails of eight tosses, at most one head"),
        (3, 3, 1.0, "as even as can be"),
        (0, 0, 1.0, "no pair tells them apart"),
        (1, 0, 1.0, "one pair proves nothing"),
        (3, 12, 0.03515625, "statsmodels 0.15.0, mcnemar(exact=True)"),
        (86, 150, 3.716e-5, "Agresti: the approval ratings, 86 and 150 who changed their minds"),
    ],
)
def test_mcnemar_is_that_of_the_textbooks(only_a, only_b, p_value, why):
    assert mcnemar(only_a, only_b) == pytest.approx(p_value, rel=1e-3), why


@given(st.integers(0, 200), st.integers(0, 200))
@settings(deadline=None)
def test_mcnemar_is_symmetric_and_that_of_scipy(only_a, only_b):
    p_value = mcnemar(only_a, only_b)

    assert p_value == mcnemar(only_b, only_a)
    assert 0 < p_value <= 1
    if only_a + only_b:
        tail = stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)
        assert p_value == pytest.approx(min(1.0, 2 * tail))


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        (  # statsmodels 0.15.0, multipletests(method="holm")
            [0.001, 0.2, 0.03, 0.03, 0.9, 0.004, 0.05, 0.012, 0.5],
            [0.009, 0.6, 0.18, 0.18, 1.0, 0.032, 0.2, 0.084, 1.0],
        ),
        ([0.6, 0.5], [1.0, 1.0]),
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
        ([0.04], [0.04]),
        ([], []),
    ],
)
def test_holm_steps_down(p_values, corrected):
    assert holm(p_values) == pytest.approx(corrected)


@given(st.lists(st.floats(0, 1), max_size=30), st.randoms())
def test_holm_is_between_nothing_and_bonferroni_and_keeps_the_order(p_values, random):
    corrected = holm(p_values)

    for p, q in zip(p_values, corrected, strict=True):
        assert p <= q <= min(1.0, p * len(p_values) * (1 + 1e-12))
    places = list(range(len(p_values)))
    assert sorted(places, key=lambda i: (p_values[i], corrected[i])) == sorted(
        places, key=lambda i: (corrected[i], p_values[i])
    )
    shuffled = random.sample(places, len(places))
    assert holm([p_values[i] for i in shuffled]) == [corrected[i] for i in shuffled]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_testing_one_after_the_other_rejects(p_values):
    level, rejected = 0.05, set()
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for done, place in enumerate(order):
        if p_values[place] * (len(p_values) - done) > level:
            break
        rejected.add(place)

    assert {i for i, q in enumerate(holm(p_values)) if q <= level} == rejected


def test_the_chance_of_a_pair_is_that_of_two_coins():
    heads = np.random.default_rng(0).integers(0, 2, size=(100_000, 2))

    assert heads.all(axis=1).mean() == pytest.approx(PAIR_CHANCE, abs=0.005)


@pytest.mark.parametrize("people", [1, 4])
def test_people_who_all_answer_alike_tell_no_more_than_one_of_them(people):
    alike_HP = np.ones((people, 150))

    assert crossed_interval(alike_HP) == pytest.approx(wilson(150, 150), abs=1e-6)
    assert crossed_interval(1 - alike_HP) == pytest.approx(wilson(0, 150), abs=1e-6)


def test_people_who_differ_tell_little_if_they_are_few_whatever_the_number_of_pairs():
    def width(good, bad, pairs):
        right_HP = np.repeat([[1.0]] * good + [[0.0]] * bad, pairs, axis=1)
        low, high = crossed_interval(right_HP)
        return high - low

    assert width(1, 1, 150) == pytest.approx(width(1, 1, 15_000), abs=1e-3)
    assert width(1, 1, 150) > 0.9
    assert width(8, 8, 150) < 0.5


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**20))
@settings(deadline=None, max_examples=50)
def test_an_interval_about_people_and_pairs_holds_the_mean_and_mirrors(people, pairs, seed):
    share_HP = np.random.default_rng(seed).integers(0, 3, (people, pairs)) / 2
    low, high = crossed_interval(share_HP)
    mirrored = crossed_interval(1 - share_HP)

    assert 0 <= low <= share_HP.mean() + 1e-9
    assert share_HP.mean() - 1e-9 <= high <= 1
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)
    assert crossed_interval(share_HP[::-1, ::-1]) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("people", "least"), [(2, 0.87), (4, 0.91), (8, 0.91)])
def test_the_truth_lies_in_the_interval_of_a_few_people_where_that_of_pairs_alone_misses(
    people, least
):
    """Known truth: people's skill and pairs' ease are drawn anew each time, with a known mean."""
    rng = np.random.default_rng(8)
    truth = _mean_of_logistic_normal(3.0, np.hypot(0.8, 1.5))
    held, held_by_pairs = [], []
    for _ in range(300):
        ease_P, skill_H = rng.normal(3.0, 1.5, 150), rng.normal(0, 0.8, people)
        right_HP = (rng.random((people, 150)) < 1 / (1 + np.exp(-ease_P - skill_H[:, None]))) * 1.0
        low, high = crossed_interval(right_HP)
        held.append(low <= truth <= high)
        of_pairs = stats.norm.interval(
            0.95, right_HP.mean(), right_HP.mean(axis=0).std(ddof=1) / np.sqrt(150)
        )
        held_by_pairs.append(of_pairs[0] <= truth <= of_pairs[1])

    assert least <= np.mean(held)
    assert np.mean(held_by_pairs) < 0.75


def _mean_of_logistic_normal(mean, deviation):
    quantiles = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    return float(np.mean(1 / (1 + np.exp(-mean - deviation * quantiles))))
