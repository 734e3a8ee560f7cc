"""Send images through a model in passes of a size that their rows do not show.

Put here: filling passes, having one under way, trying larger ones, going on after lack of memory.
Keep out: the sizes themselves (`tasks.encoders.batch_sizes`), models (`tasks.encoders.towers`).

A pass always has one of a few sizes, zeros where there is no image: an image must have one row,
whatever came with it.

Shapes:
    N  images    B  images in a pass    S  side of the input    D  what a row holds
"""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.encoders.batch_sizes import TRIAL_SECONDS, BatchSizes
from tasks.encoders.recipes import Recipe, fit
from tasks.encoders.registry import Forward

Fitted = Sequence[NDArray[np.uint8]]
"""Images (S, S, 3) as a recipe fits them."""


class Started(NamedTuple):
    """A pass that may still be under way on a GPU."""

    images: int
    rows: Any  # a NumPy array or a torch tensor, (B, D)


class Passes:
    """A model with the sizes of its passes."""

    def __init__(self, forward: Forward, recipe: Recipe, sizes: BatchSizes) -> None:
        self.recipe = recipe
        self.sizes = sizes
        self._forward = forward

    def all(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield rows of images of any size, in their order, the next ones fitted meanwhile.

        Raises:
            ValueError: if an image is no RGB image.
        """
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(images), self.sizes.reference):
                part = images[start : start + self.sizes.reference]
                fitted = list(pool.map(lambda image: fit(image, self.recipe), part))
                yield self.finish(self.start(fitted))

    def start(self, fitted: Fitted) -> list[Started]:
        """Send images through the model, which on a GPU goes on after this returns.

        Raises:
            MemoryError: if there is none for a pass of the reference size.
        """
        if len(fitted) == 2 * self.sizes.current == self.sizes.wanted:
            return self._try_at_once(fitted)
        return list(self._passes(fitted))

    def finish(self, started: Sequence[Started]) -> NDArray[np.float32]:
        """Wait for passes and return their rows (N, D)."""
        return np.concatenate([_array(one.rows)[: one.images] for one in started])

    def _passes(self, fitted: Fitted) -> Iterator[Started]:
        first = 0
        while first < len(fitted):
            part = fitted[first : first + self.sizes.current]
            try:
                rows = self._forward(self._filled(part))
            except MemoryError:
                self.sizes.shrink()
                continue
            self.sizes.warm()
            yield Started(len(part), rows)
            first += len(part)

    def _filled(self, fitted: Fitted) -> NDArray[np.uint8]:
        side = self.recipe.crop_px
        pixels_BSSC = np.zeros((self.sizes.filled(len(fitted)), side, side, 3), np.uint8)
        np.stack(fitted, out=pixels_BSSC[: len(fitted)])
        return pixels_BSSC

    def _try_at_once(self, fitted: Fitted) -> list[Started]:
        """Run images at the current size, and again all at once, to compare bits and seconds."""
        begun = time.perf_counter()
        rows_ND = self.finish(list(self._passes(fitted)))
        seconds = time.perf_counter() - begun
        kept = [Started(len(rows_ND), rows_ND)]
        if seconds > TRIAL_SECONDS or len(fitted) != self.sizes.wanted:  # it has shrunk meanwhile
            self.sizes.settle()
            return kept
        pixels_BSSC = np.stack(fitted)
        at_once = []
        try:
            for _ in range(2):  # the first one also sets its kernels up
                begun = time.perf_counter()
                larger_ND = _array(self._forward(pixels_BSSC))
                at_once.append(time.perf_counter() - begun)
        except MemoryError:
            self.sizes.settle()
            return kept
        self.sizes.judge(seconds, min(at_once), is_same=np.array_equal(rows_ND, larger_ND))
        return kept


def _array(rows: Any) -> NDArray[np.float32]:
    """Return rows as an array, waiting for the GPU that may be at work on them."""
    array: NDArray[np.float32] = np.asarray(rows.cpu() if hasattr(rows, "cpu") else rows)
    return array
