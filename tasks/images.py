"""Decode untrusted image bytes to the right pixels, or say why not.

Put here: reading an image file, naming its content, decoding it, the reasons for a refusal.
Keep out: resizing and normalising for an encoder (`tasks/encoders`), rows about images (`storage`).
Shapes: H height, W width, C the three channels red, green, blue; T marks a tile of an image.

Colour profiles are ignored: CMYK, LAB and the like become RGB by Pillow's own conversion.
"""

import errno
import hashlib
import io
import os
import re
import stat
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Importing a plugin registers its format; doing it here, once, keeps it out of the threads.
from PIL import (
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    ExifTags,
    GifImagePlugin,  # noqa: F401
    Image,
    ImageFile,
    Jpeg2KImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401
)

from tasks import jpegs

MAX_PIXELS: Final = 178_956_970
"""The most pixels that are decoded: the limit above which Pillow itself gives up."""

BOMB_PIXELS_PER_BYTE: Final = 100
"""An image over the limit is a bomb when each byte of its file stands for more pixels than this.

Photographs hold 1 to 10 pixels a byte and drawings some tens; runs of one colour, of which bombs
are made, reach 1 000 a byte in grey and 8 000 in black and white.
"""

TILE_SIDE: Final = 2048
"""Pixels are converted in squares of this side, so that conversions of a large image stay small."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "empty": "the file holds no bytes",
        "not-an-image": "the bytes are not an image in a format that is read here",
        "truncated": "the file ends before the image does",
        "corrupt": "the bytes begin like an image but cannot be decoded",
        "unreadable": "the file could not be read",
        "vanished": "the file was gone when it was to be read",
        "too-many-pixels": "the image has more pixels than are decoded",
        "decompression-bomb": "a small file would unpack to far more memory than an image needs",
        "unsupported-depth": "the range of the pixel values is unknown, so are their colours",
    }
)

_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Pillow's names of what is read; JPEG includes MPO. None that runs programs, as EPS does."""

_WEAK_SIGNATURES: Final = frozenset({"BMP", "PPM"})
"""Formats that two letters announce, as they may begin a text, so a bad header means no image."""

_BROKEN: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    EOFError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)
"""All that Pillow raises on broken bytes; `Warning` where a caller turns warnings into errors."""

_TRUNCATED_WORDS: Final = re.compile(
    r"truncated|unexpected end|end of file|reached eof|unpack(_from)? requires|only got \d+"
    r"|incomplete checksum|chunk b'\w{0,3}'|no more images|cannot load this image"
    r"|not enough image data|index out of range",
    re.IGNORECASE,
)
_BOMB_WORDS: Final = re.compile(r"decompressed data too large|too much memory", re.IGNORECASE)
_DEPTH_WORDS: Final = re.compile(r"unknown pixel mode|pixel depth", re.IGNORECASE)
_PIXELS_FOUND: Final = re.compile(r"Image size \((\d+) pixels\)")

_MACHINE_ERRNOS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Failures of this machine, not of the file: no reason to refuse it for good."""

_UPRIGHT: Final[Mapping[int, Image.Transpose]] = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)
"""What turns an image upright, by its EXIF orientation; 1 and all other values turn nothing."""

_DEEP_MODES: Final = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_TIFF_BITS: Final = 258
_TIFF_PHOTOMETRIC: Final = 262
_TIFF_WHITE_IS_ZERO: Final = 0


class RefusedImageError(Exception):
    """An image that is not decoded, with one of `REASONS` and what was found in this one."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)  # both, or it would not pickle
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{REASONS[self.reason]}: {self.detail}"


class DecodedImage(NamedTuple):
    """The first frame of an image, upright, in RGB, with what its file says about it."""

    pixels_HWC: NDArray[np.uint8]
    format: str
    mode: str
    """Pillow's name of the pixel format in the file."""
    frames: int


def image_id(data: bytes) -> str:
    """Name an image by the SHA-256 of its file's bytes."""
    return hashlib.sha256(data).hexdigest()


