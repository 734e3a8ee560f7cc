"""What is done to images before models on servers see them."""

import io

import numpy as np
import pytest
from PIL import Image

from tasks.encoders.recipes import Recipe, fit
from tasks.encoders.tiny import RECIPE
from tasks.evaluation.servers import Server
from tasks.evaluation.views import WITHIN_PX, name_of, view_of, within


def file_of(width, height, form="PNG"):
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels_HWC).save(file, form)
    return file.getvalue(), pixels_HWC


def opened(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.format, np.asarray(image.convert("RGB"))


def test_small_images_stay_as_they_are_and_large_ones_keep_their_shape():
    small, _ = file_of(300, 200)
    large, _ = file_of(3 * WITHIN_PX, 40)

    assert within(small) == small
    form, pixels_HWC = opened(within(large))
    assert (form, pixels_HWC.shape[1]) == ("JPEG", WITHIN_PX)
    assert within(large) == within(large)


def test_formats_that_servers_do_not_read_are_written_anew():
    data, pixels_HWC = file_of(30, 20, "BMP")

    form, shown = opened(within(data))

    assert form == "PNG"
    assert np.array_equal(shown, pixels_HWC)


def test_an_encoders_view_is_its_input_and_is_named_by_all_that_makes_it():
    data, pixels_HWC = file_of(300, 200)

    form, shown = opened(view_of(RECIPE)(data))

    assert form == "PNG"
    assert np.array_equal(shown, fit(pixels_HWC, RECIPE))
    other = Recipe(**{name: getattr(RECIPE, name) for name in RECIPE.__slots__} | {"mean": (0.0,)})
    assert name_of(RECIPE).startswith("encoder-48-")
    assert name_of(other) != name_of(RECIPE)


@pytest.mark.parametrize(
    ("kind", "extra", "seed"),
    [
        ("openai", {"response_format"}, 3),
        ("gemini", {"response_mime_type"}, 3),
        ("anthropic", set(), None),
    ],
)
def test_json_and_seeds_are_asked_for_as_each_provider_knows_them(kind, extra, seed):
    server = Server(kind, "m")
    made = server.decoding(100, 0.7, draw=3, structured=("one", {"type": "object"}))
    own = server.decoding(100, 0.7, draw=3, own=True, structured=("one", {"type": "object"}))

    assert (set(made.extra), made.seed, made.temperature) == (extra, seed, 0.7)
    assert (set(own.extra), own.seed, own.temperature) == (extra, None, None)
    assert own.max_new_tokens > 1000
    assert server.decoding(100, draw=3).seed is None
