"""A loaded encoder: images in, one unit vector each out.

Put here: unit length, the check that a vector is one.
Keep out: models and devices (`towers`, one module a library), pixels (`recipes`), filling batches
(`passes`).

Shapes:
    B  images in a pass    D  width of a vector
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.encoders.batch_sizes import BatchSizes
from tasks.encoders.passes import Passes
from tasks.encoders.recipes import Recipe, fit
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
        self,
        identity: EncoderIdentity,
        forward: Forward,
        recipe: Recipe,
        config: EncoderConfig,
        sizes: BatchSizes,
    ) -> None:
        self.identity = identity
        self.recipe = recipe
        self.passes = Passes(forward, recipe, sizes)
        self._dtype = config.dtype
        side = recipe.crop_px
        try:
            self.width = int(forward(np.zeros((1, side, side, 3), np.uint8)).shape[1])
        except (AssertionError, RuntimeError, ValueError) as error:
            message = f"encoder {config.spec!r} cannot run on images of {side} px: {error}"
            raise ValueError(message) from error

    def embed(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return one unit row an image, in the images' order; images are HxWx3 RGB of any size.

        Raises:
            ValueError: if an image is no RGB image, or its vector has no direction.
        """
        parts = [self.unit(rows_BD) for rows_BD in self.passes.all(images)]
        return np.concatenate([np.zeros((0, self.width), np.float32), *parts])

    def fit(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an RGB image resized and cropped to the input's size (S, S, 3).

        Raises:
            ValueError: if it is no RGB image.
        """
        return fit(image_HWC, self.recipe)

    def unit(self, rows_BD: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return rows of `passes` at unit length.

        Raises:
            ValueError: if a row has no direction.
        """
        exact_BD = rows_BD.astype(np.float64)
        length_B = np.linalg.norm(exact_BD, axis=1)
        wrong_B = ~np.isfinite(length_B) | (length_B == 0)
        if wrong_B.any():
            row = int(np.argmax(wrong_B))
            found = "a zero vector" if length_B[row] == 0 else "numbers that are not finite"
            message = (
                f"encoder {self.identity.name!r} gives {found} for image {row + 1} of "
                f"{len(rows_BD)}; with dtype {self._dtype!r} try another, else check its weights"
            )
            raise ValueError(message)
        unit_BD: NDArray[np.float32] = (exact_BD / length_B[:, None]).astype(np.float32)
        return unit_BD