def read_file(path: Path) -> bytes:
    """Read a regular file, never waiting for a pipe or a device.

    Raises:
        RefusedImageError: The file is gone (`vanished`), or is no regular file or cannot be read
            (`unreadable`).
        OSError: The machine is out of memory or open files, which says nothing about the file.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                detail = "a pipe, socket or device, not a regular file"
                raise RefusedImageError(reason="unreadable", detail=detail)
            return file.read()
    except OSError as error:
        if error.errno in _MACHINE_ERRNOS:
            raise
        is_gone = error.errno in (errno.ENOENT, errno.ESTALE)
        reason = "vanished" if is_gone else "unreadable"
        raise RefusedImageError(reason, error.strerror or str(error)) from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Decode the first frame of an image file to upright RGB.

    Transparent parts are laid on white, as a web page shows them; dropping the alpha channel would
    show colours that nobody sees. 16-bit grey keeps its high byte, as Pillow does for 16-bit RGB.
    Wider values are taken only if their range is plain: integers from 0 to 255 or to 65535, real
    numbers from 0 to 1.

    Safe in threads: no setting of Pillow and no warning filter is touched.

    Raises:
        RefusedImageError: The bytes give no right pixels; `reason` is a key of `REASONS`.
        MemoryError: The machine lacks the memory for an image within the limit.
    """
    if not data:
        raise RefusedImageError(reason="empty", detail="0 bytes")
    image = _open(data, max_pixels)
    stored_mode = image.mode
    try:
        image.load()
        pixels_HWC = _to_rgb(_turn_upright(image))
        frames = int(getattr(image, "n_frames", 1))
    except _BROKEN as error:
        raise _refusal(error, data) from error
    return DecodedImage(pixels_HWC, image.format or "", stored_mode, frames)


