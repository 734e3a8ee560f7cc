import io
import os
import pickle
import random
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tasks.images import REASONS, RefusedImageError, decode, image_id, read_file

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def noise(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def row(*colors: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (len(colors), 1))
    image.putdata(colors)
    return image


def deep(values: list[int] | list[float], dtype: str) -> Image.Image:
    return Image.fromarray(np.array([values], dtype))


def png_of(width: int, height: int, packed: bytes) -> bytes:
    """Write a black-and-white PNG, whatever its header claims about its rows."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def reason_of(image_bytes: bytes, **options: int) -> str:
    with pytest.raises(RefusedImageError) as refusal:
        decode(image_bytes, **options)
    return refusal.value.reason


def colors_of(image_bytes: bytes) -> list[tuple[int, ...]]:
    return [tuple(color) for color in decode(image_bytes).pixels_HWC.reshape(-1, 3).tolist()]


def test_a_sound_image_gives_its_own_pixels():
    image = noise()

    decoded = decode(encode(image, "PNG"))

    assert decoded.pixels_HWC.dtype == np.uint8
    np.testing.assert_array_equal(decoded.pixels_HWC, np.asarray(image))
    assert decoded[1:] == ("PNG", "RGB", 1)


def test_an_image_of_several_tiles_keeps_every_pixel_in_place():
    image = noise(2050, 2051)

    decoded = decode(encode(image, "BMP"))

    np.testing.assert_array_equal(decoded.pixels_HWC, np.asarray(image))


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("MPO", {}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("JPEG2000", {}),
        ("JPEG2000", {"no_jp2": True}),
        ("AVIF", {}),
    ],
)
def test_a_truncated_file_is_refused_wherever_its_pixels_are_cut(image_format, options):
    whole = encode(noise(), image_format, **options)
    decode(whole)

    reasons = {reason_of(whole[: len(whole) * tenth // 10]) for tenth in range(3, 10)}

    assert reasons == {"truncated"}


def test_an_empty_file_is_refused():
    assert reason_of(b"") == "empty"


@pytest.mark.parametrize(
    ("image_bytes", "why"),
    [
        (b"<html><body>404</body></html>", "what a download often leaves in place of an image"),
        (b"BMW is a maker of cars, and this is a text", "a text that begins like a bitmap"),
        (b"P5 is the fifth of the papers", "a text that begins like a grey map"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a program, which must not be run"),
        (b"\x00", "a single byte"),
    ],
)
def test_what_is_not_an_image_is_refused(image_bytes, why):
    assert reason_of(image_bytes) == "not-an-image", why


def test_an_image_that_is_damaged_inside_is_corrupt():
    assert reason_of(png_of(8, 8, b"no zlib stream at all")) == "corrupt"


def test_cmyk_becomes_rgb():
    image = row((0, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255), mode="CMYK")

    decoded = decode(encode(image, "TIFF"))

    assert decoded.mode == "CMYK"
    assert decoded.pixels_HWC.tolist() == [[[255, 255, 255], [255, 0, 0], [0, 0, 0]]]


def test_a_cmyk_jpeg_has_the_colors_that_it_shows():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))

    decoded = decode(encode(image, "JPEG", quality=100))

    assert (decoded.format, decoded.mode) == ("JPEG", "CMYK")
    np.testing.assert_allclose(decoded.pixels_HWC[4, 4], RED, atol=3)


@pytest.mark.parametrize(
    ("image", "image_format", "mode"),
    [
        (deep([0, 0x0100, 0x80FF, 65535], "<u2"), "PNG", "I;16"),
        (deep([0, 0x0100, 0x80FF, 65535], "<u2"), "TIFF", "I;16"),
        (deep([0, 0x0100, 0x80FF, 65535], ">u2"), "TIFF", "I;16B"),
        (deep([0, 0x0100, 0x80FF, 65535], "<u2"), "PPM", "I"),
        (deep([0, 0x0100, 0x80FF, 65535], "<i4"), "TIFF", "I"),
        (deep([0.0, 1 / 255, 128 / 255, 1.0], "<f4"), "TIFF", "F"),
    ],
)
def test_deep_grey_is_scaled_and_not_clipped(image, image_format, mode):
    decoded = decode(encode(image, image_format))

    assert decoded.mode == mode
    assert decoded.pixels_HWC.tolist() == [[[0] * 3, [1] * 3, [128] * 3, [255] * 3]]


def test_16_bit_grey_that_counts_from_white_is_not_inverted():
    image = deep([0, 0x80FF, 65535], "<u2")

    decoded = decode(encode(image, "TIFF", tiffinfo={262: 0}))

    assert decoded.pixels_HWC[0, :, 0].tolist() == [255, 127, 0]


def test_a_clear_value_in_16_bit_grey_shows_white():
    image = deep([0, 1000, 65535], "<u2")

    assert colors_of(encode(image, "PNG", transparency=1000)) == [BLACK, WHITE, WHITE]


@pytest.mark.parametrize(
    "image",
    [
        deep([0, 65536], "<i4"),
        deep([-1, 9], "<i4"),
        deep([0.0, 1.5], "<f4"),
        deep([0.0, float("nan")], "<f4"),
    ],
)
def test_values_of_unknown_range_are_refused(image):
    assert reason_of(encode(image, "TIFF")) == "unsupported-depth"


TURNS = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", TURNS)
def test_an_exif_rotated_image_stands_upright(orientation, image_format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = decode(encode(noise(), image_format)).pixels_HWC

    decoded = decode(encode(noise(), image_format, exif=exif))

    np.testing.assert_array_equal(decoded.pixels_HWC, TURNS[orientation](stored))


def test_orientation_6_turns_the_left_column_into_the_top_row():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (2, 3))
    image.putdata([RED, GREEN, BLUE, WHITE, BLACK, RED])

    decoded = decode(encode(image, "PNG", exif=exif))

    assert decoded.pixels_HWC.tolist() == [
        [list(BLACK), list(BLUE), list(RED)],
        [list(RED), list(WHITE), list(GREEN)],
    ]


def test_damaged_exif_leaves_the_image_as_it_is_stored():
    image = noise()

    decoded = decode(encode(image, "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))

    np.testing.assert_array_equal(decoded.pixels_HWC, np.asarray(image))


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_gives_its_first_frame_and_counts_the_others(image_format):
    frames = [Image.new("RGB", (4, 3), color) for color in (RED, GREEN, BLUE)]
    options = {"lossless": True} if image_format == "WEBP" else {}
    image_bytes = encode(
        frames[0], image_format, save_all=True, append_images=frames[1:], **options
    )

    decoded = decode(image_bytes)

    assert decoded.frames == 3
    assert (decoded.pixels_HWC == RED).all()


def test_a_palette_with_alpha_is_laid_on_white():
    image = Image.new("P", (4, 1))
    image.putpalette([*RED, *GREEN, *BLUE, *BLACK])
    image.putdata([0, 1, 2, 3])

    colors = colors_of(encode(image, "PNG", transparency=bytes([255, 0, 127, 255])))

    assert colors == [RED, WHITE, (128, 128, 255), BLACK]


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (row((9, 9, 9, 0), (*RED, 255), mode="RGBA"), {}, [WHITE, RED]),
        (row((9, 0), (0, 255), mode="LA"), {}, [WHITE, BLACK]),
        (row(RED, BLUE), {"transparency": RED}, [WHITE, BLUE]),
    ],
)
def test_a_clear_pixel_shows_white_and_not_its_hidden_color(image, options, expected):
    assert colors_of(encode(image, "PNG", **options)) == expected


def test_black_and_white_grey_and_other_color_spaces_become_rgb():
    black_and_white = Image.new("1", (2, 1))
    black_and_white.putdata([0, 255])
    lab = Image.new("LAB", (1, 1), (255, 128, 128))

    assert colors_of(encode(black_and_white, "PNG")) == [BLACK, WHITE]
    assert colors_of(encode(Image.new("L", (1, 1), 7), "PNG")) == [(7, 7, 7)]
    assert min(colors_of(encode(lab, "TIFF"))[0]) >= 254


def test_an_enormous_image_within_the_limit_decodes_without_a_warning():
    width, height = 10_000, 9_000
    assert width * height > Image.MAX_IMAGE_PIXELS
    white_rows = (b"\0" + b"\xff" * (width // 8)) * (height - 1)
    packed = zlib.compress(white_rows + b"\0" + b"\0" * (width // 8), 1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode(png_of(width, height, packed))

    assert decoded.pixels_HWC.shape == (height, width, 3)
    assert decoded.pixels_HWC[-2:, ::width].tolist() == [[[255] * 3], [[0] * 3]]


def test_the_limit_itself_is_allowed_and_one_pixel_more_is_too_many():
    image_bytes = encode(noise(40, 30), "PNG")

    assert decode(image_bytes, max_pixels=1200).pixels_HWC.shape == (30, 40, 3)
    assert reason_of(image_bytes, max_pixels=1199) == "too-many-pixels"


def test_a_decompression_bomb_is_refused_from_its_header():
    few_bytes = png_of(100_000, 100_000, b"")

    assert reason_of(few_bytes) == "decompression-bomb"


def test_a_bomb_that_its_own_plugin_finds_is_told_apart_too():
    canvas = struct.pack("<I", 16_382)[:3]
    extended = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4 + canvas * 2
    image_bytes = b"RIFF" + struct.pack("<I", 4 + len(extended)) + b"WEBP" + extended

    assert reason_of(image_bytes) == "decompression-bomb"


def test_a_text_that_unpacks_to_megabytes_is_a_bomb():
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 3_000_000, zip=True)

    assert reason_of(encode(noise(), "PNG", pnginfo=text)) == "decompression-bomb"


def test_an_unreadable_file_is_refused_and_a_pipe_does_not_block(tmp_path):
    pipe, file = tmp_path / "pipe.jpg", tmp_path / "file.jpg"
    os.mkfifo(pipe)
    file.write_bytes(b"x")

    for path in (pipe, tmp_path, file / "below.jpg", Path(os.devnull)):
        with pytest.raises(RefusedImageError) as refusal:
            read_file(path)
        assert refusal.value.reason == "unreadable", path


def test_a_file_that_vanished_is_refused(tmp_path):
    with pytest.raises(RefusedImageError) as refusal:
        read_file(tmp_path / "gone.jpg")

    assert refusal.value.reason == "vanished"


def test_a_duplicate_has_the_same_id_and_a_copy_encoded_anew_has_another(tmp_path):
    image_bytes = encode(noise(), "PNG")
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(image_bytes)
    again = encode(noise(), "PNG", compress_level=1)

    one, two = (image_id(read_file(tmp_path / name)) for name in ("one.png", "two.png"))

    assert one == two != image_id(again)
    np.testing.assert_array_equal(decode(image_bytes).pixels_HWC, decode(again).pixels_HWC)


def test_a_refusal_crosses_processes_whole():
    refusal = pickle.loads(pickle.dumps(RefusedImageError("truncated", "3 bytes missing")))

    assert (refusal.reason, refusal.detail) == ("truncated", "3 bytes missing")
    assert "3 bytes missing" in str(refusal)


SOUND = [
    encode(noise(), "PNG"),
    encode(noise().quantize(8), "PNG", transparency=3),
    encode(noise(), "JPEG"),
    encode(noise(), "GIF", save_all=True, append_images=[noise(seed=1)]),
    encode(noise(), "TIFF", compression="tiff_lzw"),
    encode(deep([0, 9, 65535], "<u2"), "TIFF"),
    encode(noise(), "WEBP"),
]


@settings(max_examples=300, deadline=None)
@given(sound=st.sampled_from(SOUND), seed=st.integers(0, 2**32), share=st.floats(0, 1))
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_give_pixels_or_a_reason_and_nothing_else(sound, seed, share):
    rng = random.Random(seed)
    damaged = bytearray(sound)
    for _ in range(rng.choice((0, 1, 3, 20))):
        head_or_all = rng.choice((64, len(damaged)))
        damaged[rng.randrange(min(head_or_all, len(damaged)))] = rng.randrange(256)
    if rng.random() < 0.5:
        del damaged[int(len(damaged) * share) :]

    reason, decoded = None, None
    try:
        decoded = decode(bytes(damaged), max_pixels=1_000_000)
    except RefusedImageError as refusal:
        reason = refusal.reason

    assert reason in REASONS or decoded.pixels_HWC.shape[2:] == (3,)
    assert decoded is None or decoded.pixels_HWC.dtype == np.uint8
