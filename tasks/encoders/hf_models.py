"""Load a model of transformers, and tell which of its outputs is the image's vector.

Put here: reading weights into the right class, and the rule of `tasks.encoders.hf` for pooling.
Keep out: finding models (`tasks.encoders.hf`).

Shapes:
    B  images    T  tokens    D  width of a token    C, H, W  a feature map
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
import transformers
from torch import Tensor
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from tasks.encoders.hf_recipes import vision_settings
from tasks.encoders.specs import EncoderConfig, Spec
from tasks.encoders.towers import check_fit, read_state, seeded

TEXT_PARTS: Final = ("text_model.", "text_projection.", "logit_scale", "logit_bias")
"""What the image side of a two-tower model does without."""

Model: TypeAlias = Any  # one of transformers'
Settings: TypeAlias = Any  # its PretrainedConfig
Output: TypeAlias = Any  # what its forward pass returns


def load_model(spec: Spec, folder: Path, config: EncoderConfig) -> Model:
    """Load a folder's model, or one with weights from its FILE or from the seed.

    Raises:
        ValueError: if it cannot be built, or the weights do not fit.
    """
    options: dict[str, Any] = {}  # of the model's class
    transformers.utils.logging.disable_progress_bar()  # it would fill the workers' log
    try:
        settings = settings_of(folder, config)
        model_class = class_of(settings, folder, config)
        if "add_pooling_layer" in inspect.signature(model_class.__init__).parameters:
            options["add_pooling_layer"] = False  # untrained in most checkpoints, and not needed
        with seeded():
            if spec.is_random:
                return model_class(settings, **options)
            if spec.file:
                options["state_dict"] = read_state(spec.file, config)
            model, report = model_class.from_pretrained(
                None if spec.file else folder,
                config=settings,
                dtype=torch.float32,  # else the precision of the file, whatever that is
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # so that the report names them
                output_loading_info=True,
                **options,
            )
    except (ImportError, KeyError, OSError, RuntimeError, TypeError) as error:
        message = f"transformers cannot build encoder {config.spec!r}: {error}"
        raise ValueError(message) from error
    _check(model, report, config)
    return model


def image_vector(model: Model, image_px: int, config: EncoderConfig) -> Callable[[Tensor], Tensor]:
    """Return the function from pixels to one vector an image.

    Raises:
        ValueError: if the model has no such pooling.
    """
    is_two_tower = hasattr(model, "get_image_features")
    is_projected = is_two_tower or hasattr(model, "visual_projection")
    names = [name for name, _ in model.named_parameters()]
    has_cls = any(name.endswith("cls_token") for name in names)
    if (is_projected and config.pooling != "default") or (config.pooling == "cls" and not has_cls):
        message = (
            f"encoder {config.spec!r} cannot have pooling {config.pooling!r}: "
            f"{'its vector is its projected image embedding' if is_projected else 'no CLS token'}"
        )
        raise ValueError(message)
    run = model.get_image_features if is_two_tower else model
    settings = vision_settings(model.config.to_dict())
    parameters = inspect.signature(run if is_two_tower else model.forward).parameters
    options = {}
    if "interpolate_pos_encoding" in parameters and settings.get("image_size") != image_px:
        options["interpolate_pos_encoding"] = True
    prefix = sum(name.endswith(("cls_token", "distillation_token")) for name in names)
    prefix += settings.get("num_register_tokens") or 0

    def embed(pixels: Tensor) -> Tensor:
        output = run(pixel_values=pixels, **options)
        if is_projected:
            return projected(output, "image_embeds")
        if config.pooling == "mean":
            last: Tensor = output.last_hidden_state
            return last[:, prefix:].mean(1) if last.ndim == 3 else last.mean((2, 3))
        return _pooled(output, has_cls=has_cls)

    if is_two_tower:
        model.text_model = None  # its memory is better used for images
    return embed


def projected(output: Output, name: str) -> Tensor:
    """Return the projected embedding (B, D) of a tower's output, which may call it by `name`."""
    if isinstance(output, Tensor):
        return output
    embeds: Tensor | None = getattr(output, name, None)
    pooled: Tensor = output.pooler_output if embeds is None else embeds
    return pooled


def _pooled(output: Output, *, has_cls: bool) -> Tensor:
    if has_cls:
        last: Tensor = output.last_hidden_state
        return last[:, 0]
    pooled: Tensor | None = getattr(output, "pooler_output", None)
    if pooled is None:
        message = "it has neither a CLS token nor a pooled output; use pooling 'mean'"
        raise ValueError(message)
    return pooled.flatten(1)


def settings_of(folder: Path, config: EncoderConfig) -> Settings:
    """Read the settings of a folder's model.

    Raises:
        ValueError: if transformers cannot.
    """
    try:
        return transformers.AutoConfig.from_pretrained(
            folder, trust_remote_code=config.trust_remote_code, local_files_only=True
        )
    except (ImportError, KeyError, OSError, TypeError) as error:
        message = f"transformers cannot read the settings of encoder {config.spec!r}: {error}"
        raise ValueError(message) from error


def class_of(settings: Settings, folder: Path, config: EncoderConfig) -> Model:
    """Return the class of a folder's model."""
    addresses = getattr(settings, "auto_map", None) or {}
    if config.trust_remote_code and "AutoModel" in addresses:
        return get_class_from_dynamic_module(addresses["AutoModel"], str(folder))
    names = getattr(settings, "architectures", None) or [""]
    if names[0].endswith("VisionModelWithProjection") and hasattr(transformers, names[0]):
        return getattr(transformers, names[0])
    return transformers.MODEL_MAPPING[type(settings)]


def _check(model: Model, report: Mapping[str, Any], config: EncoderConfig) -> None:
    """Refuse weights that do not fit; heads for other tasks, and text towers, may differ."""
    parts = {name for name, _ in model.named_children()}
    start = f"{model.base_model_prefix}." if model.base_model_prefix else ""
    missing = list(report["missing_keys"])
    if hasattr(model, "get_image_features"):
        missing = [name for name in missing if not name.startswith(TEXT_PARTS)]
    check_fit(
        config,
        missing=missing,
        unexpected=[
            name
            for name in report["unexpected_keys"]
            if name.removeprefix(start).partition(".")[0] in parts
        ],
        reshaped=[name if isinstance(name, str) else name[0] for name in report["mismatched_keys"]],
    )
