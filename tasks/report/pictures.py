"""Small copies of the images that a report shows.

Put here: thumbnails, their files, and their sizes on a tile.
Keep out: opening a corpus' files (the caller's `read_image`), drawing (`tasks.report.figures`).

Shapes:
    H  height in pixels    W  width    C  red, green, blue
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ReadImage = Callable[[str], NDArray[np.uint8] | str | None]
"""Takes a path; gives RGB pixels (H, W, 3), or why there are none (None: no reason known)."""

THUMBNAIL_PX: Final = 320
LOSSLESS_PX: Final = 192
"""Up to this long side a thumbnail is PNG: every pixel counts there, and it stays small."""

SHOWN_PX: Final = 192
"""The long side of an image on the page, at most."""

NO_REASON: Final = "it could not be read"
NO_IMAGES: Final = "the benchmark came without images"
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One thumbnail that has been written, or the reason why there is none."""

    file: str = ""
    """Its path inside the report's folder."""
    width: int = 0
    height: int = 0
    reason: str = ""
    """Empty if the image is there."""

    @property
    def is_there(self) -> bool:
        """Whether there is a file to show."""
        return not self.reason

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height on the page: the stored ones up to `SHOWN_PX`, tiny ones enlarged."""
        long_side = max(self.width, self.height, 1)
        times = max(1, SHOWN_PX // long_side) if long_side < SHOWN_PX else SHOWN_PX / long_side
        return max(1, round(self.width * times)), max(1, round(self.height * times))

    @property
    def is_small(self) -> bool:
        """Whether a page that enlarges it should keep its pixels sharp."""
        return max(self.width, self.height) <= LOSSLESS_PX


def write_thumbnail(folder: Path, image: str, pixels_HWC: NDArray[np.uint8]) -> Picture:
    """Write `image` into `folder`, at most `THUMBNAIL_PX` on its long side, never enlarged.

    Args:
        folder: the report's folder; the file goes into its `images`.
        image: the image's id, which names the file.
        pixels_HWC: RGB.
    """
    thumbnail = Image.fromarray(np.ascontiguousarray(pixels_HWC))
    thumbnail.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    is_small = max(thumbnail.size) <= LOSSLESS_PX
    file = f"images/{_file_stem(image)}.{'png' if is_small else 'jpg'}"
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    if is_small:
        thumbnail.save(path, format="PNG", optimize=True)
    else:
        thumbnail.save(path, format="JPEG", quality=88, subsampling=0)
    return Picture(file=file, width=thumbnail.width, height=thumbnail.height)


def _file_stem(image: str) -> str:
    """The id itself, or its hash where the id would not do as a file's name."""
    if _PLAIN_ID.fullmatch(image):
        return image
    return hashlib.sha256(image.encode("utf-8", "surrogatepass")).hexdigest()


def fit_tile(thumbnail: Image.Image, tile_px: int) -> Image.Image:
    """Scale to fit a square of `tile_px`: small images by whole, sharp pixels, others smoothly."""
    long_side = max(thumbnail.size)
    times = tile_px // long_side
    if times >= 2:
        size = (thumbnail.width * times, thumbnail.height * times)
        return thumbnail.resize(size, Image.Resampling.NEAREST)
    scale = tile_px / long_side
    size = (max(1, round(thumbnail.width * scale)), max(1, round(thumbnail.height * scale)))
    return thumbnail.resize(size, Image.Resampling.LANCZOS)
