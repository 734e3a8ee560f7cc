"""The text towers of open_clip's models, with their tokenizers; and how large a model is.

Put here: building a text tower without the images' one, finding its tokenizer, counting.
Keep out: images (`tasks.encoders.open_clip`); devices (`tasks.encoders.towers`).

A tokenizer is open_clip's own, or one of the hub that the model's settings name; that is taken from
the hub's cache, or from the model's folder where it is a folder.

Shapes:
    B  texts in a pass    D  width of a vector
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from open_clip.coca_model import CoCa
from open_clip.convert import convert_state_dict
from open_clip.model import CLIP, CustomTextCLIP, convert_to_custom_text_state_dict
from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer
from torch import Tensor

from tasks.encoders.files import hub_folder, tokenizer_files
from tasks.encoders.registry import Parameters, TextForward, Texts
from tasks.encoders.specs import Device, EncoderConfig
from tasks.encoders.towers import load_state, read_state, run_texts, seeded

NO_IMAGES: Final = {"image_size": 32, "patch_size": 32, "width": 64, "layers": 1}
"""Stands in for the image tower, which would cost memory."""

NEITHER: Final = ("text_decoder.", "logit_")
"""What of a model is part of neither tower."""

Settings = Mapping[str, Any]  # open_clip's model config


def find_texts(
    settings: Settings, file: Path | None, local: Path | None, config: EncoderConfig
) -> Texts:
    """Find the text tower of a model; `local` is its folder if it is one.

    Raises:
        ValueError: if its tokenizer cannot be had.
    """
    text = dict(settings.get("text_cfg") or {})
    folder, files = None, []
    if name := text.get("hf_tokenizer_name"):
        folder = local or hub_folder(name, "tokenizer*", config)
        files = tokenizer_files(folder, config)
    return Texts(
        facts={"text_cfg": text, "quick_gelu": bool(settings.get("quick_gelu", False))},
        files=files,
        module=__name__,
        build=partial(_build, settings, file, folder, config),
    )


def _build(
    settings: Settings,
    file: Path | None,
    tokenizer_folder: Path | None,
    config: EncoderConfig,
    device: Device,
) -> TextForward:
    text = _offline(settings["text_cfg"])
    quick_gelu = bool(settings.get("quick_gelu", False))
    try:
        with seeded():
            model = CustomTextCLIP(settings["embed_dim"], NO_IMAGES, text, quick_gelu=quick_gelu)
        tokenizer: Any = _tokenizer(text, tokenizer_folder)
        if file:
            state = convert_state_dict(model, read_state(file, config))
            start = "text."
            state = convert_to_custom_text_state_dict(state)
            mine = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            load_state(model.text, mine, config)
    except (AssertionError, AttributeError, OSError, RuntimeError, TypeError) as error:
        message = f"open_clip cannot build the text tower of encoder {config.spec!r}: {error}"
        raise ValueError(message) from error

    def encode(texts: Sequence[str], device: Device) -> Tensor:
        rows = model.text(tokenizer(list(texts)).to(device))
        pooled_BD: Tensor = rows[0] if isinstance(rows, tuple) else rows  # CoCa: and the tokens
        return pooled_BD

    return run_texts(model.text, encode, config, device)


def _offline(text: Settings) -> dict[str, Any]:
    """Return settings of a text tower whose weights come from the file, not from the hub."""
    return {**text} | ({"hf_model_pretrained": False} if text.get("hf_model_name") else {})


def _tokenizer(text: Settings, folder: Path | None) -> Any:  # one of open_clip's
    length = text.get("context_length", DEFAULT_CONTEXT_LENGTH)
    options = text.get("tokenizer_kwargs", {})
    if folder is None:
        return SimpleTokenizer(context_length=length, **options)
    mode = text.get("tokenizer_mode")
    return HFTokenizer(str(folder), context_length=length, tokenizer_mode=mode, **options)


def count_parameters(settings: Settings, config: EncoderConfig) -> Parameters:
    """Count the parameters of a model by its settings; nothing is allocated.

    Raises:
        ValueError: if it cannot be built, or the settings of its language model cannot be had.
    """
    settings = dict(settings)
    text = _offline(settings["text_cfg"])
    vision = {**settings["vision_cfg"]}
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    is_custom = settings.pop("custom_text", False) or "hf_model_name" in text
    kind = (CoCa if "multimodal_cfg" in settings else CustomTextCLIP) if is_custom else CLIP
    try:
        with torch.device("meta"):
            model = kind(**settings | {"vision_cfg": vision, "text_cfg": text})
    except (AssertionError, AttributeError, OSError, RuntimeError, TypeError) as error:
        message = f"open_clip cannot build encoder {config.spec!r}: {error}"
        raise ValueError(message) from error
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    image = sum(size for name, size in sizes.items() if name.startswith("visual."))
    neither = sum(size for name, size in sizes.items() if name.startswith(NEITHER))
    total = sum(sizes.values())
    return Parameters(image=image, text=total - image - neither, total=total)
