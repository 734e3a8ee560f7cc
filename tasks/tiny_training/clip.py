"""Train the tiny CLIP on scenes and captions, with open_clip's model and loss.

Put here: which captions an arm of the study trains on, and the training.
Keep out: the architecture (`tasks.encoders.tiny_models`), words (`tasks.encoders.tiny_words`).
Source: Radford et al. 2021, arXiv 2103.00020; Tong et al. 2024, arXiv 2401.06209, section 2.
"""

import math
import random
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from tasks.encoders.tiny_models import tiny_clip
from tasks.encoders.tiny_words import Words
from tasks.optimiser import minimise
from tasks.scenes import caption, caption_words
from tasks.tiny_training.pictures import (
    choose_batch,
    crop,
    load_pictures,
    load_scenes,
    normalise,
)

HIGHEST_SCALE = math.log(100)
FIRST_TEMPERATURE = 0.03


class ClipTraining(BaseModel):
    """How a tiny CLIP is trained; two arms of the study differ in the captions alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pattern_share: float = Field(default=0.05, ge=0, le=1)
    """How often a caption names each of the nine patterns."""

    is_about_another: bool = False
    """Whether captions name the nine as they are in another scene: as long, without information."""

    seed: int = 0
    """Of the first weights, the batches, the crops and the captions."""

    pictures: int = Field(default=20_000, ge=2)
    """Scenes to learn from."""

    picture_seed: int = 1
    """Which scenes: those of this seed."""

    steps: int = Field(default=800, ge=1)
    """Optimiser steps."""

    batch: int = Field(default=128, ge=2)
    """Pictures a step."""

    rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate."""

    decay: float = Field(default=0.1, ge=0)
    """Weight decay."""

    warm_up: int = Field(default=50, ge=1)
    """Steps until the learning rate is at its highest."""


def train_clip(config: ClipTraining, cache: Path) -> tuple[nn.Module, list[float]]:
    """Train from scratch; return the model and the mean loss of every 100 steps.

    On one thread the same config gives the same bits.
    """
    from open_clip.loss import ClipLoss

    pictures_NSSC = load_pictures(cache, config.picture_seed, config.pictures)
    scenes = load_scenes(config.picture_seed, config.pictures)
    words = Words(caption_words())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model: Any = tiny_clip(len(words))
    model.logit_scale.data.fill_(math.log(1 / FIRST_TEMPERATURE))
    chance, wording = torch.Generator().manual_seed(config.seed), random.Random(config.seed)
    contrast = ClipLoss()

    def loss_at(step: int) -> Tensor:
        chosen = choose_batch(config.seed, step, len(scenes), config.batch)
        pixels = crop(normalise(pictures_NSSC[chosen]), (0.8, 1.0), (0.85, 1.18), chance)
        said = [
            caption(
                scenes[number],
                wording,
                pattern_share=config.pattern_share,
                is_about_another=config.is_about_another,
            )
            for number in chosen
        ]
        model.logit_scale.data.clamp_(0, HIGHEST_SCALE)
        images = functional.normalize(model.encode_image(pixels), dim=-1)
        texts = functional.normalize(model.encode_text(words.tokens(said)), dim=-1)
        loss: Tensor = contrast(images, texts, model.logit_scale.exp())
        return loss

    curve = minimise(
        model.train(),
        loss_at,
        steps=config.steps,
        rate=config.rate,
        decay=config.decay,
        warm_up=config.warm_up,
    )
    return model.eval(), curve
