"""Turn an image of any size into an encoder's input: resize, crop the centre.

Put here: the one preprocessing that all encoders share, and the settings in which they differ.
Keep out: reading those settings from a library's own files (one module a library, beside this
one); normalising, which the device does (`tasks.encoders.towers`).

Pixels are those of torchvision's `Resize` and `CenterCrop` on a Pillow image, but for single values
that round the other way: antialiased, the long side cut down to a whole pixel, offsets rounded half
to even. torchvision resizes arrays six times as fast as Pillow does. A width is
resized before the height; Pillow 13 begins with the height where `squash` shortens that more.

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


def fit(image_HWC: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Return the image resized and cropped, shape (S, S, 3).

    Raises:
        ValueError: if the array is no RGB image.
    """
    shape, dtype = np.shape(image_HWC), getattr(image_HWC, "dtype", None)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        message = f"an image is {dtype} of shape {shape}; expected uint8 RGB of shape (H, W, 3)"
        raise ValueError(message)
    size = (shape[1], shape[0])
    width, height = _resized(size, recipe)
    side = recipe.crop_px
    left, top = round((width - side) / 2), round((height - side) / 2)
    if max(width, height) > EXTREME_RATIO * recipe.resize_px:
        across, down = size[0] / width, size[1] / height
        box = (left * across, top * down, (left + side) * across, (top + side) * down)
        return _resize_part(image_HWC, recipe, box)
    if (width, height) != size:
        image_HWC = _resize(image_HWC, (width, height), recipe)
    return image_HWC[top : top + side, left : left + side]


def _resize(
    image_HWC: NDArray[np.uint8], size: tuple[int, int], recipe: Recipe
) -> NDArray[np.uint8]:
    import torch
    from torchvision.transforms.v2 import InterpolationMode, functional

    width, height = size
    stored_HWC = np.require(image_HWC, requirements=["C", "W"])  # else torch warns
    resized_CHW: torch.Tensor = functional.resize(
        torch.from_numpy(stored_HWC).permute(2, 0, 1),
        [height, width],
        interpolation=InterpolationMode(recipe.interpolation),
        antialias=True,
    )
    resized_HWC: NDArray[np.uint8] = resized_CHW.permute(1, 2, 0).numpy()
    return resized_HWC


def _resize_part(
    image_HWC: NDArray[np.uint8], recipe: Recipe, box: tuple[float, float, float, float]
) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(image_HWC))
    method = Image.Resampling[recipe.interpolation.upper()]
    return np.asarray(image.resize((recipe.crop_px, recipe.crop_px), method, box=box))


def _resized(size: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    if recipe.resize == "squash":
        return recipe.resize_px, recipe.resize_px
    width, height = size
    short, long = min(size), max(size)
    long_px = int(recipe.resize_px * long / short)
    return (recipe.resize_px, long_px) if width <= height else (long_px, recipe.resize_px)
