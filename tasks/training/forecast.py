"""What a stage will take before it is begun: operations, time, memory, money.

Put here: counts that follow from a config, and what they come to on a device.
Keep out: measuring (`benchmarks`), the settings of recipes (`recipe`).
Source: 2 operations a weight and token forward, twice that backward (Kaplan et al. 2020, arXiv
2001.08361, 2.1), half of it where only activations pass; 34 bytes a token, width and block of
activations in 16 bits (Korthikanti et al. 2022, arXiv 2205.05198, 4.1).

Operations are those of the model; what activation checkpointing computes again costs time, which
is part of the share of the peak that is reached. That share is the estimate that matters most:
the published hours of LLaVA-1.5 on eight A100 come to 0.24 to 0.36.
"""

import math
from typing import Final, NamedTuple

import torch
from torch import nn

from tasks.mof import MofConfig, MofForConditionalGeneration
from tasks.training.settings import StageSettings

SHARE: Final = 0.25
STATE_BYTES: Final = 16
"""Of a number that is trained: weight, gradient and AdamW's two moments in float32."""
ACTIVATION_BYTES: Final = 34
LOGIT_BYTES: Final = 10
"""Of a logit: 16 bits, a copy in float32 for the loss, its gradient."""


class Device(NamedTuple):
    """A device by what it can do: operations a second in the dtype used, bytes, price an hour."""

    name: str
    peak: float
    memory_bytes: float
    price: float = 0.0


DEVICES: Final = {
    "a100": Device("A100 80 GB", 312e12, 80e9),
    "h100": Device("H100 80 GB", 989e12, 80e9),
    "h200": Device("H200", 989e12, 141e9),
}
"""Peaks in bfloat16 without sparsity, of the makers' data sheets."""


class Rows(NamedTuple):
    """How much there is to learn from: rows, and a row's mean of images and of tokens of text."""

    number: int
    images: float = 1.0
    text_tokens: float = 250.0


class Forecast(NamedTuple):
    """What a stage takes, over all processes; bytes are of one process."""

    steps: int
    tokens_per_row: float
    flop_per_row: float
    seconds: float
    state_bytes: float
    activation_bytes: float
    cost: float
    fits: bool

    def told(self) -> str:
        """Return the forecast for people."""
        gib = (self.state_bytes / 2**30, self.activation_bytes / 2**30)
        return (
            f"{self.steps:,} steps, {self.tokens_per_row:,.0f} tokens and "
            f"{self.flop_per_row / 1e12:,.1f} TFLOP a row: about {self.seconds / 3600:,.1f} hours"
            f"{f', {self.cost:,.0f} in money' if self.cost else ''}; a process needs about "
            f"{gib[0]:,.1f} GiB for weights and optimiser and {gib[1]:,.1f} GiB for activations"
            f"{'' if self.fits else ', which is more than its device has'}"
        )


class Size(NamedTuple):
    """The numbers in a model's parts; `words` is a table of words, read and not multiplied."""

    language: int
    head: int
    words: int
    projectors: int
    towers: int
    tied: bool


def size_of(config: MofConfig) -> Size:
    """Count a model's parameters without making them."""
    with torch.device("meta"):
        model = MofForConditionalGeneration(config)
    language = model.model.language_model
    words = language.get_input_embeddings().weight.numel()
    return Size(
        language=_count(language) - words,
        head=model.lm_head.weight.numel(),
        words=words,
        projectors=_count(model.model.multi_modal_projector),
        towers=_count(model.model.vision_tower),
        tied=bool(config.tie_word_embeddings),
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def forecast(
    config: MofConfig,
    settings: StageSettings,
    rows: Rows,
    device: Device,
    *,
    processes: int = 1,
    share: float = SHARE,
) -> Forecast:
    """Say what a stage will take.

    Args:
        config: of the model.
        settings: of the stage.
        rows: what it learns from.
        device: that each process has.
        processes: that train together.
        share: of the device's peak that is reached.

    Raises:
        ValueError: if the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        message = f"share of the peak is {share}, expected a number above 0 and at most 1"
        raise ValueError(message)
    size = size_of(config)
    tokens = rows.text_tokens + rows.images * config.image_seq_length
    flop = _flop(config, settings, size, rows, tokens)
    steps = settings.steps or math.ceil(rows.number * (settings.epochs or 1) / settings.batch)
    seconds = steps * settings.batch * flop / (processes * device.peak * share)
    states = _state_bytes(settings, size) / (processes if settings.sharded else 1)
    activations = settings.micro(processes) * tokens * _activation_bytes(config, settings)
    return Forecast(
        steps=steps,
        tokens_per_row=tokens,
        flop_per_row=flop,
        seconds=seconds,
        state_bytes=states,
        activation_bytes=activations,
        cost=processes * device.price * seconds / 3600,
        fits=states + activations < device.memory_bytes,
    )


def _flop(
    config: MofConfig, settings: StageSettings, size: Size, rows: Rows, tokens: float
) -> float:
    """Return a row's operations, forward and backward."""
    text = config.text_config
    learns = settings.stage in {"instruct", "full", "language"} and settings.lora is None
    weights = (6 if learns else 4) * (size.language + size.head) * tokens
    attention = 12 * text.num_hidden_layers * text.hidden_size * tokens**2 / 2  # half is masked
    patches = sum(tower["grid_size"] ** 2 for tower in config.vision_config.towers)
    each = patches / len(config.vision_config.towers)
    towers = (6 if settings.stage == "full" else 2) * size.towers * each * rows.images
    projectors = 6 * size.projectors * each * rows.images
    return float(weights + attention + towers + projectors)


def _state_bytes(settings: StageSettings, size: Size) -> float:
    language = size.language + size.words + (0 if size.tied else size.head)
    learnt = float(size.projectors)
    if settings.stage in {"instruct", "full", "language"} and settings.lora is None:
        learnt += language
    if settings.stage == "full":
        learnt += size.towers
    still = size.projectors + language + size.towers - learnt
    return STATE_BYTES * learnt + (2 if settings.bfloat16 else 4) * still


def _activation_bytes(config: MofConfig, settings: StageSettings) -> float:
    """Return the bytes of activations of a token."""
    text, wide = config.text_config, 1 if settings.bfloat16 else 2
    block = ACTIVATION_BYTES * text.hidden_size * wide
    if settings.checkpointing:  # what enters each block, and all of one
        blocks = 2 * text.hidden_size * wide * text.num_hidden_layers + block
    else:
        blocks = block * text.num_hidden_layers
    return float(blocks + LOGIT_BYTES * text.vocab_size)
