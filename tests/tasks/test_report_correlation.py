"""Figures of correlation and of scale: labels that can be read, both palettes, equal bytes."""

import pytest

from tasks.report.correlation_chart import CorrelationPanel, draw_correlations
from tasks.report.drawing import DARK, LIGHT, png_bytes
from tasks.report.labels import label_places
from tasks.report.scaling_chart import ScaledEncoder, counted, draw_scaling

POINTS = {"text": (9.0, 0.0), "orientation": (6.7, 0.0), "color": (46.6, 69.2), "count": (15, 18)}
PANEL = CorrelationPanel(title="LLaVA", said="r 0.87", points=POINTS)


def scaled(number, **changes):
    content = {
        "name": f"encoder-{number}",
        "accuracy": 20.0 + number,
        "low": 15.0,
        "high": 30.0,
        "parameters": 10**8 * number,
        "image_px": 224,
        "imagenet": 70.0 + number,
    }
    return ScaledEncoder(**content | changes)


def texts_of(figure):
    own = [text.get_text() for text in figure.texts]
    return own + [text.get_text() for axes in figure.axes for text in axes.texts]


def test_labels_cover_neither_each_other_nor_points():
    places = label_places(
        {"a" * 9: (50, 50), "b" * 9: (51, 50), "c" * 9: (50, 51), "d" * 9: (99, 50)}
    )

    boxes = []
    for name, (x, y, anchor) in places.items():
        left = x if anchor == "left" else x - 2.1 * len(name)
        boxes.append((left, left + 2.1 * len(name), y))
    for place, (left, right, y) in enumerate(boxes):
        assert left >= 0
        assert right <= 100
        for other_left, other_right, other_y in boxes[:place]:
            assert right <= other_left or other_right <= left or abs(y - other_y) >= 4.3


@pytest.mark.parametrize("count", [1, 3])
def test_a_panel_a_model_with_a_label_a_pattern(count):
    figure = draw_correlations([PANEL] * count, note="said below")

    assert len(figure.axes) == count
    assert {"LLaVA", "r 0.87", *POINTS, "said below"} <= set(texts_of(figure))


def test_a_scale_has_its_three_panels_and_names_every_encoder():
    figure = draw_scaling([scaled(1), scaled(2, imagenet=None), scaled(3, is_published=True)])

    numbers = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert [sorted(found) for found in numbers] == [["1", "2", "3"], ["1", "2", "3"], ["1", "3"]]
    assert "2  encoder-2, 200M, 22.0" in texts_of(figure)
    assert any("hollow: published" in text for text in texts_of(figure))


def test_of_what_is_known_of_no_encoder_there_is_no_panel():
    figure = draw_scaling([scaled(1, imagenet=None), scaled(2, imagenet=None)])

    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["parameters of both towers", "side of its images, px"]


@pytest.mark.parametrize(
    ("draw", "content"), [(draw_correlations, [PANEL]), (draw_scaling, [scaled(1), scaled(2)])]
)
def test_figures_are_the_same_bytes_each_time_and_other_ones_in_the_dark(draw, content):
    light, again, dark = (png_bytes(draw(content, palette=p)) for p in (LIGHT, LIGHT, DARK))

    assert light == again != dark
    assert draw([]) is None


def test_numbers_of_parameters_are_short():
    assert [counted(n) for n in (427_600_000, 5_044_900_000, 12_300, 7)] == [
        "428M",
        "5.04B",
        "12.3k",
        "7",
    ]
