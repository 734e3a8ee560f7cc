"""A loaded encoder: images in, one unit vector each out.

Put here: filling batches, unit length, the check that a vector is one.
Keep out: models and devices (`towers`, one module a library), pixels (`recipes`).

A batch always holds the same number of images, zeros where there are none, because kernels differ
with the batch's shape and a vector's last bits with them: an image must have one vector, whatever
came with it.

Shapes:
    N  images    B  images in a forward pass    D  width of a vector
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.encoders.recipes import Recipe, prepare
from tasks.encoders.registry import Forward
from tasks.encoders.specs import EncoderConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderIdentity:
    """The name of an encoder's vectors, and what it stands for."""

    name: str
    """Words of the spec and twelve digits of the fingerprint, fit for a table's name."""

    fingerprint: str
    """sha256 of the facts, 64 hex digits."""

    facts: dict[str, Any]  # JSON values
    """All that decides a bit of a vector: weights, preprocessing, precision, code, versions."""


class Encoder:
    """A frozen vision encoder on a device."""

    identity: EncoderIdentity
    width: int

    def __init__(
        self, identity: EncoderIdentity, forward: Forward, recipe: Recipe, config: EncoderConfig
    ) -> None:
        self.identity = identity
        self.recipe = recipe
        self._config = config
        self._forward = forward
        side = recipe.crop_px
        try:
            self.width = forward(np.zeros((1, 3, side, side), np.float32)).shape[1]
        except (AssertionError, RuntimeError, ValueError) as error:
            message = f"encoder {config.spec!r} cannot run on images of {side} px: {error}"
            raise ValueError(message) from error

    def embed(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return one unit row an image, in the images' order; images are HxWx3 RGB of any size.

        Raises:
            ValueError: if an image is no RGB image, or its vector has no direction.
        """
        vectors_ND = np.zeros((len(images), self.width), np.float32)
        done = 0
        for count, pixels in batches(images, self.recipe, self._config.batch_images):
            rows_BD = self._forward(pixels)[:count]
            vectors_ND[done : done + count] = self._unit(rows_BD, done, len(images))
            done += count
        return vectors_ND

    def _unit(self, rows_BD: NDArray[np.float32], done: int, total: int) -> NDArray[np.float32]:
        exact_BD = rows_BD.astype(np.float64)
        length_B = np.linalg.norm(exact_BD, axis=1)
        wrong_B = ~np.isfinite(length_B) | (length_B == 0)
        if wrong_B.any():
            row = int(np.argmax(wrong_B))
            found = "a zero vector" if length_B[row] == 0 else "numbers that are not finite"
            message = (
                f"encoder {self.identity.name!r} gives {found} for image {done + row + 1} of "
                f"{total}; with dtype {self._config.dtype!r} try another, else check its weights"
            )
            raise ValueError(message)
        unit_BD: NDArray[np.float32] = (exact_BD / length_B[:, None]).astype(np.float32)
        return unit_BD


def batches(
    images: Sequence[NDArray[np.uint8]], recipe: Recipe, size: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the number of images and their pixels, the next batch prepared meanwhile.

    Pixels are always (size, 3, S, S), zeros where there is no image.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1, size)) as pool:

        def start(first: int) -> list[Future[NDArray[np.float32]]]:
            batch = images[first : first + size]
            return [pool.submit(prepare, image, recipe) for image in batch]

        waiting = start(0)
        for first in range(0, len(images), size):
            ready, waiting = waiting, start(first + size)
            pixels = np.zeros((size, 3, recipe.crop_px, recipe.crop_px), np.float32)
            for row, image in enumerate(ready):
                pixels[row] = image.result()
            yield len(ready), pixels
