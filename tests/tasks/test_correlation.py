"""Correlations by pattern equal SciPy's, and the paper's where its points give what it says."""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from tasks import correlation
from tasks.correlation import correlate, correlate_scores, fisher_interval
from tasks.patterns import PATTERNS
from tasks.published import published_results

FIGURE_6 = "fig6_per_pattern_digitised"
CLIP = "CLIP (the line of Fig. 6)"


OF_THE_LINE = ("OpenAI ViT-L-14 @224", "OpenAI ViT-L-14 @336", "EVA01 ViT-g-14 @224")
DIGITISED = 0.0025
"""How far a correlation moves when points digitised to 0.2 do."""


def points_of(model):
    found = {
        r.pattern: r.value for r in published_results() if r.table == FIGURE_6 and r.model == model
    }
    return [found[pattern] for pattern in PATTERNS]


@pytest.mark.parametrize(
    ("model", "r", "printed"),
    [
        ("LLaVA-1.5", 0.870, 0.87),
        ("Gemini", 0.721, 0.72),
        ("GPT-4V", 0.308, 0.31),
        ("InstructBLIP", 0.605, 0.71),
    ],
)
def test_the_papers_figure_6_gives_what_it_prints_but_for_instructblip(model, r, printed):
    found = correlate(points_of(CLIP), points_of(model))
    (said,) = [
        row.value for row in published_results() if row.unit == "correlation" and row.model == model
    ]

    assert found.points == 9
    assert found.pearson == pytest.approx(r, abs=DIGITISED)
    assert said == printed
    assert (round(found.pearson, 2) == printed) is (model != "InstructBLIP")


def test_the_clip_of_figure_6_is_the_mean_of_three_of_table_1():
    rows = [row for row in published_results() if row.table == "table1_mmvp_vlm"]
    mean = [
        np.mean([r.value for r in rows if r.model in OF_THE_LINE and r.pattern == pattern])
        for pattern in PATTERNS
    ]

    assert points_of(CLIP) == pytest.approx(mean, abs=0.2)
    for model, r in (("LLaVA-1.5", 0.870), ("Gemini", 0.721), ("InstructBLIP", 0.605)):
        assert correlate(mean, points_of(model)).pearson == pytest.approx(r, abs=0.0006)


def test_the_interval_of_the_papers_highest_correlation_is_wide():
    found = correlate(points_of(CLIP), points_of("LLaVA-1.5"))

    assert (found.pearson_low, found.pearson_high) == pytest.approx((0.49, 0.97), abs=0.005)


def test_imagenet_accuracy_and_mmvp_go_together_over_the_papers_ten_clips():
    rows = [row for row in published_results() if row.table == "table1_mmvp_vlm"]
    imagenet = {row.model: row.value for row in rows if row.benchmark == "imagenet-1k"}
    mmvp = {r.model: r.value for r in rows if r.benchmark == "mmvp-vlm" and r.pattern is None}
    models = sorted(imagenet)

    found = correlate([imagenet[m] for m in models], [mmvp[m] for m in models])

    expected = stats.pearsonr([imagenet[m] for m in models], [mmvp[m] for m in models])
    assert found.points == 10
    assert found.pearson == pytest.approx(expected.statistic)
    assert found.pearson_p == pytest.approx(expected.pvalue, abs=0.005)


