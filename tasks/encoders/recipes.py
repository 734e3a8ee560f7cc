"""Turn an image of any size into an encoder's input: resize, crop the centre, normalise.

Put here: the one preprocessing that all encoders share, and the settings in which they differ.
Keep out: reading those settings from a library's own files (one module a library, beside this one).

Pixels are those of torchvision's `Resize` and `CenterCrop` on a Pillow image: antialiased by
Pillow, the long side cut down to a whole pixel, offsets rounded half to even.

Shapes:
    H, W  image    S  side of the input    C  the three channels, RGB
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

EXTREME_RATIO: Final = 16
"""Images longer than this are cropped while they are resized: same picture, bounded memory."""

OPENAI_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Final = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an image becomes a model's input."""

    resize_px: int
    """The shortest side is resized to this, or both sides with `squash`."""

    crop_px: int
    """Side of the square that is cut from the middle: the model's input."""

    resize: Literal["shortest", "squash"]
    interpolation: Literal["bicubic", "bilinear"]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 < self.crop_px <= self.resize_px:
            message = (
                f"cannot crop {self.crop_px} px from an image resized to {self.resize_px} px; "
                f"the crop must be positive and no larger"
            )
            raise ValueError(message)

    def at(self, image_px: int | None) -> "Recipe":
        """Return the recipe for another input side, its margin around the crop in proportion."""
        if image_px is None or image_px == self.crop_px:
            return self
        resize_px = round(self.resize_px * image_px / self.crop_px)
        return replace(self, crop_px=image_px, resize_px=max(resize_px, image_px))


def prepare(image_HWC: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.float32]:
    """Return the model's input of one RGB image, shape (3, S, S).

    Raises:
        ValueError: if the array is no RGB image.
    """
    pixels_SSC = fit(image_HWC, recipe).astype(np.float32) / np.float32(255)
    pixels_SSC -= np.asarray(recipe.mean, np.float32)
    pixels_SSC /= np.asarray(recipe.std, np.float32)
    return np.ascontiguousarray(pixels_SSC.transpose(2, 0, 1))


def fit(image_HWC: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Return the image resized and cropped, shape (S, S, 3).

    Raises:
        ValueError: if the array is no RGB image.
    """
    from PIL import Image

    shape, dtype = np.shape(image_HWC), getattr(image_HWC, "dtype", None)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        message = f"an image is {dtype} of shape {shape}; expected uint8 RGB of shape (H, W, 3)"
        raise ValueError(message)
    image = Image.fromarray(np.ascontiguousarray(image_HWC))
    method = Image.Resampling[recipe.interpolation.upper()]
    width, height = _resized(image.size, recipe)
    side = recipe.crop_px
    left, top = round((width - side) / 2), round((height - side) / 2)
    if max(width, height) > EXTREME_RATIO * recipe.resize_px:
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + side) * across, (top + side) * down)
        return np.asarray(image.resize((side, side), method, box=box))
    if (width, height) != image.size:
        image = image.resize((width, height), method)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def _resized(size: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    if recipe.resize == "squash":
        return recipe.resize_px, recipe.resize_px
    width, height = size
    short, long = min(size), max(size)
    long_px = int(recipe.resize_px * long / short)
    return (recipe.resize_px, long_px) if width <= height else (long_px, recipe.resize_px)
