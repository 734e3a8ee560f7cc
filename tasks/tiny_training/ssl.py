"""Train the tiny self-supervised encoder (SimCLR) on scenes: no captions, no labels, no mirroring.

Put here: two views of a picture, the projector, the training, the mean of the vectors.
Keep out: the architecture (`tasks.encoders.tiny_models`).
Source: Chen et al. 2020, arXiv 2002.05709; the loss is lightly's NT-Xent.

It is not a DINO: with as few pictures, self-distillation taught it nothing but the viewpoint.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from tasks.encoders.tiny_models import tiny_ssl
from tasks.encoders.tiny_stem import WIDTH
from tasks.optimiser import minimise
from tasks.tiny_training.pictures import choose_batch, crop, load_pictures, normalise, recolour

PROJECTOR = (256, 128)


class SslTraining(BaseModel):
    """How the tiny self-supervised encoder is trained: two rounds, the second sharper."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int = 0
    """Of the first weights, the batches and the views."""

    pictures: int = Field(default=20_000, ge=2)
    """Scenes to learn from."""

    picture_seed: int = 1
    """Which scenes: those of this seed."""

    steps: tuple[int, int] = (300, 400)
    """Optimiser steps of the two rounds."""

    temperatures: tuple[float, float] = (0.1, 0.07)
    """Of the contrast, in the two rounds."""

    batch: int = Field(default=192, ge=2)
    """Pictures a step, two views each."""

    rate: float = Field(default=1e-3, gt=0)
    """Highest learning rate of each round."""

    decay: float = Field(default=0.04, ge=0)
    """Weight decay."""

    warm_up: int = Field(default=40, ge=1)
    """Steps of each round until the learning rate is at its highest."""


def train_ssl(config: SslTraining, cache: Path) -> tuple[nn.Module, Tensor, list[float]]:
    """Train from scratch; return the model, its mean vector (96,), and the losses.

    The mean is over the pictures that it was trained on: it belongs to the weights. On one thread
    the same config gives the same bits.
    """
    from lightly.loss import NTXentLoss

    pictures_NSSC = load_pictures(cache, config.picture_seed, config.pictures)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = tiny_ssl()
        projector = nn.Sequential(
            nn.Linear(WIDTH, PROJECTOR[0]),
            nn.BatchNorm1d(PROJECTOR[0]),
            nn.ReLU(),
            nn.Linear(*PROJECTOR),
        )
    both = nn.ModuleList([model, projector]).train()
    chance = torch.Generator().manual_seed(config.seed)
    curve: list[float] = []
    done = 0
    for steps, temperature in zip(config.steps, config.temperatures, strict=True):
        contrast = NTXentLoss(temperature)

        def loss_at(step: int, first: int = done, contrast: nn.Module = contrast) -> Tensor:
            chosen = choose_batch(config.seed, first + step, config.pictures, config.batch)
            pixels = normalise(pictures_NSSC[chosen])
            views = torch.cat([_view(pixels, chance), _view(pixels, chance)])
            vectors = projector(model(pixel_values=views).last_hidden_state[:, 0])
            loss: Tensor = contrast(*vectors.chunk(2))
            return loss

        curve += minimise(
            both, loss_at, steps=steps, rate=config.rate, decay=config.decay, warm_up=config.warm_up
        )
        done += steps
    model.eval()
    return model, _mean_vector(model, pictures_NSSC), curve


def _view(pixels_BCSS: Tensor, chance: torch.Generator) -> Tensor:
    return recolour(crop(pixels_BCSS, (0.6, 1.0), (0.85, 1.18), chance), chance)


def _mean_vector(model: nn.Module, pictures_NSSC: NDArray[np.uint8]) -> Tensor:
    with torch.inference_mode():
        parts = [
            model(pixel_values=normalise(pictures_NSSC[start : start + 256])).last_hidden_state[
                :, 0
            ]
            for start in range(0, len(pictures_NSSC), 256)
        ]
    return torch.cat(parts).double().mean(0).float()
