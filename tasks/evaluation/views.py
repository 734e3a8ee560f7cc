"""What is done to images before models on servers see them: made smaller, or an encoder's input.

Put here: from an image's file to the file that is shown.
Keep out: an encoder's own preprocessing (`tasks.encoders.recipes`); sending (`remote`).
"""

import io
from dataclasses import asdict
from typing import Final

from PIL import Image

from tasks.encoders.recipes import Recipe, fit
from tasks.evaluation.servers import View, png, upright
from tasks.fingerprints import digest
from tasks.images import decode_pixels

WITHIN_PX: Final = 1024
"""Most models shrink larger images themselves; sending them only costs."""
WITHIN: Final = f"within-{WITHIN_PX}"
_QUALITY: Final = 95


def within(data: bytes) -> bytes:
    """Return an image whose longer side is at most `WITHIN_PX`; a plain file of that stays as is.

    Raises:
        RefusedImageError: if the bytes are no image.
    """
    pixels_HWC = decode_pixels(data)
    if max(pixels_HWC.shape) <= WITHIN_PX:
        return upright(data)
    image = Image.fromarray(pixels_HWC)
    image.thumbnail((WITHIN_PX, WITHIN_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def name_of(recipe: Recipe) -> str:
    """Return the name of an encoder's view: the side of its input, and what makes it."""
    made = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(recipe).items()}
    return f"encoder-{recipe.crop_px}-{digest(made)[:8]}"


def view_of(recipe: Recipe) -> View:
    """Return an encoder's view: resized and cropped as its input is, written as PNG."""
    return lambda data: png(fit(decode_pixels(data), recipe))
