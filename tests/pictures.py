"""Draw small pictures for tests."""

import numpy as np
from PIL import Image


def draw_photo(path, seed, *, side=64):
    """Write a small picture whose content depends on `seed` alone."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(path)
    return path
