"""What goes wrong while a model is trained, said so that something can be done about it.

Put here: numbers that are not finite, memory that is short; stopping all processes together.
Keep out: when they are looked for (`trainer`); faults of processes (`launch`).
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import distributed
from transformers import TrainerCallback

from tasks.training.settings import StageSettings

TOLD_ROWS: Final = 32


class NotFiniteError(ValueError):
    """A loss or a gradient is not a number, or infinite."""


class ShortMemoryError(RuntimeError):
    """A step needs more memory than there is."""


def check_finite(
    settings: StageSettings, step: int, loss: float, norm: float, rows: Sequence[int]
) -> None:
    """Refuse a step whose loss or gradient is not finite, before it changes a weight.

    Raises:
        NotFiniteError: if so; the message names the step and this process's rows of it.
    """
    total = torch.tensor([loss, norm])
    if torch.isfinite(total).all():
        return
    more = f" and {len(rows) - TOLD_ROWS} more" if len(rows) > TOLD_ROWS else ""
    message = (
        f"stage {settings.stage!r}, step {step}: the loss is {loss:g} and the gradient's norm "
        f"{norm:g}; expected finite numbers. The weights are still those of step {step - 1}. Rows "
        f"of this process in the step: {', '.join(map(str, rows[:TOLD_ROWS]))}{more}. Look at "
        f"them, lower the rate of {settings.rate:g}, or warm up for longer than "
        f"{settings.warm_up:g}"
    )
    raise NotFiniteError(message)


def short_memory(
    settings: StageSettings, step: int, device: object, shape: Sequence[int]
) -> ShortMemoryError:
    """Return the error for a step that ran out of memory at a micro-batch of shape (rows, tokens).

    What helps is named in the order in which it should be tried.
    """
    rows, tokens = shape
    ways = []
    if rows > 1:
        ways.append(f"lower micro_batch to {rows // 2}, which does not change the batch")
    if not settings.checkpointing:
        ways.append("turn on checkpointing")
    if not settings.bfloat16:
        ways.append("turn on bfloat16")
    if settings.lora is None and settings.stage in {"instruct", "full"}:
        ways.append("train with lora")
    if not settings.sharded:
        ways.append("shard the model over more GPUs with sharded")
    message = (
        f"stage {settings.stage!r}, step {step}: out of memory on {device} with {rows} "
        f"conversations of {tokens:,} tokens at once (micro_batch); "
        f"{'; or '.join(ways) or 'take a larger device'}. Its last checkpoint is kept"
    )
    return ShortMemoryError(message)


class StopTogether(TrainerCallback):  # type: ignore[misc] # transformers has no types
    """Once any process is told to stop, all save and stop after the same step.

    If each stopped when it is told, one would wait in a collective for another that has gone.
    """

    def __init__(self, *, tethered: bool = False, grace_s: float = 600) -> None:
        """Listen for the parent's end, and from the first step on for SIGTERM.

        Before that there is nothing to save, and SIGTERM ends the process.

        Args:
            tethered: also stop once the standard input ends, which a parent that was killed does.
            grace_s: then, seconds until this process ends whatever it is waiting for.
        """
        self._asked = False
        if tethered:
            threading.Thread(target=self._watch, args=(grace_s,), daemon=True).start()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Listen for SIGTERM, in the main thread."""
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: Any) -> None:
        self._asked = True

    def _watch(self, grace_s: float) -> None:
        sys.stdin.read()
        self._asked = True
        threading.Event().wait(grace_s)
        os._exit(1)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask the other processes, and stop if one was told to."""
        asked = torch.tensor(int(self._asked), device=args.device)
        if args.world_size > 1:
            distributed.all_reduce(asked, op=distributed.ReduceOp.MAX)
        if asked.item():
            control.should_save = control.should_training_stop = True
