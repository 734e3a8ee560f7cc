"""The text towers of transformers' dual encoders, with their tokenizers; how large a model is.

Put here: which models have one, how their texts are padded and cut, counting parameters.
Keep out: images and loading (`tasks.encoders.hf_models`), devices (`tasks.encoders.towers`).

SigLIP's towers were trained on texts padded to one length, with the padding seen; all others look
past it by their mask, so a text alone is not padded. A text longer than the tower is cut.

Shapes:
    B  texts in a pass    D  width of a vector
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from torch import Tensor

from tasks.encoders.files import tokenizer_files
from tasks.encoders.hf_models import class_of, load_model, projected, settings_of
from tasks.encoders.registry import Parameters, TextForward, Texts
from tasks.encoders.specs import Device, EncoderConfig, Spec
from tasks.encoders.towers import run_texts

SEE_PADDING: Final = ("siglip", "siglip2", "siglip_text_model")
IMAGE_PARTS: Final = ("vision_model.", "visual_projection.")
TEXT_PARTS: Final = ("text_model.", "text_projection.")


def find_texts(spec: Spec, folder: Path, config: EncoderConfig) -> Texts:
    """Find the text tower of a model.

    Raises:
        ValueError: if the model has none, or its folder has no tokenizer.
    """
    if not hasattr(class_of(settings_of(folder, config), folder, config), "get_text_features"):
        message = (
            f"encoder {spec.text!r} has no text tower to ask: its model does not match texts to "
            f"images; take a dual encoder, such as CLIP or SigLIP"
        )
        raise ValueError(message)
    return Texts(
        facts={},  # all is in config.json, which is among the facts of the images
        files=tokenizer_files(folder, config),
        module=__name__,
        build=partial(_build, spec, folder, config),
    )


def _build(spec: Spec, folder: Path, config: EncoderConfig, device: Device) -> TextForward:
    model = load_model(spec, folder, config)
    model.vision_model = None  # its memory is better used for texts
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=config.trust_remote_code
        )
    except (ImportError, KeyError, OSError, TypeError, ValueError) as error:
        message = f"transformers cannot read the tokenizer of encoder {config.spec!r}: {error}"
        raise ValueError(message) from error
    options = padding(model.config.to_dict(), tokenizer)
    taken = inspect.signature(model.get_text_features).parameters

    def encode(texts: Sequence[str], device: Device) -> Tensor:
        tokens = tokenizer(list(texts), truncation=True, return_tensors="pt", **options)
        known = {name: rows.to(device) for name, rows in tokens.items() if name in taken}
        return projected(model.get_text_features(**known), "text_embeds")

    return run_texts(model, encode, config, device)


def padding(settings: Mapping[str, Any], tokenizer: Any) -> dict[str, Any]:  # a tokenizer's options
    """Return how a model's texts are padded and cut, by its config.json."""
    text = settings.get("text_config") or settings
    longest = min(text.get("max_position_embeddings") or 77, tokenizer.model_max_length)
    if settings["model_type"] in SEE_PADDING:
        return {
            "padding": "max_length",
            "max_length": text["max_position_embeddings"],
            "return_attention_mask": False,
        }
    return {"padding": True, "max_length": longest}


def count_parameters(folder: Path, config: EncoderConfig) -> Parameters:
    """Count the parameters of a folder's model by its settings; nothing is allocated.

    Raises:
        ValueError: if transformers cannot build it.
    """
    settings = settings_of(folder, config)
    try:
        with torch.device("meta"):
            model = class_of(settings, folder, config)(settings)
    except (ImportError, KeyError, RuntimeError, TypeError) as error:
        message = f"transformers cannot build encoder {config.spec!r}: {error}"
        raise ValueError(message) from error
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    total = sum(sizes.values())
    if not hasattr(model, "get_text_features"):
        return Parameters(image=total, text=None, total=total)
    image, text = (
        sum(size for name, size in sizes.items() if name.startswith(parts))
        for parts in (IMAGE_PARTS, TEXT_PARTS)
    )
    return Parameters(image=image, text=text, total=total)
