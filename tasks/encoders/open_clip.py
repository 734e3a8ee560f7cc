"""CLIP models by way of open_clip: the projected image embedding.

Put here: finding open_clip's models and weights, its preprocessing, its loading.
Keep out: what all libraries' models share (`tasks.encoders.towers`).

Models: a name of `open_clip.list_models()` with the tag of its weights, `ViT-L-14/openai`; or a
folder with `open_clip_config.json` and safetensors weights, `local-dir:/path`; or such a folder on
the hub, `hf-hub:org/name`. With a tag and a FILE, the file takes the place of the tag's weights and
the tag decides the rest.

A tag decides the activation too: OpenAI's weights need QuickGELU, and with the plain model name
open_clip itself only warns and goes on without. For images, nothing of the text tower is needed or
checked; that is `open_clip_texts`, beside this file.

Source: Radford et al. 2021 (arXiv:2103.00020); the paper mines with ViT-L-14/openai.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

import open_clip
from open_clip.convert import convert_state_dict
from open_clip.model import CLIP, resize_pos_embed
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor, nn

from tasks.encoders.files import check_pickle, hub_file, hub_folder
from tasks.encoders.recipes import OPENAI_MEAN, OPENAI_STD, Recipe
from tasks.encoders.registry import SEED, Forward, Source
from tasks.encoders.specs import Device, EncoderConfig, Spec, refuse
from tasks.encoders.towers import load_state, read_state, run_on, seeded

WEIGHTS: Final = "open_clip_model.safetensors"
PICKLED: Final = "open_clip_pytorch_model.bin"
BESIDE: Final = "tasks.encoders.open_clip_texts"
SIDE: Final = 224
"""open_clip's input side where a model's config names none."""

NO_TEXT: Final = {"context_length": 4, "vocab_size": 4, "width": 64, "heads": 1, "layers": 1}
"""Stands in for the text tower, which would cost memory, and for some models a download."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    label: str
    facts: Mapping[str, Any]  # JSON values
    settings: dict[str, Any]  # open_clip's model config
    preprocessing: Mapping[str, Any]  # open_clip's preprocess config
    file: Path | None
    folder: Path | None = None


def find(spec: Spec, config: EncoderConfig) -> Source:
    """Find a model of open_clip.

    Raises:
        ValueError: if there is no such model or tag, or its weights cannot be had.
    """
    if config.pooling != "default":
        message = (
            f"encoder {spec.text!r} cannot have pooling {config.pooling!r}; a CLIP's vector is its "
            f"projected image embedding, pooling 'default'"
        )
        raise ValueError(message)
    schema = next((s for s in ("local-dir:", "hf-hub:") if spec.model.startswith(s)), None)
    found = _in_folder(spec, schema, config) if schema else _packaged(spec, config)
    if found.file:
        check_pickle(found.file, config)
    vision = found.settings["vision_cfg"]
    recipe = _recipe(spec, vision.get("image_size", SIDE), found.preprocessing)
    recipe = recipe.at(config.image_px)

    def build(device: Device) -> Forward:
        return _build(found, recipe, config, device)

    def beside(function: str, *arguments: Any) -> Any:  # so that images' names do not cover it
        return resolve_name(f"{BESIDE}:{function}")(found.settings, *arguments, config)

    architecture = {k: v for k, v in found.settings.items() if k != "text_cfg"}
    return Source(
        label=f"{found.label} random" if spec.is_random else found.label,
        facts={
            **found.facts,
            "architecture": architecture,
            "seed": None if found.file else SEED,
        },
        recipe=recipe,
        files=[found.file] if found.file else [],
        packages=["open_clip_torch", *(["timm"] if "timm_model_name" in vision else [])],
        build=build,
        find_texts=partial(beside, "find_texts", found.file, found.folder),
        count=partial(beside, "count_parameters"),
    )


