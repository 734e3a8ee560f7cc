"""One stage of a large recipe: its order as a file, and the processes that carry it out.

Put here: what a stage is made of, starting it, what became of it.
Keep out: the training itself (`run`, in those processes); which stages there are (`recipe`).

A stage has a folder, which holds `job.json`, `train.log`, `metrics.jsonl`, `checkpoints` and at
the end `model`. Running it again goes on from its last checkpoint, or finds it done.
"""

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.files import write_whole
from tasks.training.launch import InterruptedRunError, LaunchError, Tell, launch, torchrun
from tasks.training.settings import StageSettings

MODEL: Final = "model"
METRICS: Final = "metrics.jsonl"
CHECKPOINTS: Final = "checkpoints"
RECORD: Final = "stage.json"
OUTCOME: Final = "outcome.json"
GENTLY_S: Final = 30
"""What torchrun needs to end after its processes have."""

State = Literal["done", "interrupted", "failed"]


class TrainingData(BaseModel):
    """A training set by the function that makes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    make: str = Field(pattern=r"^[\w.]+:\w+$")
    """`module:function`; called with the model's processor, the number of tokens of an image, and
    the arguments."""

    arguments: dict[str, Any] = {}
    """As JSON. They say all that decides the rows: versions of tables too."""


class StageJob(BaseModel):
    """What one stage takes and where it leaves its model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: Path
    """The folder of the model to begin with, and of its processor."""

    data: TrainingData
    """What it learns from."""

    settings: StageSettings
    """How."""

    out: Path
    """The stage's folder."""

    seed: int = 0
    """Of whatever is drawn by lot."""

    tensorboard: bool = False
    """Write curves for TensorBoard too, in `out`."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights that are written at the end; float32 loses nothing of what was learnt."""


class Outcome(BaseModel):
    """How the last run of a stage ended."""

    state: State
    message: str = ""


def write_outcome(folder: Path, state: State, message: str = "") -> None:
    """Say how a run ended; the first of its processes to say so is right."""
    outcome = Outcome(state=state, message=message)
    with suppress(FileExistsError), (folder / OUTCOME).open("x") as file:
        file.write(outcome.model_dump_json())


def train_together(
    job: StageJob,
    *,
    processes: int,
    tell: Tell,
    stop: threading.Event | None = None,
    idle_s: float | None = 3600,
    grace_s: float = 600,
) -> Path:
    """Carry a stage out in so many processes, one a GPU; return the trained model's folder.

    Args:
        job: the stage.
        processes: how many; the batch is the same for any number.
        tell: called with each line they say.
        stop: when set, they save together and stop.
        idle_s: most seconds without a line, well above those of `tell_every` steps.
        grace_s: seconds that they have to save in, and to end after a fault.

    Raises:
        InterruptedRunError: if it was stopped; run again, it goes on.
        LaunchError: if it failed; the message says why.
    """
    file = job.out / "job.json"
    write_whole(file, job.model_dump_json(indent=1).encode())
    (job.out / OUTCOME).unlink(missing_ok=True)
    arguments = (str(file), "--tethered", f"--grace={grace_s:.0f}")
    command = torchrun(
        "tasks.training.run", *arguments, processes=processes, shutdown_s=max(1, grace_s)
    )
    try:
        launch(
            command,
            job.out / "train.log",
            tell=tell,
            stop=stop,
            idle_s=idle_s,
            grace_s=grace_s + GENTLY_S,
        )
    except LaunchError as error:
        outcome = _outcome(job.out)
        if outcome is not None and outcome.state == "interrupted":
            raise InterruptedRunError(outcome.message) from error
        if outcome is not None and outcome.state == "failed":
            message = f"{outcome.message}\n{error}"
            raise LaunchError(message) from error
        raise
    return job.out / MODEL


def _outcome(folder: Path) -> Outcome | None:
    try:
        return Outcome.model_validate(json.loads((folder / OUTCOME).read_text()))
    except (OSError, ValueError):
        return None