def _open(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Read the header alone, and refuse an image over the limit before its pixels are allocated.

    This calls the plugins themselves. `Image.open` would do the same with a warning on every image
    over half the limit, which only process-wide filters silence, and would take a damaged header
    for an unknown format.
    """
    for name in _FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is None or accept(data[:16]) is not True:  # a string: built without this format
            continue
        try:
            image = factory(io.BytesIO(data), "")
        except _BROKEN as error:
            refusal = _refusal(error, data)
            if name in _WEAK_SIGNATURES and refusal.reason in ("corrupt", "truncated"):
                refusal = RefusedImageError(reason="not-an-image", detail=refusal.detail)
            raise refusal from error
        pixels = image.width * image.height
        if pixels > max_pixels:
            raise _too_large(pixels, len(data), max_pixels)
        if name == "JPEG2000" and _is_cut(data):  # its decoder paints missing tiles black
            raise RefusedImageError(reason="truncated", detail="a tile or more is missing")
        return image
    raise RefusedImageError(reason="not-an-image", detail=f"begins with {data[:16]!r}")


def _refusal(error: Exception, data: bytes) -> RefusedImageError:
    """Find the reason in an error of Pillow's, which tells kinds apart by words alone."""
    words = str(error)
    detail = f"{type(error).__name__}: {words}"
    if found := _PIXELS_FOUND.search(words):
        return _too_large(int(found[1]), len(data), MAX_PIXELS)
    if _BOMB_WORDS.search(words):
        return RefusedImageError(reason="decompression-bomb", detail=detail)
    if _DEPTH_WORDS.search(words):
        return RefusedImageError(reason="unsupported-depth", detail=detail)
    is_short = isinstance(error, EOFError | IndexError) or _TRUNCATED_WORDS.search(words)
    if is_short or _is_cut(data):
        return RefusedImageError(reason="truncated", detail=detail)
    return RefusedImageError(reason="corrupt", detail=detail)


def _too_large(pixels: int, byte_count: int, max_pixels: int) -> RefusedImageError:
    is_bomb = byte_count * BOMB_PIXELS_PER_BYTE < pixels
    detail = f"{pixels} pixels in {byte_count} bytes, at most {max_pixels} are decoded"
    return RefusedImageError("decompression-bomb" if is_bomb else "too-many-pixels", detail)


def _is_cut(data: bytes) -> bool:
    """Say whether a file ends before it says, for the formats whose decoders do not tell."""
    end = 0
    if data.startswith(b"RIFF"):  # WebP
        end = 8 + int.from_bytes(data[4:8], "little")
    elif data.startswith((b"II*\0", b"MM\0*")):  # TIFF: its first directory often comes last
        end = 2 + int.from_bytes(data[4:8], "little" if data.startswith(b"II") else "big")
    elif data[4:8] in (b"ftyp", b"jP  "):  # AVIF and JPEG 2000: a row of boxes
        while end < len(data) and (box_bytes := int.from_bytes(data[end : end + 4], "big")) >= 8:
            end += box_bytes
    elif data.startswith(b"\xff\x4f\xff\x51"):  # JPEG 2000 without boxes: a marker ends it
        return b"\xff\xd9" not in data[-64:]
    return len(data) < end


def _turn_upright(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except _BROKEN:
        return 1  # viewers show an image with damaged EXIF as it is stored
    return orientation if isinstance(orientation, int) else 1


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    bits = _depth_bits(image) if image.mode in _DEEP_MODES else None
    pixels_HWC = np.empty((image.height, image.width, 3), np.uint8)
    for left, top, right, bottom in _tile_boxes(image.width, image.height):
        tile = image.crop((left, top, right, bottom))
        pixels_TTC = _shallow_tile(tile) if bits is None else _deep_tile(tile, bits)
        pixels_HWC[top:bottom, left:right] = pixels_TTC
    if bits is not None and _is_white_zero(image):
        np.subtract(255, pixels_HWC, out=pixels_HWC)
    return pixels_HWC


def _tile_boxes(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    for top in range(0, height, TILE_SIDE):
        for left in range(0, width, TILE_SIDE):
            yield left, top, min(left + TILE_SIDE, width), min(top + TILE_SIDE, height)


def _shallow_tile(tile: Image.Image) -> NDArray[np.uint8]:
    if tile.has_transparency_data:
        on_white = Image.new("RGBA", tile.size, "white")
        on_white.alpha_composite(tile.convert("RGBA"))
        tile = on_white
    return np.asarray(tile.convert("RGB"))


def _depth_bits(image: Image.Image) -> int:
    """Find how many bits of a deep grey image's values are used.

    Raises:
        RefusedImageError: They are integers outside of 0 to 65535.
    """
    if image.mode == "F":
        return 32
    if image.mode != "I":
        return 12 if _tiff_tag(image, _TIFF_BITS) == (12,) else 16
    if isinstance(image, PpmImagePlugin.PpmImageFile):
        return 16  # Pillow has stretched them to that
    low, high = image.getextrema()
    if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high <= 65535):
        detail = f"integers from {low} to {high}, expected 0 to 255 or 0 to 65535"
        raise RefusedImageError(reason="unsupported-depth", detail=detail)
    return 8 if high <= 255 else 16


def _deep_tile(tile: Image.Image, bits: int) -> NDArray[np.uint8]:
    values_TT = np.asarray(tile)
    if tile.mode == "F":
        if not ((values_TT >= 0) & (values_TT <= 1)).all():
            detail = "real numbers outside of 0 to 1"
            raise RefusedImageError(reason="unsupported-depth", detail=detail)
        grey_TT = np.rint(values_TT * 255).astype(np.uint8)
    else:
        grey_TT = (values_TT >> (bits - 8)).astype(np.uint8)
    if isinstance(clear := tile.info.get("transparency"), int):
        grey_TT[values_TT == clear] = 255
    return np.repeat(grey_TT[:, :, np.newaxis], 3, axis=2)


def _is_white_zero(image: Image.Image) -> bool:
    """Say whether 0 stands for white, which Pillow undoes for 8 bits and fewer only."""
    return _tiff_tag(image, _TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO


def _tiff_tag(image: Image.Image, tag: int) -> object:
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def decode_pixels(data: bytes) -> NDArray[np.uint8]:
    """Return the pixels (H, W, C) that `decode` gives, whatever their number, most JPEGs faster.

    Raises:
        RefusedImageError: as `decode`.
    """
    stored_HWC = jpegs.decode_plain(data)
    if stored_HWC is None:
        return decode(data, max_pixels=sys.maxsize).pixels_HWC
    if not jpegs.may_lie(data):
        return stored_HWC
    return jpegs.turn(stored_HWC, _orientation(_open(data, sys.maxsize)))
