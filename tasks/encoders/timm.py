"""Image models by way of timm: what goes into the classifier.

Put here: finding timm's models and weights, its preprocessing, its loading, pooling.
Keep out: what all libraries' models share (`tasks.encoders.towers`).

Models: a name of timm's with or without the tag of its weights, `vit_base_patch16_224.mae`,
`resnet18`. Pooling `default` is the model's own, just before its classifier: the final-norm CLS
token of most transformers, the pooled features of a convnet. A FILE may lack the classifier, or
have one for other classes; nothing else may differ.

Shapes:
    B  images    T  tokens    D  width of a token    C, H, W  a feature map
"""

from collections.abc import Callable, Mapping
from math import floor
from pathlib import Path
from typing import Any, Final, TypeAlias

import timm
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg
from torch import Tensor

from tasks.encoders.files import check_pickle, hub_file
from tasks.encoders.recipes import Recipe
from tasks.encoders.registry import SEED, Forward, Source
from tasks.encoders.specs import Device, EncoderConfig, Spec, refuse
from tasks.encoders.towers import read_state, run_on, seeded

PICKLED: Final = "pytorch_model.bin"
SAFE_NAMES: Final = {
    PICKLED: "model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}

Model: TypeAlias = Any  # one of timm's


def find(spec: Spec, config: EncoderConfig) -> Source:
    """Find a model of timm.

    Raises:
        ValueError: if there is no such model or tag, or its weights cannot be had.
    """
    cfg = _pretrained_cfg(spec)
    recipe = _recipe(spec, cfg).at(config.image_px)
    file = None if spec.is_random else spec.file or _hub_weights(spec, cfg, config)
    if file:
        check_pickle(file, config)

    def build(device: Device) -> Forward:
        model = _build(spec, cfg, file, config)
        return run_on(model, _pooled(model, config), config, device, recipe)

    name = cfg["architecture"] + (f".{cfg['tag']}" if cfg.get("tag") else "")
    return Source(
        label=f"{name} random" if spec.is_random else name,
        facts={
            "model": cfg["architecture"],
            "tag": cfg.get("tag"),
            "seed": None if file else SEED,
        },
        recipe=recipe,
        files=[file] if file else [],
        packages=["timm"],
        build=build,
    )


def _pretrained_cfg(spec: Spec) -> Mapping[str, Any]:  # timm's settings of a model and its weights
    architecture, _, tag = spec.model.partition(".")
    if not timm.is_model(architecture):
        refuse("timm model", architecture, timm.list_models())
    try:
        found = get_pretrained_cfg(spec.model)
    except RuntimeError:
        known = timm.list_models(f"{architecture}.*", pretrained=True)
        tags = [name.partition(".")[2] for name in known]
        refuse(f"weights tag of timm's {architecture}", tag, tags)
    return {"architecture": architecture, **(found.to_dict() if found else {})}


def _recipe(spec: Spec, cfg: Mapping[str, Any]) -> Recipe:
    settings = resolve_data_config(pretrained_cfg=cfg)
    channels, height, width = settings["input_size"]
    mode = {"center": "shortest", "squash": "squash"}.get(settings["crop_mode"])
    interpolation = settings["interpolation"]
    if channels != 3 or height != width or mode is None or interpolation not in _INTERPOLATIONS:
        message = (
            f"encoder {spec.text!r} takes {height} x {width} px, {channels} channels, "
            f"{settings['crop_mode']!r} crops, {interpolation!r} resizing; only RGB squares, "
            f"'center' or 'squash' and 'bicubic' or 'bilinear' are known here"
        )
        raise ValueError(message)
    return Recipe(
        resize_px=floor(height / settings["crop_pct"]),
        crop_px=height,
        resize="squash" if mode == "squash" else "shortest",
        interpolation=interpolation,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
    )


_INTERPOLATIONS: Final = ("bicubic", "bilinear")


def _hub_weights(spec: Spec, cfg: Mapping[str, Any], config: EncoderConfig) -> Path:
    repo, filename = cfg.get("hf_hub_id"), cfg.get("hf_hub_filename") or PICKLED
    if not repo:
        message = f"timm has no weights on the hub for {spec.text!r}; add '/random' or '@FILE'"
        raise ValueError(message)
    safe = SAFE_NAMES.get(filename, str(Path(filename).with_suffix(".safetensors")))
    return hub_file(repo, [safe, filename], config)


def _build(spec: Spec, cfg: Mapping[str, Any], file: Path | None, config: EncoderConfig) -> Model:
    size: dict[str, Any] = {}  # of timm.create_model
    if config.image_px and cfg.get("fixed_input_size"):
        size["img_size"] = config.image_px
    try:
        with seeded():
            return _create(spec, cfg, file, config, size)
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        message = (
            f"timm cannot build encoder {config.spec!r}, "
            f"or its weights are not those of its architecture: {' '.join(lines)[:600]}"
        )
        raise ValueError(message) from error


def _create(
    spec: Spec,
    cfg: Mapping[str, Any],
    file: Path | None,
    config: EncoderConfig,
    size: Mapping[str, Any],
) -> Model:
    if file is None:
        return timm.create_model(spec.model, pretrained=False, **size)
    state = read_state(file, config)
    whole = {"state_dict": dict(state), "custom_load": False}
    try:
        return timm.create_model(spec.model, pretrained=True, pretrained_cfg_overlay=whole, **size)
    except RuntimeError as error:
        names = cfg.get("classifier") or ()
        heads = (names,) if isinstance(names, str) else tuple(names)
        body = {k: v for k, v in state.items() if k.rpartition(".")[0] not in heads}
        headless = {"state_dict": body, "custom_load": False, "num_classes": 0}
        try:
            return timm.create_model(
                spec.model, pretrained=True, pretrained_cfg_overlay=headless, num_classes=0, **size
            )
        except RuntimeError:
            raise error from None


def _pooled(model: Model, config: EncoderConfig) -> Callable[[Tensor], Tensor]:
    prefix = getattr(model, "num_prefix_tokens", 0)
    is_last = getattr(model, "output_fmt", "NCHW") == "NHWC"

    def default(pixels: Tensor) -> Tensor:
        features = model.forward_features(pixels)
        pooled_BD: Tensor = model.forward_head(features, pre_logits=True).flatten(1)
        return pooled_BD

    def cls(pixels: Tensor) -> Tensor:
        features_BTD: Tensor = model.forward_features(pixels)
        if features_BTD.ndim != 3 or not prefix:
            message = "it has no CLS token; use pooling 'default' or 'mean'"
            raise ValueError(message)
        return features_BTD[:, 0]

    def mean(pixels: Tensor) -> Tensor:
        features: Tensor = model.forward_features(pixels)
        if features.ndim == 3:
            return features[:, prefix:].mean(1)
        return features.mean((1, 2) if is_last else (2, 3))

    return {"default": default, "cls": cls, "mean": mean}[config.pooling]
