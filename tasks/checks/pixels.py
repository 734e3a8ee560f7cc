"""The check that looks: whether two images differ as an encoder gets them.

Put here: how far two images are apart where they differ most, and how far re-encoding moves one.
Keep out: resizing and cropping (`tasks.encoders.recipes`).

Shapes:
    S  side of the encoder's input    C  the three channels    G  cells a side
"""

import io
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VISIBLE: Final = "visible"
CELLS: Final = 16
"""Cells a side; at 224 pixels a cell is a patch of a ViT-B/16."""
_QUALITY: Final = 75


class Gap(NamedTuple):
    """Mean differences of pixels, in levels from 0 to 255, in the cell where they are largest.

    `images` is between the images, `noise` between an image and itself saved as JPEG.
    """

    images: float
    noise: float


def gap(one_SSC: NDArray[np.uint8], other_SSC: NDArray[np.uint8]) -> Gap:
    """Return how far two images of one size are apart, and how far re-encoding moves them."""
    noise = max(_largest(image, _again(image)) for image in (one_SSC, other_SSC))
    return Gap(_largest(one_SSC, other_SSC), noise)


def _largest(one_SSC: NDArray[np.uint8], other_SSC: NDArray[np.uint8]) -> float:
    apart_SS = np.abs(one_SSC.astype(np.float64) - other_SSC.astype(np.float64)).mean(axis=2)
    edges_G = np.linspace(0, len(apart_SS), min(CELLS, len(apart_SS)) + 1).astype(int)[:-1]
    sums_GG = np.add.reduceat(np.add.reduceat(apart_SS, edges_G, 0), edges_G, 1)
    counts_GG = np.add.reduceat(np.add.reduceat(np.ones_like(apart_SS), edges_G, 0), edges_G, 1)
    return float((sums_GG / counts_GG).max())


def _again(image_SSC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image_SSC)).save(file, "JPEG", quality=_QUALITY)
    with Image.open(file) as opened:
        return np.asarray(opened.convert("RGB"))
