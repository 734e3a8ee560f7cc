"""The figure of a grid: every name and number is there, for few encoders and for many."""

import io

import numpy as np
import pytest
from PIL import Image

from tasks.report.drawing import png_bytes
from tasks.report.grid_chart import draw_grid


def grid_of(count):
    encoders = [f"library:model-{number}" for number in range(count)]
    sides = [(a, b) for a in encoders for b in encoders if a != b]
    pairs = {side: 10 * place for place, side in enumerate(sides)}
    shared = {(a, b): 0.25 for a in sides for b in sides if a < b}
    return encoders, pairs, shared


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("count", [2, 3, 6, 12])
def test_names_and_counts_are_written_and_nothing_is_cut_off(count):
    encoders, pairs, shared = grid_of(count)
    figure = draw_grid(encoders, pairs, shared)
    pixels = np.asarray(Image.open(io.BytesIO(png_bytes(figure))).convert("L"))

    left, right = figure.axes
    assert [label.get_text().split()[1] for label in left.get_yticklabels()] == encoders
    assert {f"{number:,}" for number in pairs.values()} <= set(texts(figure))
    assert len(right.get_yticklabels()) == len(pairs)
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()


def test_sets_without_pairs_have_no_overlap_to_show():
    encoders, pairs, shared = grid_of(2)
    figure = draw_grid(encoders, dict.fromkeys(pairs, 0), dict.fromkeys(shared, None))

    assert texts(figure) == ["0", "0"]


def test_equal_grids_are_equal_files():
    assert png_bytes(draw_grid(*grid_of(3))) == png_bytes(draw_grid(*grid_of(3)))
