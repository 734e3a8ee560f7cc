"""The tokens that a model sees of an image, from frozen encoders, computed once a process.

Put here: images' files to tokens.
Keep out: encoders (`tasks.encoders`), mixing (`tasks.mof`).

Shapes:
    N  images    P  patches of an image    D  width of an encoder's tokens
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tasks.corpora.locations import find_pixels
from tasks.encoders import EncoderConfig, check_name, load_tokens
from tasks.encoders.specs import Device
from tasks.images import RefusedImageError
from tasks.training.recipe import LAYERS

IMAGES_AT_ONCE = 512


class ImageFiles(NamedTuple):
    """An image by its id, and the files that hold it."""

    image: str
    paths: Sequence[str]


def token_features(
    images: Sequence[ImageFiles],
    encoders: Mapping[str, EncoderConfig],
    names: Mapping[str, str],
    device: Device,
) -> dict[str, Tensor]:
    """Return tokens (N, P, D) float16 by role; each image is decoded once for all encoders.

    Raises:
        ValueError: if an image is gone, or an encoder has another name than in `names`.
    """
    loaded = {
        role: load_tokens(config, layer=LAYERS[role], device=device)
        for role, config in encoders.items()
    }
    for role, encoder in loaded.items():
        check_name(encoder.identity, encoders[role], names[role])
    parts: dict[str, list[Tensor]] = {role: [] for role in loaded}
    for start in range(0, len(images), IMAGES_AT_ONCE):
        pixels = [pixels_of(image) for image in images[start : start + IMAGES_AT_ONCE]]
        for role, encoder in loaded.items():
            tokens_NPD = encoder.embed(pixels).astype(np.float16)
            parts[role].append(torch.from_numpy(tokens_NPD))
    return {role: torch.cat(tokens) for role, tokens in parts.items()}


def pixels_of(image: ImageFiles) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return an image's RGB pixels (H, W, 3).

    Raises:
        ValueError: if it is gone, or another one than it was.
    """
    try:
        return find_pixels(image.image, image.paths)
    except RefusedImageError as error:
        message = (
            f"image {image.image} at {image.paths[0]} is {error.reason} ({error.detail}); "
            f"run `mmvp ingest` again"
        )
        raise ValueError(message) from error
