"""What is done to images before models on servers see them."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from tasks.encoders.recipes import Recipe, fit
from tasks.encoders.tiny import RECIPE
from tasks.evaluation.servers import Server, upright
from tasks.evaluation.views import WITHIN_PX, name_of, view_of, within
from tasks.images import RefusedImageError, decode_pixels


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


def saved(mode, form, **options):
    """A picture in a mode of colours, brighter to the left, as a file."""
    ramp_HWC = np.tile(np.linspace(250, 5, 40, dtype=np.uint8)[None, :, None], (20, 1, 4))
    ramp_HWC[..., 1] //= 2
    ramp_HWC[:5, :, 3] = 0
    file = io.BytesIO()
    Image.fromarray(ramp_HWC, "RGBA").convert(mode).save(file, form, **options)
    return file.getvalue()


def turned_exif(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes()


@pytest.mark.parametrize(
    ("mode", "form", "options", "kept"),
    [
        ("RGB", "JPEG", {}, True),
        ("L", "JPEG", {}, True),
        ("RGB", "PNG", {}, True),
        ("RGB", "JPEG", {"exif": turned_exif(1)}, True),
        ("RGB", "JPEG", {"exif": turned_exif(6)}, False),
        ("RGB", "PNG", {"exif": turned_exif(3)}, False),
        ("RGBA", "PNG", {}, False),
        ("RGB", "PNG", {"transparency": (250, 125, 250)}, False),
        ("CMYK", "JPEG", {}, False),
        ("P", "PNG", {}, False),
    ],
)
def test_files_go_out_as_they_are_only_where_every_reader_sees_the_same(mode, form, options, kept):
    data = saved(mode, form, **options)

    assert (upright(data) == data) is kept
    assert within(data) == upright(data)
    if not kept:
        written, pixels_HWC = opened(upright(data))
        assert written == "PNG"
        assert np.array_equal(pixels_HWC, decode_pixels(data))


def test_bytes_that_are_no_image_are_refused():
    for data in (b"", b"GIF89a", saved("RGB", "PNG")[:40]):
        with pytest.raises(RefusedImageError):
            upright(data)


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
