"""Preprocessing of transformers' models, read from their folders.

Put here: what `preprocessor_config.json` means, and what holds where there is none.
Keep out: applying it (`tasks.encoders.recipes`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from tasks.encoders.recipes import IMAGENET_MEAN, IMAGENET_STD, OPENAI_MEAN, OPENAI_STD, Recipe
from tasks.encoders.specs import Spec

Stored: TypeAlias = Any  # a value of a JSON file that others write

HALF: Final = (0.5, 0.5, 0.5)
METHODS: Final = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as transformers stores them."""

MARGIN: Final = 256 / 224
"""DINOv2 resizes to 256 and crops 224."""

TRAINED_PX: Final = 518
"""DINOv2's position grid is for this side, but its own preprocessing cuts 224."""

BOTH_SIDES: Final = frozenset({"height", "width"})


def vision_settings(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a `config.json` that describes the image tower."""
    vision: Mapping[str, Any] = settings.get("vision_config") or settings
    return vision


def read_recipe(spec: Spec, folder: Path, settings: Mapping[str, Any]) -> Recipe:
    """Return the preprocessing that a model's folder asks for, or its family's.

    Without a `preprocessor_config.json`, CLIP models resize the shortest side and crop, SigLIP
    models squash the image to a square, and all others do as DINOv2: 224 of 256.

    Raises:
        ValueError: if the folder asks for something that is not known here.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            stored = json.loads((folder / name).read_text())
            return _stored(spec, stored.get("image_processor", stored))
    side = vision_settings(settings).get("image_size") or 224
    if not isinstance(side, int):
        message = f"encoder {spec.text!r} takes images of {side} px; only squares are known here"
        raise ValueError(message)
    kind = settings["model_type"]
    if "siglip" in kind:
        return _recipe(side, side, mean=HALF, std=HALF, resize="squash")
    if "clip" in kind:
        return _recipe(side, side, mean=OPENAI_MEAN, std=OPENAI_STD)
    side = 224 if side == TRAINED_PX else side
    return _recipe(round(side * MARGIN), side, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def _recipe(
    resize_px: int,
    crop_px: int,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    resize: str = "shortest",
    interpolation: str = "bicubic",
) -> Recipe:
    return Recipe(
        resize_px=resize_px,
        crop_px=crop_px,
        resize="squash" if resize == "squash" else "shortest",
        interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
        mean=mean,
        std=std,
    )


def _stored(spec: Spec, stored: Mapping[str, Any]) -> Recipe:
    size, crop = stored.get("size"), stored.get("crop_size")
    shortest, resize = _sides(spec, size, crop, stored)
    side = shortest
    if stored.get("do_center_crop", crop is not None):
        side = _square(spec, crop or size)
    elif resize == "shortest" and "crop_pct" in stored:  # ConvNeXt: size is that of the crop
        shortest = round(side / stored["crop_pct"])
    elif resize == "shortest":
        message = f"encoder {spec.text!r} resizes without cropping; only squares are known here"
        raise ValueError(message)
    method = METHODS.get(stored.get("resample", 3))
    if method is None or not stored.get("do_resize", True) or not stored.get("do_rescale", True):
        message = (
            f"encoder {spec.text!r} asks for preprocessing that is not known here: resample "
            f"{stored.get('resample')}, do_resize {stored.get('do_resize')}, do_rescale "
            f"{stored.get('do_rescale')}"
        )
        raise ValueError(message)
    scaled = stored.get("do_normalize", True)
    return _recipe(
        shortest,
        side,
        mean=tuple(stored.get("image_mean") or HALF) if scaled else (0.0, 0.0, 0.0),
        std=tuple(stored.get("image_std") or HALF) if scaled else (1.0, 1.0, 1.0),
        resize=resize,
        interpolation=method,
    )


def _sides(spec: Spec, size: Stored, crop: Stored, stored: Mapping[str, Any]) -> tuple[int, str]:
    """Return the side to resize to and whether that is the shortest or both."""
    if isinstance(size, Mapping) and "shortest_edge" in size:
        return int(size["shortest_edge"]), "shortest"
    if isinstance(size, int) and (crop is not None or "crop_pct" in stored):
        return size, "shortest"
    return _square(spec, size), "squash"


def _square(spec: Spec, size: Stored) -> int:
    if isinstance(size, int):
        return size
    if isinstance(size, Mapping):
        sides = {size[key] for key in ("height", "width", "shortest_edge") if key in size}
        if len(sides) == 1:
            return int(sides.pop())
    message = f"encoder {spec.text!r} takes images of {size} px; only squares are known here"
    raise ValueError(message)