@pytest.mark.parametrize("points", [4, 9, 30])
@pytest.mark.parametrize("has_ties", [False, True])
def test_both_correlations_and_the_interval_are_scipys(points, has_ties):
    rng = np.random.default_rng(points)
    x, y = rng.normal(size=(2, points))
    y += x
    if has_ties:
        x, y = np.round(x), np.round(y)

    found = correlate(x, y)

    pearson = stats.pearsonr(x, y)
    assert found.pearson == pytest.approx(pearson.statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    interval = pearson.confidence_interval(0.95)
    assert (found.pearson_low, found.pearson_high) == pytest.approx((interval.low, interval.high))


def test_p_values_of_few_points_count_every_order():
    x, y = [1.0, 2.0, 4.0, 8.0, 9.0, 11.0], [2.0, 1.0, 4.0, 4.0, 9.0, 5.0]
    least = abs(stats.pearsonr(x, y).statistic)
    orders = list(permutations(y))
    as_far = sum(abs(np.corrcoef(x, order)[0, 1]) >= least - 1e-9 for order in orders)

    found = correlate(x, y)

    assert found.is_exact
    assert found.pearson_p == as_far / len(orders)


def test_the_p_value_of_nine_points_is_that_of_scipys_permutation_test():
    x, y = points_of(CLIP), points_of("LLaVA-1.5")

    found = correlate(x, y)
    drawn = stats.permutation_test(
        (y,),
        lambda order: stats.pearsonr(x, order).statistic,
        permutation_type="pairings",
        n_resamples=4000,
        rng=np.random.default_rng(1),
    )

    assert found.pearson_p == pytest.approx(drawn.pvalue, abs=0.004)
    assert 0 < found.pearson_p < 0.01


def test_many_points_are_drawn_from_a_seed_and_their_order_does_not_matter(monkeypatch):
    monkeypatch.setattr(correlation, "DRAWN_ORDERS", 2000)
    x, y = np.random.default_rng(3).normal(size=(2, 12))
    shuffle = np.random.default_rng(4).permutation(12)

    found = correlate(x, y)

    assert not found.is_exact
    assert found == correlate(x, y) == correlate(x[shuffle], y[shuffle])
    assert found.pearson_p == pytest.approx(stats.pearsonr(x, y).pvalue, abs=0.05)


def test_a_perfect_match_of_many_points_has_no_p_value_of_zero(monkeypatch):
    monkeypatch.setattr(correlation, "DRAWN_ORDERS", 1000)

    found = correlate(range(20), range(20))

    assert (found.pearson, found.pearson_low, found.pearson_p) == (1.0, 1.0, 1 / 1001)


@pytest.mark.parametrize(("x", "y"), [([], []), ([1, 2], [2, 1]), ([1, 1, 1], [1, 2, 3])])
def test_too_few_points_and_a_side_that_does_not_vary_have_no_correlation(x, y):
    found = correlate(x, y)

    assert found.points == len(x)
    assert (found.pearson, found.pearson_p, found.spearman, found.spearman_low) == (None,) * 4


def test_three_points_have_a_correlation_but_no_interval():
    found = correlate([1, 2, 3], [1, 2, 4])

    assert found.pearson == pytest.approx(0.982, abs=0.001)
    assert fisher_interval(0.982, 3) == (None, None)
    assert found.pearson_low is None


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2, 3]), ([1, 2, float("nan")], [1, 2, 3])])
def test_points_that_do_not_match_are_refused(x, y):
    with pytest.raises(ValueError, match=r"points have \d and 3 values"):
        correlate(x, y)


@dataclass(frozen=True)
class Row:
    benchmark: str
    model: str
    protocol: str
    key: str
    pattern: str | None
    pair_accuracy: float


def rows_of(model, protocol, values, benchmark="mmvp"):
    names = [None, *PATTERNS]
    return [
        Row(benchmark, model, protocol, "original", n, v)
        for n, v in zip(names, values, strict=False)
    ]


def test_measured_clips_stand_against_measured_models_of_the_same_benchmark():
    clip = rows_of("clip", "mmvp-vlm", [0.5, 0.1, 0.2, 0.3, 0.4])
    model = rows_of("llava", "letter", [0.5, 0.1, 0.3, 0.2])
    other = [replace(row, benchmark="mined") for row in model]

    (found,) = correlate_scores([*clip, *model], [*clip, *model, *other])

    assert (found.clip, found.model, found.protocol) == ("clip", "llava", "letter")
    assert list(found.points) == ["orientation", "presence", "state"]
    assert found.points["presence"] == pytest.approx((20, 30))
    assert found.correlation == correlate([10, 20, 30], [10, 30, 20])


def test_a_clip_on_one_benchmark_stands_against_a_model_on_another_if_asked():
    clip = rows_of("clip", "mmvp-vlm", [0.5, 0.1, 0.2, 0.3], benchmark="mmvp-vlm")
    model = rows_of("llava", "letter", [0.5, 0.1, 0.3, 0.2])

    assert correlate_scores(clip, model) == []
    assert len(correlate_scores(clip, model, across=True)) == 1
