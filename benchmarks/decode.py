"""Decode and preprocess JPEG files for one and for two encoders, beside clip-retrieval's way.

Run it with `OMP_NUM_THREADS=1 python -m benchmarks.decode`.

The rival is the path of clip-retrieval's reader, which is open_clip's transform on a Pillow image:
decode, resize, crop, normalise to float32; it decodes once an encoder. `Pillow, bytes out` is the
same without normalising, which ours leaves to the device. Errors are those of ours against it.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image

from benchmarks.measuring import draw_jpegs, interleaved, parser_of, read_options, show
from tasks.encoders import EncoderConfig, load
from tasks.encoders.recipes import IMAGENET_MEAN, IMAGENET_STD, OPENAI_MEAN, OPENAI_STD, Recipe, fit
from tasks.images import decode_pixels, image_id
from tasks.pipeline import Busy, ImageItem, fit_item

REFERENCE = "clip-retrieval: Pillow, floats out"
CLIP = Recipe(
    resize_px=224,
    crop_px=224,
    resize="shortest",
    interpolation="bicubic",
    mean=OPENAI_MEAN,
    std=OPENAI_STD,
)
DINO = Recipe(
    resize_px=256,
    crop_px=224,
    resize="shortest",
    interpolation="bicubic",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)


def ours(data: bytes, *recipes: Recipe) -> list[Any]:
    """Return the pixels that each recipe fits of one decoded image."""
    pixels_HWC = decode_pixels(data)
    return [np.ascontiguousarray(fit(pixels_HWC, recipe)) for recipe in recipes]


def pillow(data: bytes, recipe: Recipe) -> Any:
    """Return what Pillow resizes and crops, as bytes."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    short, side = min(image.size), recipe.crop_px
    width, height = (int(recipe.resize_px * length / short) for length in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def worker(files: Sequence[bytes], folder: Path, **recipes: Recipe) -> Callable[[], object]:
    """Return the work of a worker's threads: read, check the hash, decode, resize."""
    encoders: Any = {role: SimpleNamespace(recipe=recipe) for role, recipe in recipes.items()}
    items = []
    for number, data in enumerate(files):
        path = folder / f"{number}.jpg"
        path.write_bytes(data)
        items.append(ImageItem(image_id(data), [str(path)], tuple(recipes)))
    return lambda: [fit_item(item, encoders, Busy()) for item in items]


def rivals(files: Sequence[bytes]) -> dict[str, Callable[[], object]]:
    """Return what is measured beside ours."""
    transform = open_clip.image_transform(224, is_train=False)

    def reader(data: bytes) -> object:
        return transform(Image.open(io.BytesIO(data)))

    return {
        REFERENCE: lambda: [reader(data) for data in files],
        "clip-retrieval, two encoders": lambda: [reader(data) for data in files for _ in range(2)],
        "Pillow, bytes out": lambda: [pillow(data, CLIP) for data in files],
        "decode only, Pillow": lambda: [Image.open(io.BytesIO(data)).load() for data in files],
    }


def main() -> None:
    """Print the tables."""
    options = read_options(parser_of(__doc__, images=100, rounds=5))
    torch.set_num_threads(1)
    files = draw_jpegs(options.images)
    with TemporaryDirectory() as place:
        folder = Path(place)
        works = {
            **rivals(files),
            "ours": lambda: [ours(data, CLIP) for data in files],
            "decode only, ours": lambda: [decode_pixels(data) for data in files],
            "ours with read and hash": worker(files, folder, clip=CLIP),
            "the same, two encoders of one size": worker(files, folder, clip=CLIP, ssl=CLIP),
            "the same, two encoders of two sizes": worker(files, folder, clip=CLIP, ssl=DINO),
        }
        seconds = interleaved(works, rounds=options.rounds)
    reference = seconds[REFERENCE]
    kilobytes = np.mean([len(data) for data in files]) / 1e3
    show(
        f"decode: {options.images} JPEGs of 500 x 400, {kilobytes:.0f} kB",
        [
            {"path": name, "images/CPU-s": options.images / value, "ratio": reference / value}
            for name, value in seconds.items()
        ],
        options,
    )
    show("decode: error of ours", errors(files), options)


def errors(files: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return how far our pixels, and cosines of pairs of images, are from Pillow's."""
    rows = []
    for spec, count in (("tiny:clip", len(files)), ("open_clip:ViT-B-32/random", 16)):
        encoder = load(EncoderConfig(spec=spec))
        mine = np.stack([ours(data, encoder.recipe)[0] for data in files[:count]])
        theirs = np.stack([pillow(data, encoder.recipe) for data in files[:count]])
        for of, off in (
            ("pixels", np.abs(mine.astype(int) - theirs)),
            ("cosines of pairs", np.abs(_cosines(encoder, mine) - _cosines(encoder, theirs))),
        ):
            worst = {"p99": float(np.percentile(off, 99)), "max": float(off.max())}
            rows.append({"encoder": spec, "images": count, "of": of, **worst})
    return rows


def _cosines(encoder: Any, pixels: Any) -> Any:
    vectors_ND = encoder.embed(list(pixels))
    return vectors_ND @ vectors_ND.T


if __name__ == "__main__":
    main()
