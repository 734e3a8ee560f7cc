"""Train one stage of a model with transformers' Trainer.

Put here: the Trainer of ours, and one call that takes a model through a stage.
Keep out: data (`conversation`, `material`); the order of stages (`loop`).

On one thread of a CPU the same data, settings and seed give the same bits.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from tasks.training.conversation import Collator, TrainingSet
from tasks.training.settings import StageSettings


class MofTrainer(Trainer):  # type: ignore[misc] # transformers has no types
    """A Trainer that takes the rows of a training set in its own order."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)


class AtSteps(TrainerCallback):  # type: ignore[misc] # transformers has no types
    """Does something with the model after some of the steps."""

    def __init__(self, steps: Collection[int], do: Callable[[int], None]) -> None:
        self._steps = frozenset(steps)
        self._do = do

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Do it, if this is such a step."""
        if state.global_step in self._steps:
            self._do(state.global_step)


class Losses(TrainerCallback):  # type: ignore[misc] # transformers has no types
    """Collects the mean losses that the trainer tells, and has it tell that of the last steps."""

    def __init__(self) -> None:
        self.curve: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Take a line of metrics."""
        if "loss" in (logs or {}):
            self.curve.append(round(logs["loss"], 4))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a line after the last step."""
        if state.global_step == state.max_steps:
            control.should_log = True


def train_stage(  # noqa: PLR0913 # a stage is all of these
    model: PreTrainedModel,
    data: TrainingSet,
    settings: StageSettings,
    *,
    pad: int,
    seed: int,
    folder: Path | None = None,
    device: str = "cpu",
    callbacks: Sequence[TrainerCallback] = (),
) -> list[float]:
    """Take a model through a stage, in place; return its mean losses every `tell_every` steps.

    What is trained must be chosen before (`set_stage`). With one process and no checkpoints
    nothing is written.

    Args:
        model: the model.
        data: what it learns from.
        settings: how.
        pad: the token that fills rows up.
        seed: of whatever is drawn by lot.
        folder: where checkpoints lie, if the settings ask for some.
        device: cpu, or what torch finds.
        callbacks: see what happens, step by step.
    """
    losses = Losses()
    arguments = settings.arguments(folder, seed=seed, processes=1)
    with torch.random.fork_rng(devices=[]):
        trainer = MofTrainer(
            model=model,
            args=TrainingArguments(**arguments, use_cpu=device == "cpu"),
            train_dataset=data,
            data_collator=Collator(pad),
            callbacks=[losses, *callbacks],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    model.zero_grad()
    return losses.curve
