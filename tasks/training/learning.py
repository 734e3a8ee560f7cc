"""What of a model learns in a stage, and how its parts are held meanwhile.

Put here: choosing what is trained, low-rank adapters, halves of precision, layers to shard by.
Keep out: the stages' names (`tasks.mof`), the steps (`trainer`).
Source: Hu et al. 2021, arXiv 2106.09685 (LoRA).
"""

from typing import Any, Final, cast

import torch
from torch import nn

from tasks.mof import MofForConditionalGeneration
from tasks.mof.modeling_mof import Stage
from tasks.training.settings import StageSettings

PROJECTOR: Final = "multi_modal_projector"


def prepare(model: MofForConditionalGeneration, settings: StageSettings) -> nn.Module:
    """Choose what a stage trains of a model, in place, and return the model to train.

    With low-rank adapters that is another one around it; their first weights come from torch's
    random state.

    Raises:
        ValueError: if the stage trains no such model: `language` is for one without images.
        ImportError: if low-rank adapters are asked for and peft is not installed.
    """
    model.set_stage(cast("Stage", settings.stage))
    prepared: nn.Module = model if settings.lora is None else _with_lora(model, settings)
    if settings.bfloat16:
        # Computed in bfloat16 anyway; what learns stays in float32.
        for parameter in prepared.parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.to(torch.bfloat16)
    return prepared


def _with_lora(model: MofForConditionalGeneration, settings: StageSettings) -> nn.Module:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        message = "peft is not installed; install mmvp[lora], or train without lora"
        raise ImportError(message) from error
    lora = settings.lora
    assert lora is not None
    linear = [
        name
        for name, module in model.named_modules()
        if ".language_model." in name and isinstance(module, nn.Linear)
    ]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=linear,
        modules_to_save=[PROJECTOR],
    )
    wrapped: nn.Module = get_peft_model(model, config)
    return wrapped


def merge(model: nn.Module) -> MofForConditionalGeneration:
    """Return the model itself, with low-rank adapters added to its weights if it has any."""
    if isinstance(model, MofForConditionalGeneration):
        return model
    merged: MofForConditionalGeneration = model.merge_and_unload()  # type: ignore[operator]
    return merged


def sharding(model: Any) -> dict[str, Any]:  # any PreTrainedModel, or peft's around one
    """Return what transformers' TrainingArguments take to shard a model with FSDP2.

    Only the language model's blocks are units of their own. Towers and adapters stay in the root:
    a process whose batch is text alone does not run them, and the others would wait for it there.
    """
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    language = getattr(inner.model, "language_model", inner)
    blocks = sorted(language._no_split_modules or ())
    return {
        "fsdp": True,
        "fsdp_config": {"version": 2, "transformer_layer_cls_to_wrap": blocks},
    }
