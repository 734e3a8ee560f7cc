"""Complete and check the description of one vision tower.

Put here: the fields of a tower, their defaults, and what may stand in them.
Keep out: what concerns several towers (`configuration_mof`), running them (`vision`).

A tower is a plain dict, because transformers does not write lists of configs to JSON:

    name           letters, digits, `_` and `-`; its weights are stored under it
    config         a transformers vision config, as an object or a dict with `model_type`;
                   None for a *precomputed* tower: no module, its features are given to the model
    image_size     side of its input in pixels (default: the canvas)
    patch_size     side of a patch in pixels (default: the config's)
    hidden_size    width of its features (default: the config's)
    grid_size      side of its own token grid, image_size / patch_size
    feature_layer  which hidden state; 0 is the embedding (timm's list starts with the first block),
                   -1 the last block before the final norm (default -2, as LLaVA takes from CLIP)
    feature_norm   'none', or 'layernorm' for a layer norm without weights over each token
    mean, std      of its input's three channels, for pixels in [0, 1] (default: by model type)

A precomputed tower needs hidden_size and grid_size; what else it says is kept as its provenance.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeAlias

from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, PreTrainedConfig

from .configuration_tiny import TinyClipConfig, TinyDinov2Config

Tower: TypeAlias = dict[str, Any]

FIELDS: Final = (
    "name",
    "config",
    "image_size",
    "patch_size",
    "hidden_size",
    "grid_size",
    "feature_layer",
    "feature_norm",
    "mean",
    "std",
)
NORMS: Final = ("none", "layernorm")

CLIP_STATS: Final = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET_STATS: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF_STATS: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
TINY_STATS: Final = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
STATS: Final = {
    "clip_vision_model": CLIP_STATS,
    "siglip_vision_model": HALF_STATS,
    "siglip2_vision_model": HALF_STATS,
    TinyClipConfig.model_type: TINY_STATS,
    TinyDinov2Config.model_type: TINY_STATS,
}
"""Mean and standard deviation by model type; ImageNet's for all others."""

_LARGE: Final = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
PAPER_TOWERS: Final[tuple[Tower, ...]] = (
    {
        "name": "clip",
        "config": {
            "model_type": "clip_vision_model",
            **_LARGE,
            "intermediate_size": 4096,
            "image_size": 224,
            "patch_size": 14,
            "projection_dim": 768,
        },
        "feature_layer": -2,
    },
    {
        "name": "dinov2",
        "config": {"model_type": "dinov2", **_LARGE, "image_size": 518, "patch_size": 14},
        "feature_layer": -1,
    },
)
"""CLIP ViT-L/14 and DINOv2 ViT-L/14 at 224 pixels, with the layers of the released code."""

_OF_THIS_RUN: Final = ("_name_or_path", "dtype", "transformers_version")
"""Entries of a config that say how a model was loaded; a tower has its model's dtype."""


def refuse(field: str, found: object, expected: str) -> NoReturn:
    """Raise the error for a field that holds something else than it should.

    Raises:
        ValueError: always.
    """
    message = f"{field} is {found!r}, expected {expected}"
    raise ValueError(message)