def _packaged(spec: Spec, config: EncoderConfig) -> _Found:
    name, _, tag = spec.model.partition("/")
    settings = open_clip.get_model_config(name)
    if settings is None:
        refuse("open_clip model", name, open_clip.list_models())
    cfg = get_pretrained_cfg(name, tag) if tag else {}
    tags = list_pretrained_tags_by_model(name)
    if tag and not cfg:
        refuse(f"weights tag of open_clip's {name}", tag, tags, hint="; or 'random'")
    if not (tag or spec.is_random or spec.file):
        message = (
            f"encoder {spec.text!r} names no weights; add a tag, for instance "
            f"'{spec.text}/{tags[0] if tags else 'random'}', or '@FILE' (known: "
            f"{', '.join(tags) or 'none'})"
        )
        raise ValueError(message)
    if cfg:
        settings["quick_gelu"] = bool(cfg.get("quick_gelu", False))
    file = spec.file
    if tag and file is None and not spec.is_random:
        repo, _, filename = cfg.get("hf_hub", "").rpartition("/")
        if not repo:
            message = f"the weights of encoder {spec.text!r} are not on the hub; add '@FILE'"
            raise ValueError(message)
        names = [WEIGHTS, PICKLED]
        if filename:
            names = [str(Path(filename).with_suffix(".safetensors")), filename]
        file = hub_file(repo, names, config)
    return _Found(
        label=f"{name} {tag}".strip(),
        facts={"model": name, "tag": tag or None},
        settings=settings,
        preprocessing=cfg,
        file=file,
    )


def _in_folder(spec: Spec, schema: str, config: EncoderConfig) -> _Found:
    place = spec.model.removeprefix(schema)
    is_hub = schema == "hf-hub:"
    folder = hub_folder(place, WEIGHTS, config) if is_hub else Path(place).expanduser()
    try:
        contents = json.loads((folder / "open_clip_config.json").read_text())
        settings = contents["model_cfg"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"folder {str(folder)!r} of encoder {spec.text!r} has no open_clip_config.json "
            f"with 'model_cfg' ({error})"
        )
        raise ValueError(message) from error
    file = spec.file
    if file is None and not spec.is_random:
        file = folder / WEIGHTS
        if not file.is_file():
            message = f"encoder {spec.text!r} has no {WEIGHTS!r} in its folder; add it, or '@FILE'"
            raise ValueError(message)
    return _Found(
        label=place if is_hub else "folder",
        facts={},
        settings=settings,
        preprocessing=contents.get("preprocess_cfg", {}),
        file=file,
        folder=None if is_hub else folder,
    )


def _recipe(spec: Spec, side: int | list[int], preprocessing: Mapping[str, Any]) -> Recipe:
    sides = {side} if isinstance(side, int) else set(side)
    mode = preprocessing.get("resize_mode") or "shortest"
    if len(sides) != 1 or mode not in {"shortest", "squash"}:
        message = (
            f"encoder {spec.text!r} takes images of {side} px resized by {mode!r}; only squares, "
            f"'shortest' and 'squash' are known here"
        )
        raise ValueError(message)
    (square,) = sides
    bilinear = preprocessing.get("interpolation") == "bilinear"  # open_clip: else bicubic
    return Recipe(
        resize_px=square,
        crop_px=square,
        resize="squash" if mode == "squash" else "shortest",
        interpolation="bilinear" if bilinear else "bicubic",
        mean=tuple(preprocessing.get("mean") or OPENAI_MEAN),
        std=tuple(preprocessing.get("std") or OPENAI_STD),
    )


def _build(found: _Found, recipe: Recipe, config: EncoderConfig, device: Device) -> Forward:
    visual = _visual(found, config.image_px, config)

    def embed(pixels: Tensor) -> Tensor:
        rows = visual(pixels)
        pooled_BD: Tensor = rows[0] if isinstance(rows, tuple) else rows  # CoCa: and the tokens
        return pooled_BD

    return run_on(visual, embed, config, device, recipe)


def _visual(found: _Found, image_px: int | None, config: EncoderConfig) -> nn.Module:
    vision = {**found.settings["vision_cfg"]}
    is_timm = "timm_model_name" in vision
    if is_timm:
        vision["timm_model_pretrained"] = False  # the weights come below
    elif image_px:
        vision["image_size"] = image_px
    quick_gelu = bool(found.settings.get("quick_gelu", False))
    try:
        with seeded():
            model = CLIP(found.settings["embed_dim"], vision, NO_TEXT, quick_gelu=quick_gelu)
        if found.file:
            state = convert_state_dict(model, read_state(found.file, config))
            if image_px:
                resize_pos_embed(state, model)
            start = "visual."
            mine = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            load_state(model.visual, mine, config)
        if is_timm and image_px:
            model.visual.set_input_size(image_px)
    except (AssertionError, AttributeError, RuntimeError, TypeError) as error:
        message = f"open_clip cannot build encoder {config.spec!r}: {error}"
        raise ValueError(message) from error
    visual: nn.Module = model.visual
    return visual
