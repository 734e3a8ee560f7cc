"""Minimise a loss: AdamW, a linear warm-up, a cosine, gradients of bounded length.

Put here: what every training of ours shares: groups of parameters, schedule, steps.
Keep out: losses and data (`tasks.tiny_training`, `tasks.training`).
"""

import logging
import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

REST: Final = 0.02
"""Share of the learning rate that the cosine ends at."""
SCALAR_BOOST: Final = 5.0
"""How much faster single numbers learn: CLIP's temperature, else still on its way at the end."""
TOLD_STEPS: Final = 100


def minimise(
    module: nn.Module,
    loss_at: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    decay: float,
    warm_up: int,
) -> list[float]:
    """Take `steps` steps down `loss_at(step)` and return the losses' means over every 100 steps.

    Matrices decay; biases, norms and single numbers do not.
    """
    every = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in every if p.ndim >= 2], "weight_decay": decay, "boost": 1.0},
        {"params": [p for p in every if p.ndim == 1], "weight_decay": 0.0, "boost": 1.0},
        {"params": [p for p in every if p.ndim == 0], "weight_decay": 0.0, "boost": SCALAR_BOOST},
    ]
    optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=(0.9, 0.98))
    curve: list[float] = []
    total, counted = 0.0, 0
    for step in range(steps):
        share = schedule(step, steps, warm_up)
        for group in optimiser.param_groups:
            group["lr"] = rate * share * group["boost"]
        loss = loss_at(step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(every, 1.0)
        optimiser.step()
        total, counted = total + loss.item(), counted + 1
        if counted == TOLD_STEPS or step == steps - 1:
            curve.append(round(total / counted, 4))
            log.info("step %d of %d: loss %.3f", step + 1, steps, curve[-1])
            total, counted = 0.0, 0
    return curve


def schedule(step: int, steps: int, warm_up: int) -> float:
    """Return the share of the learning rate at a step: up in `warm_up` steps, then a cosine."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / warm_up) * (REST + (1 - REST) * cosine)
