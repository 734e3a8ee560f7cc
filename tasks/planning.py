"""What a run on many images would take: rates measured on this machine, and what follows from them.

Put here: measuring one core's (or the GPU's) rates in some seconds, the arithmetic to N images.
Keep out: printing (`flows.plan`); benchmarks against others (`benchmarks/`).

Shapes:
    B  images measured    S  side of an input    N  vectors    D  their width
"""

import io
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from storage import embeddings
from storage.database import Database
from tasks.encoders import Encoder, EncoderConfig, load
from tasks.images import decode_pixels
from tasks.mining.blocks import make_block
from tasks.mining.plan import plan_search
from tasks.mining.thresholds import MineConfig
from tasks.mining.tiles import near_pairs
from tasks.mining.vectors import Vectors

PHOTO: Final = (400, 500)
"""Height and width of the JPEGs that are decoded, about the mean of ImageNet."""

PHOTOS: Final = 12
TILE: Final = 16_384
"""Images a side of the tile that is mined."""

STORED: Final = 8_192
SECONDS: Final = 1.0
"""A work is repeated for so long."""

ROW_BYTES: Final = 600
"""An image in the tables `images`, `paths` and `shards`, and in both lists of ids."""

FLOW_BYTES: Final = 2_100
"""Memory of an image in the flow's own process (measured with a million, docs/benchmarks.md)."""

WORKER_BYTES: Final = 900 * 2**20
"""Memory of a worker before it holds any vectors."""


class Rates(NamedTuple):
    """Seconds of one worker, for one image if not said otherwise."""

    decode: float
    """To decode a JPEG of half a megapixel or less, and fit it for all encoders."""
    models: Mapping[str, float]
    """To run each encoder's model."""
    code: float
    """To read a stored vector and code it."""
    pair: float
    """To compare two images."""
    store: float
    """To write the vectors of all encoders."""
    widths: Mapping[str, int]
    device: str


class Needs(NamedTuple):
    """What a run on so many images takes, with so many workers."""

    images: int
    embed_seconds: float
    mine_seconds: float
    disk_bytes: float
    worker_bytes: float
    flow_bytes: float


def measure(
    encoders: Mapping[str, EncoderConfig],
    mine: MineConfig,
    *,
    device: Literal["cpu", "cuda"] = "cpu",
) -> Rates:
    """Return the rates of this machine for these encoders; takes seconds, plus loading them.

    Raises:
        ValueError: if an encoder cannot be had; one ending in /random needs no weights.
    """
    import torch

    if device == "cpu":
        torch.set_num_threads(1)  # as a worker does
    loaded = {role: load(config, device=device) for role, config in encoders.items()}
    jpegs = [_photo(seed) for seed in range(PHOTOS)]

    def decode() -> None:
        for data in jpegs:
            pixels_HWC = decode_pixels(data)
            for encoder in loaded.values():
                encoder.fit(pixels_HWC)

    widths = {role: encoder.width for role, encoder in loaded.items()}
    code, pair = _mining(next(iter(widths.values())), mine)
    return Rates(
        decode=_seconds(decode) / PHOTOS,
        models={role: _model(encoder) for role, encoder in loaded.items()},
        code=code,
        pair=pair,
        store=_store(widths),
        widths=widths,
        device=device,
    )


def needs(rates: Rates, images: int, *, workers: int, tile_images: int) -> Needs:
    """Return what follows from rates for `images`; pairs grow with their square.

    On a CPU decoding and models share the cores, so their seconds add up. A GPU computes while the
    cores decode, so the slower of the two counts.
    """
    model, decode = sum(rates.models.values()), rates.decode + rates.store
    each = max(model, decode) if rates.device == "cuda" else model + decode
    pairs = images * (images - 1) / 2
    width = sum(rates.widths.values())
    return Needs(
        images=images,
        embed_seconds=images * each / workers,
        mine_seconds=(pairs * rates.pair + images * rates.code) / workers,
        disk_bytes=images * (2.0 * width + ROW_BYTES),
        worker_bytes=WORKER_BYTES + 2.0 * min(images, tile_images) * 2 * width,
        flow_bytes=float(images) * FLOW_BYTES,
    )


def _seconds(work: Callable[[], Any]) -> float:
    """Return what a work takes, the fastest of its repetitions; the first does not count."""
    work()
    taken: list[float] = []
    while sum(taken) < SECONDS:
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def _photo(seed: int) -> bytes:
    """Return a JPEG with as many bytes a pixel as photographs have."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (25, 32, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(PHOTO[::-1], Image.Resampling.BICUBIC), np.float64)
    noisy = (smooth + rng.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=90)
    return file.getvalue()


def _model(encoder: Encoder) -> float:
    side, passes = encoder.recipe.crop_px, encoder.passes
    pixels = [np.zeros((side, side, 3), np.uint8)] * passes.sizes.reference
    return _seconds(lambda: passes.finish(passes.start(pixels))) / len(pixels)


def _mining(width: int, mine: MineConfig) -> tuple[float, float]:
    """Return seconds to code an image, and to compare a pair, on vectors like CLIP's."""
    vectors_ND = _like_clip(TILE, width)
    plan = plan_search(
        vectors_ND, clip_above=mine.clip_above, ssl_below=mine.ssl_below, images=1_000_000
    )
    vectors = Vectors("drawn", vectors_ND)
    code = _seconds(lambda: make_block(plan, 0, vectors)) / TILE
    block = make_block(plan, 0, vectors)
    return code, _seconds(lambda: near_pairs(plan, block, block)) / (TILE * (TILE - 1) / 2)


def _like_clip(images: int, width: int) -> NDArray[np.float16]:
    """Draw vectors with a mean direction, a falling spectrum and clusters."""
    rng = np.random.default_rng(0)
    scale_D = (np.arange(width) + 4.0) ** -0.5
    scale_D /= np.linalg.norm(scale_D)
    centres_KD = rng.normal(size=(max(2, images // 100), width))
    drawn_ND = 0.8 * centres_KD[rng.integers(0, len(centres_KD), images)]
    drawn_ND = (drawn_ND + 0.6 * rng.normal(size=(images, width))) * scale_D
    mean_D = rng.normal(size=width)
    return (drawn_ND + mean_D / np.linalg.norm(mean_D)).astype(np.float16)


def _store(widths: Mapping[str, int]) -> float:
    """Return seconds to write the vectors of an image by all encoders."""
    ids = [f"{number:064x}" for number in range(STORED)]
    with tempfile.TemporaryDirectory() as folder:
        db = Database(folder)
        total = 0.0
        for role, width in widths.items():
            vectors_ND = np.zeros((STORED, width), np.float16)
            begun = time.perf_counter()
            embeddings.insert(db, role, ids, vectors_ND, {})
            total += time.perf_counter() - begun
    return total / STORED


def in_words(seconds: float) -> str:
    """Return a duration for people."""
    steps: Sequence[tuple[float, str]] = ((86_400, "d"), (3_600, "h"), (60, "min"))
    for size, unit in steps:
        if seconds >= 1.5 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"
