"""Vectors to measure on.

clip: as those of CLIP: a mean direction with half of the energy, a spectrum that falls with 1/k,
clusters of 100 images. iso: the same in all directions, the worst case for short codes. Both have
2 % near-duplicates in groups of 2 to 5. tiny: the shipped encoders on drawn scenes.
"""

import numpy as np
from numpy.typing import NDArray

FEATURES = ("clip", "iso", "tiny")
SSL_WIDTH = 1024
SCENES_AT_ONCE = 512
Both = tuple[NDArray[np.float32], NDArray[np.float32]]


def make(features: str, images: int, width: int) -> Both:
    """Return unit vectors of both encoders; the same every time."""
    if features == "tiny":
        return _tiny(images)
    rng = np.random.default_rng(0)
    if features == "iso":
        clip_ND = rng.standard_normal((images, width), dtype=np.float32)
    else:
        clip_ND = _cone(rng, images, width)
    ssl_NE = rng.standard_normal((images, SSL_WIDTH), dtype=np.float32)
    ssl_NE *= (np.arange(SSL_WIDTH, dtype=np.float32) + 4) ** np.float32(-0.4)
    clip_ND /= np.linalg.norm(clip_ND, axis=1, keepdims=True)
    ssl_NE /= np.linalg.norm(ssl_NE, axis=1, keepdims=True)
    plant(rng, clip_ND, ssl_NE)
    return clip_ND, ssl_NE


def _cone(rng: np.random.Generator, images: int, width: int) -> NDArray[np.float32]:
    scale_D = (np.arange(width, dtype=np.float32) + 4) ** np.float32(-0.5)
    scale_D /= np.linalg.norm(scale_D)
    clusters = max(50, images // 100)
    centres = rng.standard_normal((clusters, width), dtype=np.float32) * scale_D
    clip_ND = rng.standard_normal((images, width), dtype=np.float32)
    clip_ND *= scale_D * np.float32(np.sqrt(0.34))
    clip_ND += centres[rng.integers(0, clusters, images)] * np.float32(np.sqrt(0.66))
    mean_D = rng.standard_normal(width).astype(np.float32)
    return clip_ND + mean_D / np.linalg.norm(mean_D)


def plant(
    rng: np.random.Generator, clip_ND: NDArray[np.float32], ssl_NE: NDArray[np.float32]
) -> None:
    """Turn 2 % of the images into near-duplicates of others."""
    planted = rng.permutation(len(clip_ND))[: max(10, len(clip_ND) // 50)]
    at = 0
    while at < len(planted) - 6:
        size = int(rng.integers(2, 6))
        for image in planted[at + 1 : at + size]:
            for vectors, least, most in ((clip_ND, 0.93, 0.995), (ssl_NE, 0.3, 0.95)):
                vectors[image] = _turned(rng, vectors[planted[at]], rng.uniform(least, most))
        at += size


def _turned(
    rng: np.random.Generator, vector_D: NDArray[np.float32], cosine: float
) -> NDArray[np.float64]:
    aside_D = rng.standard_normal(len(vector_D))
    aside_D -= aside_D @ vector_D * vector_D
    turned_D = cosine * vector_D + np.sqrt(1 - cosine**2) * aside_D / np.linalg.norm(aside_D)
    return np.asarray(turned_D / np.linalg.norm(turned_D))


def _tiny(images: int) -> Both:
    from tasks.encoders import EncoderConfig, load
    from tasks.scenes.corpus import scene_at
    from tasks.scenes.drawing import draw_scene

    encoders = [load(EncoderConfig(spec=spec)) for spec in ("tiny:clip", "tiny:ssl")]
    parts = []
    for start in range(0, images, SCENES_AT_ONCE):
        scenes = [
            scene_at(0, number) for number in range(start, min(start + SCENES_AT_ONCE, images))
        ]
        drawn = [draw_scene(scene, seed) for scene, _, seed in scenes]
        parts.append([encoder.embed(drawn) for encoder in encoders])
    clip_ND, ssl_NE = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    return clip_ND, ssl_NE
