"""Decode plain JPEG files with torchvision, half as fast again as Pillow and to the same pixels.

Put here: which JPEG files are plain, and their pixels.
Keep out: every other image, and why one is refused (`tasks.images`).
Shapes: H height, W width, C the three channels red, green, blue.

Plain is a baseline or progressive file of one picture in 8-bit grey or YCbCr. What this module does
not take, or cannot decode, Pillow decides, so that it is refused or not as ever and for the same
reasons.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS: Final = 2**26
"""Larger ones go to Pillow's way, which converts by tile; both need all their pixels at once."""

_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
"""Markers of the frames that are taken: baseline, extended, progressive."""

_OTHER_FRAMES: Final = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MIRRORED: Final = frozenset({2, 4, 5, 7})
_QUARTERS: Final[Mapping[object, int]] = MappingProxyType({3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1})
"""Quarter turns against the clock after mirroring left to right, by Exif orientation."""

_SCAN: Final = 0xDA
_MULTIPLE: Final = 0xE2
_ADOBE: Final = 0xEE


def decode_plain(data: bytes) -> NDArray[np.uint8] | None:
    """Return the pixels (H, W, C) of a plain JPEG file as they are stored, else None.

    Safe in threads.
    """
    if not _is_plain(data):
        return None
    import torch

    try:
        from torchvision.io import ImageReadMode, decode_jpeg
    except ImportError:  # torchvision announces to give its decoders up; the pixels are the same
        return None
    encoded = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
    try:
        pixels_CHW = decode_jpeg(encoded, mode=ImageReadMode.RGB)
    except RuntimeError:  # Pillow says what is wrong with it, if anything is
        return None
    pixels_HWC: NDArray[np.uint8] = pixels_CHW.permute(1, 2, 0).numpy()
    return pixels_HWC


def may_lie(data: bytes) -> bool:
    """Say whether a JPEG file has a segment that could tell how to turn its picture upright."""
    return b"\xff\xe1" in data  # inside of a scan, no byte but 0 or a restart follows 0xFF


def turn(pixels_HWC: NDArray[np.uint8], orientation: object) -> NDArray[np.uint8]:
    """Return a stored picture upright, by its Exif orientation; unknown ones turn nothing."""
    turned_HWC = pixels_HWC
    if orientation in _MIRRORED:
        turned_HWC = turned_HWC[:, ::-1]
    return np.ascontiguousarray(np.rot90(turned_HWC, _QUARTERS.get(orientation, 0)))


def _is_plain(data: bytes) -> bool:
    """Read the segments up to the first scan; anything unexpected makes a file not plain."""
    if not data.startswith(b"\xff\xd8"):
        return False
    at, has_frame = 2, False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _SCAN:
            return has_frame
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if length < 2 or not _is_plain_segment(marker, body):
            return False
        has_frame = has_frame or marker in _FRAMES
        at += 2 + length
    return False


def _is_plain_frame(body: bytes) -> bool:
    if len(body) < 6:
        return False
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    return body[0] == 8 and body[5] in (1, 3) and 0 < height * width <= MAX_PIXELS


def _is_plain_segment(marker: int, body: bytes) -> bool:
    """Say whether nothing in a segment asks for more than decoding and turning.

    Not plain are several pictures in one file, colors that Adobe's marker says are no YCbCr, and
    frames of other kinds.
    """
    if marker in _FRAMES:
        return _is_plain_frame(body)
    if marker == _MULTIPLE:
        return not body.startswith(b"MPF")
    if marker == _ADOBE and body.startswith(b"Adobe"):
        return len(body) > 11 and body[11] == 1
    return marker not in _OTHER_FRAMES
