"""The check that looks: what re-encoding changes is no difference, what people see is one."""

import dataclasses
import io
import random

import numpy as np
import pytest
from PIL import Image

from tasks.checks.pixels import gap
from tasks.encoders.recipes import fit
from tasks.encoders.tiny import RECIPE
from tasks.scenes import draw_scene, sample_scene

SCENE = sample_scene(random.Random(3))


def drawn(**changes):
    return np.array(draw_scene(dataclasses.replace(SCENE, **changes), 7))


def saved(pixels_HWC, quality):
    file = io.BytesIO()
    Image.fromarray(pixels_HWC).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def seen(one, other):
    """How far images are apart as the shipped encoders get them, in multiples of the noise."""
    apart = gap(fit(one, RECIPE), fit(other, RECIPE))
    return apart.images, apart.images / apart.noise


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_an_image_that_was_saved_once_more_is_not_another(quality):
    one = drawn()

    levels, noises = seen(one, saved(one, quality))

    assert levels < 6 or noises < 2


def test_a_faint_change_is_below_the_levels_and_a_dot_is_lost_at_the_input_size():
    one = drawn()
    lighter = (one.clip(0, 252) + 3).astype(np.uint8)
    dotted = one.copy()
    dotted[20:21, 30:31] = 255 - dotted[20, 30]

    assert seen(one, lighter)[0] < 6
    assert seen(one, dotted)[0] < 6
    assert gap(one, one).images == 0


@pytest.mark.parametrize(
    "changes",
    [{"presence": "hat"}, {"text": "A"}, {"count": "1"}, {"color": "white"}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_question_is_about_is_seen(changes):
    other = {"presence": "no hat", "text": "X", "count": "4", "color": "black"}
    name = next(iter(changes))

    levels, noises = seen(drawn(**changes), drawn(**{name: other[name]}))

    assert levels > 6
    assert noises > 2


@pytest.mark.parametrize("side", [7, 48, 224])
def test_the_largest_cell_counts_whatever_the_side(side):
    one = np.zeros((side, side, 3), np.uint8)
    other = one.copy()
    other[:1, :1] = 255

    cell = int(np.diff(np.linspace(0, side, min(16, side) + 1).astype(int))[0])

    assert gap(one, other).images == pytest.approx(255 / cell**2)
