"""Plain JPEG files: the pixels and the refusals of Pillow's way, by another decoder."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from tasks import images, jpegs
from tasks.images import RefusedImageError, decode, decode_pixels

EXTRA = Image.new("L", (9, 9))
EXIF = Image.Exif()
EXIF[ExifTags.Base.Make] = "a camera"


def photo(height=60, width=80, seed=0):
    """Smooth, coloured and noisy, as photographs are."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


def encode(image=None, mode="RGB", image_format="JPEG", **options):
    file = io.BytesIO()
    image = Image.fromarray(photo()) if image is None else image
    image.convert(mode).save(file, image_format, **{"quality": 90} | options)
    return file.getvalue()


def outcome(decoder, data):
    """The pixels, or the reason of the refusal."""
    try:
        return decoder(data).tobytes()
    except RefusedImageError as error:
        return error.reason


def pillow(data):
    return decode(data).pixels_HWC


PLAIN = {
    "baseline": encode(),
    "progressive": encode(progressive=True),
    "4:4:4": encode(subsampling=0),
    "4:2:2": encode(subsampling=1),
    "restarts": encode(restart_marker_blocks=4),
    "grey": encode(mode="L"),
    "one pixel": encode(Image.fromarray(photo(1, 1))),
    "odd sides": encode(Image.fromarray(photo(37, 53))),
    "exif without orientation": encode(exif=EXIF),
    "bytes behind the end": encode() + b"junk" * 10,
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_has_pillows_pixels_without_pillow(name, monkeypatch):
    expected = pillow(PLAIN[name])
    monkeypatch.setattr(images, "decode", lambda *_, **__: pytest.fail("Pillow decoded it"))

    np.testing.assert_array_equal(decode_pixels(PLAIN[name]), expected)


@pytest.mark.parametrize("orientation", range(10))
def test_a_plain_file_is_turned_upright(orientation, monkeypatch):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encode(exif=exif)
    expected = pillow(data)
    monkeypatch.setattr(images, "decode", lambda *_, **__: pytest.fail("Pillow decoded it"))

    np.testing.assert_array_equal(decode_pixels(data), expected)


def test_an_orientation_in_xmp_counts_as_it_does_for_pillow():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    data = encode(xmp=xmp)

    assert decode_pixels(data).shape == (80, 60, 3)
    assert outcome(decode_pixels, data) == outcome(pillow, data)


OTHERS = {
    "CMYK": encode(mode="CMYK"),
    "RGB without YCbCr": encode(keep_rgb=True),
    "several pictures": encode(image_format="MPO", save_all=True, append_images=[EXTRA]),
    "PNG": encode(image_format="PNG"),
    "no bytes": b"",
    "a text": b"\xff\xd8 is how a JPEG begins",
    "no scan": PLAIN["baseline"][:40],
    "without its end": PLAIN["baseline"][:-2],
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_file_is_left_to_pillow(name):
    assert jpegs.decode_plain(OTHERS[name]) is None
    assert outcome(decode_pixels, OTHERS[name]) == outcome(pillow, OTHERS[name])


def test_a_huge_file_is_left_to_pillow(monkeypatch):
    monkeypatch.setattr(jpegs, "MAX_PIXELS", 60 * 80 - 1)

    assert jpegs.decode_plain(PLAIN["baseline"]) is None


@pytest.mark.parametrize("name", ["baseline", "progressive", "restarts", "grey"])
def test_a_cut_file_is_refused_as_truncated_wherever_it_is_cut(name):
    whole = PLAIN[name]

    for end in range(len(whole) // 4, len(whole), len(whole) // 23):
        assert outcome(decode_pixels, whole[:end]) == "truncated"


@given(
    name=st.sampled_from(sorted(PLAIN)),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_decoded_or_refused_as_by_pillow(name, edits):
    data = bytearray(PLAIN[name])
    for share, value in edits:
        data[int(share * len(data))] = value

    assert outcome(decode_pixels, bytes(data)) == outcome(pillow, bytes(data))
