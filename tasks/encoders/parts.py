"""Parts of a loaded encoder: its patch tokens, which a language model reads, and its text tower.

Put here: images to tokens, texts to unit vectors.
Keep out: an image's one vector (`tasks.encoders.encoder`).

Shapes:
    N  images or texts    P  patches, in rows of the grid from the top left    D  width
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.encoders.encoder import EncoderIdentity
from tasks.encoders.passes import Passes
from tasks.encoders.registry import TextForward


class TokenEncoder:
    """A frozen vision encoder that gives a token for each patch of an image."""

    def __init__(self, identity: EncoderIdentity, passes: Passes) -> None:
        self.identity = identity
        self.recipe = passes.recipe
        self._passes = passes

    def embed(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the tokens (N, P, D) of images HxWx3 RGB of any size.

        Raises:
            ValueError: if there is no image, or one is no RGB image.
        """
        if not images:
            message = "an encoder's tokens were asked for no image at all"
            raise ValueError(message)
        return np.concatenate(list(self._passes.all(images)))


class TextEncoder:
    """The text tower of a dual encoder."""

    def __init__(self, identity: EncoderIdentity, forward: TextForward) -> None:
        self.identity = identity
        self._forward = forward

    def embed(self, texts: Sequence[str], *, at_once: int = 1) -> NDArray[np.float32]:
        """Return one unit row (N, D) a text.

        Each is computed alone, so its bits are its own, unless more are wanted `at_once`: then the
        last bits may depend on the neighbours.

        Raises:
            ValueError: if there is no text, or a row has no direction.
        """
        if not texts:
            message = "a text tower was asked about no text at all"
            raise ValueError(message)
        starts = range(0, len(texts), at_once)
        rows_ND = np.concatenate([self._forward(texts[s : s + at_once]) for s in starts])
        exact_ND = rows_ND.astype(np.float64)
        length_N = np.linalg.norm(exact_ND, axis=1)
        wrong_N = ~np.isfinite(length_N) | (length_N == 0)
        if wrong_N.any():
            message = (
                f"the text tower of encoder {self.identity.name!r} gives a row without direction "
                f"for {texts[int(np.argmax(wrong_N))]!r}; check its weights"
            )
            raise ValueError(message)
        unit_ND: NDArray[np.float32] = (exact_ND / length_N[:, None]).astype(np.float32)
        return unit_ND
