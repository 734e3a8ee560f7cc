"""Train one stage of a model with transformers' Trainer.

Put here: the Trainer of ours, and one call that takes a model through a stage.
Keep out: data (`conversation`, `material`); the order of stages (`loop`); processes (`run`).

On one kind of machine, with one thread of a CPU or one kind of GPU, the same data, settings, seed
and number of processes give the same bits, however often the training was killed and resumed.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from tasks.training import checkpoints
from tasks.training.checkpoints import MadeOf
from tasks.training.conversation import Collator, Row, TrainingSet
from tasks.training.faults import check_finite, short_memory
from tasks.training.learning import sharding
from tasks.training.metrics import Work
from tasks.training.sampler import LengthModalitySampler, OrderedSampler, Rows
from tasks.training.settings import StageSettings


class NumberedCollator(Collator):
    """Batches that say which rows they hold, and how many tokens."""

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the batch of these rows."""
        batch = super().__call__(rows)
        batch["rows"] = [row["number"] for row in rows]
        batch["tokens"] = sum(len(row["input_ids"]) for row in rows)
        return batch


class MofTrainer(Trainer):  # type: ignore[misc] # transformers has no types
    """A Trainer with our order of rows, our checkpoints, and words for what goes wrong."""

    def __init__(self, *, settings: StageSettings, made_of: MadeOf, work: Work, **of: Any) -> None:
        super().__init__(**of)
        self._settings, self._made_of, self._work = settings, made_of, work
        self._part: Path | None = None
        self._rows: list[int] = []
        self._losses: list[Tensor] = []
        self._order: OrderedSampler | LengthModalitySampler | None = None

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        rows: Rows = self.train_dataset if train_dataset is None else train_dataset
        if self._settings.order == "alike":
            self._order = LengthModalitySampler(rows.data, self._settings.batch, self.args.seed)
        else:
            self._order = OrderedSampler(rows.data, self._settings.batch)
        return self._order

    def _run_epoch(self, **of: Any) -> None:
        # accelerate does not reach the sampler of a resumed epoch with several processes.
        assert self._order is not None
        self._order.set_epoch(of["epoch"])
        super()._run_epoch(**of)

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        """Learn from a micro-batch.

        Raises:
            ShortMemoryError: if there is not enough memory.
        """
        self._rows += inputs.pop("rows")
        self._work.tokens += inputs.pop("tokens")
        images = inputs.get("pixel_values", (inputs.get("image_features") or [()])[0])
        self._work.images += len(images)
        shape = tuple(inputs["input_ids"].shape)
        try:
            loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
        except torch.OutOfMemoryError as error:
            step = self.state.global_step + 1
            raise short_memory(self._settings, step, self.args.device, shape) from error
        self._losses.append(loss)
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        loss = torch.stack(self._losses).sum().item()
        check_finite(self._settings, self.state.global_step + 1, loss, float(norm), self._rows)
        self._rows, self._losses = [], []
        return norm

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._part or self.args.output_dir)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        if self.args.should_save:
            checkpoints.begin(folder)
        self.accelerator.wait_for_everyone()
        self._part = folder / checkpoints.PART
        super()._save_checkpoint(model, trial)
        self._part = None
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            checkpoints.finish(folder, self.state.global_step, self._made_of)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.args.should_save:
            model = self.accelerator.unwrap_model(self.model)
            place = Path(output_dir or self.args.output_dir)
            checkpoints.write_trained(model, place, state_dict)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            whole = self.accelerator.unwrap_model(self.model if model is None else model)
            checkpoints.read_trained(whole, Path(resume_from_checkpoint))


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
    """Collects the mean losses that the trainer tells.

    It has them told at the last step and at every checkpoint, so that a resumed training tells
    what an undisturbed one does.
    """

    def __init__(self) -> None:
        self.curve: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Take a line of metrics."""
        if "loss" in (logs or {}):
            self.curve.append(round(logs["loss"], 4))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a line after the last step and at checkpoints."""
        if state.global_step == state.max_steps or control.should_save:
            control.should_log = True


def train_stage(  # noqa: PLR0913 # a stage is all of these
    model: nn.Module,
    data: TrainingSet,
    settings: StageSettings,
    *,
    pad: int,
    seed: int,
    folder: Path | None = None,
    device: str = "cpu",
    callbacks: Sequence[TrainerCallback] = (),
    made_of: MadeOf | None = None,
    processes: int = 1,
    work: Work | None = None,
) -> list[float]:
    """Take a model through a stage, in place; return its mean losses every `tell_every` steps.

    What is trained must be chosen before (`set_stage`, `prepare`). With one process and no
    checkpoints nothing is written. If there is a checkpoint the training goes on from the last
    one; if that is of the last step, its weights are read, and no loss is returned.

    Args:
        model: the model.
        data: what it learns from.
        settings: how.
        pad: the token that fills rows up.
        seed: of whatever is drawn by lot.
        folder: where checkpoints lie, if the settings ask for some.
        device: cpu, or what torch finds.
        callbacks: see what happens, step by step.
        made_of: what model and data are, as JSON: a checkpoint of others is refused.
        processes: as many as train together; torchrun has started them.
        work: counts what is learnt from.

    Raises:
        ValueError: if the folder's last checkpoint is of another training.
        NotFiniteError: if a loss or gradient is not finite.
        ShortMemoryError: if there is not enough memory.
    """
    known = {
        **(made_of or {}),
        "settings": settings.deciding(),
        "rows": len(data),
        "seed": seed,
        "processes": processes,
    }
    last = checkpoints.last_checkpoint(folder, known) if folder else None
    if last is not None and checkpoints.is_last_step(last):
        checkpoints.read_trained(model, last)
        return []
    losses = Losses()
    arguments = settings.arguments(folder, seed=seed, processes=processes)
    if settings.sharded:
        arguments |= sharding(model)
    with torch.random.fork_rng(devices=[]):
        trainer = MofTrainer(
            model=model,
            args=TrainingArguments(**arguments, use_cpu=device == "cpu"),
            train_dataset=Rows(data),
            data_collator=NumberedCollator(pad),
            callbacks=[*callbacks, losses],
            settings=settings,
            made_of=known,
            work=work or Work(),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    model.zero_grad()
    return losses.curve
