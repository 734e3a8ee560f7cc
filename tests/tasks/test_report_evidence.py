"""Figures and tables of what stands beside scores: what they say, and that nothing is cut off."""

import dataclasses

import pytest

from tasks.report.board_chart import draw_board, ranked_pairs
from tasks.report.correlation_chart import CorrelationPanel
from tasks.report.drawing import DARK, LIGHT, png_bytes, spots
from tasks.report.evidence import Evidence, Guesser, RankedRow, ScoreBeside
from tasks.report.evidence_charts import (
    draw_imagenet,
    draw_measured_correlations,
    draw_paper_correlations,
    draw_scale,
)
from tasks.report.outcome_chart import draw_outcomes
from tasks.report.radar import draw_radar
from tasks.report.scaling_chart import ScaledEncoder
from tasks.report.spread_chart import draw_spread, readings
from tests.report_values import PATTERNS, results, score
from tests.tasks.test_report_charts import HOSTILE, texts

FIGURES = {
    "board": draw_board,
    "outcomes": draw_outcomes,
    "spread": draw_spread,
    "radar": draw_radar,
    "correlation": draw_measured_correlations,
    "paper": draw_paper_correlations,
    "imagenet": draw_imagenet,
    "scaling": draw_scale,
}
PANEL = CorrelationPanel(
    title="a model", said="r 0.5", points={"text": (10.0, 20.0), "state": (90.0, 40.0)}, clip="CLIP"
)
FOREIGN = {"features": None, "seed": None, "steps": None, "benchmark": "doors", "key": "original"}


def asked(label="a model", way="internvl", accuracy=0.6, **changes):
    return score(label, model=label, protocol=way, pair_accuracy=accuracy, **FOREIGN | changes)


def published(**changes):
    fields = {
        "benchmark": "doors",
        "level": "pair",
        "label": "theirs",
        "value": 40.0,
        "low": None,
        "high": None,
        "pairs": 150,
        "protocol": None,
        "key": None,
        "origin": "published",
        "source": "a paper",
        "is_reference": True,
    }
    return RankedRow(**fields | changes)


def beside(model="a model", way="internvl", again=0.2):
    told = {
        way: {"pair_accuracy": 0.6, "question_accuracy": 0.8, "unread": 0},
        "lmms-eval-0.7": {"pair_accuracy": again, "question_accuracy": 0.5, "unread": 9},
        "strict": {"refused": "an answer is missing"},
    }
    return ScoreBeside(
        benchmark="doors",
        model=model,
        label=model,
        protocol=way,
        key="original",
        text_only=None,
        first_option=None,
        same_when_turned=None,
        detectable=0.1,
        spread={"protocols": told},
    )


def full(label="a model"):
    rows = [asked(label), asked("another", accuracy=0.3), asked("another", way="letter")]
    rows += [asked(label, pattern=name) for name in PATTERNS]
    scaled = ScaledEncoder(
        name=label,
        accuracy=20.0,
        low=None,
        high=None,
        parameters=10**8,
        image_px=224,
        imagenet=70.0,
        is_published=True,
    )
    panel = dataclasses.replace(PANEL, title=label, clip=label)
    evidence = Evidence(
        published=[published(label=label)],
        beside=[beside(label)],
        guessers=[
            Guesser(name="independent", pair_accuracy=0.25, question_accuracy=0.5, what="tosses")
        ],
        correlations=[panel] * 8,
        as_published=[panel] * 4,
        imagenet=[panel],
        scaled=[scaled, dataclasses.replace(scaled, parameters=10**9, image_px=336, imagenet=80.0)],
    )
    return results(rows, main="doors", benchmarks={}, evidence=evidence)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", FIGURES)
def test_equal_results_are_equal_bytes(name, palette):
    assert png_bytes(FIGURES[name](full(), palette)) == png_bytes(FIGURES[name](full(), palette))


@pytest.mark.parametrize("name", FIGURES)
def test_of_nothing_there_is_no_figure(name):
    assert FIGURES[name](results(main="doors")) is None


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off_whatever_models_are_called(name):
    figure = FIGURES[name](full(HOSTILE))
    png_bytes(figure)

    width, height = figure.canvas.get_width_height()
    renderer = figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    boxes += [(t.get_text(), t.get_window_extent(renderer)) for a in figure.axes for t in a.texts]
    boxes += [("legend", each.get_window_extent(renderer)) for each in figure.legends]
    cut = [
        said
        for said, box in boxes
        if said and (min(box.x0, box.y0) < 0 or box.x1 > width or box.y1 > height)
    ]
    assert cut == []


def test_measured_and_published_pair_accuracies_stand_in_one_figure_and_questions_do_not():
    found = full()
    more = [
        published(level="question", label="questions"),
        published(is_reference=False, label="x"),
    ]
    evidence = dataclasses.replace(found.evidence, published=[*found.evidence.published, *more])
    found = dataclasses.replace(
        found, evidence=evidence, other_keys=[asked(key="corrected", accuracy=0.61)]
    )

    rows = ranked_pairs(found)

    assert [(row.label, row.is_measured) for row in rows] == [
        ("a model", True),
        ("another", True),
        ("a model", False),
        ("another", True),
    ]
    said = texts(draw_board(found))
    assert "another (letter)" in said
    assert "hollow: published" in said
    assert "independent" in said


def test_a_spread_has_what_was_asked_and_what_is_read_again():
    found = readings(full())

    assert list(found) == ["a model", "another"]  # the widest apart first
    assert [(r.protocol, r.accuracy, r.is_again) for r in found["a model"]] == [
        ("lmms-eval-0.7", 0.2, True),
        ("internvl", 0.6, False),
    ]
    assert [r.protocol for r in found["another"]] == ["internvl", "letter"]
    assert "40.0 points" in texts(draw_spread(full()))


def test_controls_and_repeats_are_no_protocols():
    rows = [asked(), asked(way="internvl+text-only"), asked(way="internvl#2")]

    assert readings(results(rows, main="doors")) == {}


def test_six_correlations_are_drawn_each_against_its_clip():
    figure = draw_measured_correlations(full())

    assert len(figure.axes) == 6
    assert figure.axes[0].get_xlabel() == "a model, %"


@pytest.mark.parametrize("name", FIGURES)
def test_points_say_their_values_where_they_are(name):
    figure = FIGURES[name](full())
    png_bytes(figure)

    found = spots(figure)

    assert found
    assert all(0 <= spot.left <= 100 and 0 <= spot.top <= 100 for spot in found)
    assert all("a model" in spot.said or ": " in spot.said for spot in found)


def test_a_spot_is_where_its_point_is_drawn():
    figure = draw_imagenet(full())
    png_bytes(figure)

    (axes,) = figure.axes
    box = axes.get_position()
    by_name = {spot.said.partition(":")[0]: spot for spot in spots(figure)}
    low, high = axes.get_xlim()
    across = (10.0 - low) / (high - low)
    assert by_name["text"].left == pytest.approx(100 * (box.x0 + across * box.width))
    assert by_name["text"].said == "text: 10.0, 20.0"


def test_points_at_one_place_are_one_spot_that_says_both():
    same = dataclasses.replace(PANEL, points={"text": (10.0, 20.0), "state": (10.0, 20.0)})
    figure = draw_imagenet(results(evidence=Evidence(imagenet=[same])))
    png_bytes(figure)

    (spot,) = spots(figure)

    assert spot.said == "state: 10.0, 20.0\ntext: 10.0, 20.0"
