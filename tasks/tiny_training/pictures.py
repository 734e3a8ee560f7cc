"""The pictures that the tiny encoders learn from, at their input size, and their augmentations.

Put here: drawn scenes as one array, normalising, random crops and colours.
Keep out: drawing (`tasks.scenes`), losses and steps (`clip` and `ssl`, beside this file).

Shapes:
    N  pictures    B  pictures of a batch    S  side of the encoders' input, 48    C  RGB
"""

import io
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tasks.encoders.recipes import fit
from tasks.encoders.tiny import RECIPE
from tasks.files import write_whole
from tasks.fingerprints import code_digest
from tasks.scenes import Scene, draw_scene, scene_at

Share = tuple[float, float]


@lru_cache(maxsize=2)
def load_pictures(cache: Path, seed: int, count: int) -> NDArray[np.uint8]:
    """Return scenes 0 to `count` of a seed, (N, S, S, 3), as the encoders get to see them.

    They are drawn once and kept as a file in the folder `cache`.
    """
    version = code_digest("tasks.scenes.drawing")[:8]
    file = cache / f"pictures-{seed}-{count}-{version}.npy"
    if not file.exists():
        drawn = (scene_at(seed, number) for number in range(count))
        pictures_NSSC = np.stack(
            [fit(draw_scene(scene, chance), RECIPE) for scene, _, chance in drawn]
        )
        content = io.BytesIO()
        np.save(content, pictures_NSSC, allow_pickle=False)
        # Other workers may draw the same ones.
        write_whole(file, content.getvalue(), writer=f".{os.getpid()}")
    loaded: NDArray[np.uint8] = np.load(file, allow_pickle=False)
    return loaded


def load_scenes(seed: int, count: int) -> list[Scene]:
    """Return what scenes 0 to `count` of a seed show."""
    return [scene_at(seed, number)[0] for number in range(count)]


def choose_batch(seed: int, step: int, count: int, size: int) -> NDArray[np.int64]:
    """Return the pictures of a step: the same for every training that shares seed and size."""
    return np.random.default_rng([seed, step]).choice(count, size, replace=False)


def normalise(pictures_BSSC: NDArray[np.uint8]) -> Tensor:
    """Return the encoders' input, (B, 3, S, S) float32."""
    pixels = torch.from_numpy(pictures_BSSC).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (RECIPE.mean, RECIPE.std))
    return (pixels - mean) / std


def crop(pixels_BCSS: Tensor, area: Share, ratio: Share, chance: torch.Generator) -> Tensor:
    """Cut a random rectangle from each picture and resize it to the whole; never mirror it.

    `area` is the range of its share of the picture, `ratio` that of width to height.
    """
    count = len(pixels_BCSS)
    areas = torch.empty(count).uniform_(*area, generator=chance)
    low, high = np.log(ratio)
    ratios = torch.empty(count).uniform_(low, high, generator=chance).exp()
    width, height = (areas * ratios).sqrt().clamp(max=1), (areas / ratios).sqrt().clamp(max=1)
    across = (torch.rand(count, generator=chance) * 2 - 1) * (1 - width)
    down = (torch.rand(count, generator=chance) * 2 - 1) * (1 - height)
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = width, height
    affine[:, 0, 2], affine[:, 1, 2] = across, down
    grid = functional.affine_grid(affine, list(pixels_BCSS.shape), align_corners=False)
    return functional.grid_sample(
        pixels_BCSS, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def recolour(pixels_BCSS: Tensor, chance: torch.Generator) -> Tensor:
    """Change each picture's contrast, brightness and channels; make some grey; add noise."""
    count = len(pixels_BCSS)

    def spread(reach: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1).uniform_(-reach, reach, generator=chance)

    pixels = pixels_BCSS * (1 + spread(0.3)) + spread(0.4) + spread(0.6, 3)
    is_grey = (torch.rand(count, 1, 1, 1, generator=chance) < 0.2).float()
    pixels = is_grey * pixels.mean(1, keepdim=True) + (1 - is_grey) * pixels
    return pixels + torch.randn(pixels.shape, generator=chance) * 0.05
