"""What a training tells while it runs: a file of JSON lines, lines for people, TensorBoard.

Put here: measuring, writing and reading metrics.
Keep out: losses that a stage returns (`trainer`), pictures of curves.

A training that is resumed repeats steps, so of lines of one step the last one counts.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import torch
from torch import distributed
from transformers import TrainerCallback

NAMES: Final = {"loss": "loss", "learning_rate": "rate", "grad_norm": "gradient_norm"}


@dataclass(slots=True)
class Work:
    """What a process has learnt from since the last line."""

    tokens: int = 0
    images: int = 0


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """Return a file's lines by step; a line that a killed process left half written is no line."""
    lines: dict[int, dict[str, Any]] = {}
    if file.exists():
        for text in file.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            lines[line["step"]] = line
    return [lines[step] for step in sorted(lines)]


def told(line: dict[str, Any], steps: int) -> str:
    """Return a line of metrics for people."""
    return (
        f"step {line['step']:,} of {steps:,}  loss {line['loss']:.4f}  rate {line['rate']:.2e}  "
        f"gradient {line['gradient_norm']:.3g}  {line['tokens_per_second']:,.0f} tokens/s  "
        f"{line['images_per_second']:,.1f} images/s  {line['memory_bytes'] / 2**30:.1f} GiB"
    )


class Metrics(TrainerCallback):  # type: ignore[misc] # transformers has no types
    """Writes a line whenever the trainer tells a loss; process 0 writes, all count."""

    def __init__(
        self,
        work: Work,
        file: Path,
        *,
        tell: Callable[[str], object] | None = None,
        board: Path | None = None,
    ) -> None:
        """Make a callback.

        Args:
            work: what this process counts; it is set back with each line.
            file: where the lines go.
            tell: gets each line, worded for people.
            board: a folder for TensorBoard, if wanted.

        Raises:
            ImportError: if TensorBoard is wanted and not installed.
        """
        self._work, self._file, self._tell = work, file, tell
        self._board = _writer(board) if board is not None else None
        self._since = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock, and close a line that was cut short."""
        self._since = time.monotonic()
        if state.is_world_process_zero:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a+b") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                if end and file.read(1) != b"\n":
                    file.write(b"\n")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Write a line."""
        if "loss" not in (logs or {}):
            return
        line = {"step": state.global_step, "epoch": logs.get("epoch")}
        line |= {ours: float(logs[theirs]) for theirs, ours in NAMES.items() if theirs in logs}
        line |= self._measured(args)
        if not state.is_world_process_zero:
            return
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self._tell is not None:
            self._tell(told(line, state.max_steps))
        if self._board is not None:
            for name in line.keys() - {"step"}:
                self._board.add_scalar(name, line[name], state.global_step)
            self._board.flush()

    def _measured(self, args: Any) -> dict[str, float]:
        seconds = time.monotonic() - self._since
        counts = torch.tensor([self._work.tokens, self._work.images], device=args.device)
        if args.world_size > 1:
            distributed.all_reduce(counts)
        tokens, images = counts.tolist()
        self._since, self._work.tokens, self._work.images = time.monotonic(), 0, 0
        return {
            "tokens_per_second": tokens / seconds,
            "images_per_second": images / seconds,
            "seconds": seconds,
            "memory_bytes": _memory(args.device),
        }


def _memory(device: torch.device) -> int:
    """Return the most bytes of the device that were used, or of this process's memory that are."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(psutil.Process().memory_info().rss)


def _writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        message = "TensorBoard is not installed; install mmvp[tensorboard], or train without it"
        raise ImportError(message) from error
    return SummaryWriter(str(folder))
