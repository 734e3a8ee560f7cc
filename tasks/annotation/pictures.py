"""Images as a browser gets them: bytes that every browser shows the way the encoders saw them.

Put here: reading an image by its id, and what is sent of it.
Keep out: who may see which image (`flows.annotation`).
"""

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from PIL import Image

from storage import paths
from storage.database import Database
from tasks.corpora.locations import find_bytes
from tasks.images import decode

SMALL_PX: Final = 160
LARGEST_PX: Final = 4_096
"""Longer sides are scaled down: a browser on a phone cannot hold more."""

_AS_IT_IS: Final = {"JPEG": "image/jpeg", "PNG": "image/png"}
"""What is sent as it is, if it has one frame; all else is sent as PNG, which loses nothing."""


class Picture(NamedTuple):
    """The bytes of an image file and their media type."""

    data: bytes
    media_type: str


class Pictures:
    """The images of some corpora by id; the latest are kept in memory."""

    def __init__(self, db: Database, corpora: Sequence[str]) -> None:
        self._db, self._corpora = db, corpora
        self.read = lru_cache(maxsize=16)(self._read)
        self.read_small = lru_cache(maxsize=1_024)(self._read_small)

    def _read(self, image: str) -> Picture:
        """Return an image in its own size.

        Raises:
            RefusedImageError: if no file of the corpora holds it any more.
        """
        data = self._bytes(image)
        found = decode(data)
        height, width = found.pixels_HWC.shape[:2]
        plain = found.frames == 1 and found.mode in {"RGB", "L"}
        if plain and found.format in _AS_IT_IS and max(height, width) <= LARGEST_PX:
            return Picture(data, _AS_IT_IS[found.format])
        return _png(Image.fromarray(found.pixels_HWC), LARGEST_PX)

    def _read_small(self, image: str) -> Picture:
        """Return an image scaled down to at most `SMALL_PX` a side.

        Raises:
            RefusedImageError: if no file of the corpora holds it any more.
        """
        return _png(Image.fromarray(decode(self._bytes(image)).pixels_HWC), SMALL_PX)

    def _bytes(self, image: str) -> bytes:
        held = paths.images(self._db, self._corpora, only=[image])
        return find_bytes(image, held.get(image, []))


def _png(picture: Image.Image, side_px: int) -> Picture:
    picture.thumbnail((side_px, side_px))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return Picture(file.getvalue(), "image/png")