def is_count(value: object) -> bool:
    """Say whether a value is an integer of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def hf_config(given: Any, name: str) -> PreTrainedConfig:  # a config, or a dict of its fields
    """Return a tower's config as an object of its transformers class.

    Raises:
        ValueError: if it is neither a config nor a dict with a `model_type` transformers knows, or
            that type's config refuses it.
    """
    if isinstance(given, PreTrainedConfig):
        return given
    if not isinstance(given, Mapping):
        refuse(f"tower {name!r}: config", given, "a vision config, as an object or a dict")
    fields = dict(given)
    model_type = fields.pop("model_type", None)
    if model_type not in CONFIG_MAPPING:
        expected = "a type of transformers, like 'clip_vision_model' or 'dinov2'"
        refuse(f"tower {name!r}: config.model_type", model_type, expected)
    try:
        return CONFIG_MAPPING[model_type](**fields)
    except StrictDataclassError as error:
        message = f"tower {name!r}: config is not one of type {model_type!r}: {error}"
        raise ValueError(message) from error


def show_all_patches(config: PreTrainedConfig) -> None:
    """Keep a ViT-MAE from dropping patches, which it does also when it is not trained."""
    if config.model_type == "vit_mae":
        config.mask_ratio = 0.0


def complete(given: Any, index: int, canvas_size: int) -> Tower:  # whatever was in the list
    """Return a tower with every field, ready for JSON; what was given is left as it is.

    Raises:
        ValueError: if a field is unknown, missing, or contradicts another.
    """
    if not isinstance(given, Mapping):
        refuse(f"towers[{index}]", given, f"a dict with the fields {', '.join(FIELDS)}")
    unknown = sorted(given.keys() - set(FIELDS))
    if unknown:
        refuse(f"a field of towers[{index}]", unknown[0], f"one of {', '.join(FIELDS)}")
    tower: Tower = {field: given.get(field) for field in FIELDS}
    name = tower["name"]
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        refuse(f"towers[{index}].name", name, "a name of letters, digits, '_' and '-'")
    if tower["config"] is not None:
        _complete_from_config(tower, canvas_size)
    if tower["feature_norm"] is None:
        tower["feature_norm"] = "none"
    _check(tower)
    return tower


def _complete_from_config(tower: Tower, canvas_size: int) -> None:
    name = tower["name"]
    config = copy.deepcopy(hf_config(tower["config"], name))
    show_all_patches(config)
    fields = config.to_diff_dict()  # as transformers writes a config inside another
    tower["config"] = {key: fields[key] for key in fields if key not in _OF_THIS_RUN}

    width = getattr(config, "hidden_size", None) or getattr(config, "num_features", None)
    if width is None:  # of a whole CLIP, for one
        expected = "a vision model's; a model of two halves has it as its vision_config"
        refuse(f"tower {name!r}: config.model_type", config.model_type, expected)
    _take(tower, "hidden_size", width)
    _take(tower, "patch_size", _side(getattr(config, "patch_size", None)))
    mean, std = STATS.get(config.model_type, IMAGENET_STATS)
    defaults = {"image_size": canvas_size, "feature_layer": -2, "mean": mean, "std": std}
    for field, default in defaults.items():
        if tower[field] is None:
            tower[field] = default
    _check_layer(name, tower["feature_layer"], getattr(config, "num_hidden_layers", None))
    for field in ("image_size", "patch_size", "hidden_size"):
        _check_count(tower, field)  # a timm model, for one, does not tell its patch size


def _take(tower: Tower, field: str, from_config: int | None) -> None:
    """Fill a field from the tower's config, or refuse another value than the config's."""
    if tower[field] is None:
        tower[field] = from_config
    elif from_config is not None and tower[field] != from_config:
        label = f"tower {tower['name']!r}: {field}"
        refuse(label, tower[field], f"{from_config}, as in its config")


def _side(size: Any) -> int | None:  # an int, or a pair of equal ones
    if isinstance(size, (list, tuple)):
        return size[0] if len(set(size)) == 1 else None
    return size if isinstance(size, int) else None


def _check_layer(name: str, layer: object, blocks: int | None) -> None:
    label = f"tower {name!r}: feature_layer"
    if not isinstance(layer, int) or isinstance(layer, bool):
        refuse(label, layer, "the number of a hidden state")
    if blocks is not None and not -blocks - 1 <= layer <= blocks:
        refuse(label, layer, f"a number from {-blocks - 1} to {blocks} for {blocks} blocks")


def _check_count(tower: Tower, field: str) -> None:
    if not is_count(tower[field]):
        why = "an integer of at least 1"
        if tower[field] is None:
            missing = "a precomputed tower" if tower["config"] is None else "this type of tower"
            why += f", which {missing} must give"
        refuse(f"tower {tower['name']!r}: {field}", tower[field], why)


def _check(tower: Tower) -> None:
    label = f"tower {tower['name']!r}"
    if tower["image_size"] is not None and tower["patch_size"] is not None:
        _set_grid(tower)
    for field in ("hidden_size", "grid_size"):
        _check_count(tower, field)
    if tower["feature_norm"] not in NORMS:
        refuse(f"{label}: feature_norm", tower["feature_norm"], f"one of {', '.join(NORMS)}")
    for field in ("mean", "std"):
        tower[field] = _channels(f"{label}: {field}", tower[field])


def _set_grid(tower: Tower) -> None:
    for field in ("image_size", "patch_size"):
        _check_count(tower, field)
    label = f"tower {tower['name']!r}"
    image_px, patch_px = tower["image_size"], tower["patch_size"]
    if image_px % patch_px:
        refuse(f"{label}: image_size", image_px, f"a multiple of patch_size {patch_px}")
    grid = image_px // patch_px
    if tower["grid_size"] not in (None, grid):
        expected = f"{grid}, which is image_size {image_px} / patch_size {patch_px}"
        refuse(f"{label}: grid_size", tower["grid_size"], expected)
    tower["grid_size"] = grid


def _channels(label: str, values: Any) -> list[float] | None:  # three numbers, or None
    if values is None:
        return None
    lists = isinstance(values, (list, tuple)) and len(values) == 3
    if not lists or not all(isinstance(value, (int, float)) for value in values):
        refuse(label, values, "three numbers, one a channel")
    if label.endswith("std") and min(values) <= 0:
        refuse(label, values, "three positive numbers")
    return [float(value) for value in values]
