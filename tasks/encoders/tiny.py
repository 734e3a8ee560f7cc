"""The shipped encoders: two tiny CLIPs and a tiny self-supervised (SimCLR) transformer.

The two CLIPs, `clip` and `clip-control`, differ in the captions that they were trained on alone.

Put here: finding their weights, ours or another training's, and their input.
Keep out: their towers (`tasks.encoders.tiny_towers`), training (`tasks.tiny_training`).
"""

import json
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

from tasks.encoders.files import check_pickle
from tasks.encoders.recipes import Recipe
from tasks.encoders.registry import SEED, Parameters, Source, TextForward, Texts
from tasks.encoders.specs import Device, EncoderConfig, Spec, refuse

IMAGE_PX: Final = 48
EMBEDDING_MEAN: Final = "embedding_mean"
WORDS: Final = "words"
"""Name in a file's metadata of the words that its text tower knows, a JSON list."""
SHIPPED: Final = Path(__file__).parent / "shipped"
PACKAGE_OF: Final = {
    "clip": "open_clip_torch",
    "clip-control": "open_clip_torch",
    "ssl": "transformers",
}

RECIPE: Final = Recipe(
    resize_px=IMAGE_PX,
    crop_px=IMAGE_PX,
    resize="shortest",
    interpolation="bicubic",
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)


def find(spec: Spec, config: EncoderConfig) -> Source:
    """Find a shipped encoder, or the weights FILE of another training of its architecture.

    Raises:
        ValueError: if there is no such model, or an option is not for it.
    """
    if spec.model not in PACKAGE_OF:
        refuse("tiny encoder", spec.model, PACKAGE_OF)
    if config.image_px not in {None, IMAGE_PX} or config.pooling != "default":
        message = f"encoder {spec.text!r} has input of {IMAGE_PX} px and its default pooling only"
        raise ValueError(message)
    file = None if spec.is_random else spec.file or SHIPPED / f"tiny-{spec.model}.safetensors"
    if file:
        check_pickle(file, config)

    has_texts = spec.model != "ssl" and file is not None and read_words(file)
    towers = f"tasks.encoders.tiny_towers:{'ssl' if spec.model == 'ssl' else 'clip'}"

    def build(part: str, *arguments: Any) -> Any:  # torch is imported when a model is built
        return resolve_name(f"{towers}_{part}")(file, config, *arguments)

    return Source(
        label=f"{spec.model} random" if spec.is_random else spec.model,
        facts={"model": spec.model, "seed": None if file else SEED},
        recipe=RECIPE,
        files=[file] if file else [],
        packages=[PACKAGE_OF[spec.model]],
        build=partial(build, "vectors"),
        build_tokens=partial(build, "tokens"),
        find_texts=partial(_texts, partial(build, "texts")) if has_texts else None,
        count=partial(_count, file) if file else None,
    )


def _texts(build: Callable[[Device], TextForward]) -> Texts:
    """Return the text tower; its words are in the file of its weights."""
    return Texts(facts={}, files=(), module="tasks.encoders.tiny_towers", build=build)


def _count(file: Path) -> Parameters:
    from safetensors import safe_open

    with safe_open(file, "np") as opened:
        sizes = {name: prod(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118 # it is no dict
    sizes.pop(EMBEDDING_MEAN, None)
    total, image = sum(sizes.values()), sum(n for k, n in sizes.items() if k.startswith("visual."))
    if not image:
        return Parameters(image=total, text=None, total=total)
    scale = sizes.get("logit_scale", 0)
    return Parameters(image=image, text=total - image - scale or None, total=total)


def read_words(file: Path) -> list[str]:
    """Return the words that a file's text tower knows; none if it has no such tower."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:  # NumPy's way, which needs no torch
            words: list[str] = json.loads((opened.metadata() or {}).get(WORDS, "[]"))
    except (OSError, SafetensorError, ValueError):
        return []
    return words
