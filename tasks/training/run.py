"""Carry out one stage of a large recipe: `python -m tasks.training.run JOB.json`, also by torchrun.

Put here: what each process does, from the job's file to the trained model's folder.
Keep out: starting the processes (`launch`, `large`), the steps (`trainer`).

Every process reads the same model and data; process 0 writes. The folder of the trained model
follows from the first model and the last checkpoint alone, and has its name once it is whole.
Exit code 75 says that it was stopped and can go on.
"""

import argparse
import hashlib
import importlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock
from torch import distributed
from transformers import AutoProcessor, set_seed
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from tasks.mof import MofForConditionalGeneration
from tasks.training import checkpoints, learning
from tasks.training.conversation import TrainingSet
from tasks.training.faults import StopTogether
from tasks.training.large import (
    CHECKPOINTS,
    METRICS,
    MODEL,
    OUTCOME,
    RECORD,
    StageJob,
    TrainingData,
    write_outcome,
)
from tasks.training.launch import INTERRUPTED
from tasks.training.metrics import Metrics, Work
from tasks.training.trainer import train_stage

log = logging.getLogger(__name__)

NEVER = 10**9
"""Steps between checkpoints; that of the last step is written whatever they are."""


class Place(NamedTuple):
    """Which of the processes this is, as torchrun says."""

    rank: int
    processes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the job of a file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("job", type=Path, help="the stage, as `StageJob` writes it")
    parser.add_argument("--tethered", action="store_true", help="stop once the input ends")
    parser.add_argument("--grace", type=float, default=600, help="then, seconds to end in")
    options = parser.parse_args(arguments)
    job = StageJob.model_validate_json(options.job.read_text())
    place = Place(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    stop = StopTogether(tethered=options.tethered, grace_s=options.grace)
    job.out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(job.out / ".lock", timeout=options.grace)
    try:
        if place.rank == 0:
            lock.acquire()  # the processes of a run that was killed may still be saving
            (job.out / OUTCOME).unlink(missing_ok=True)
        done = train(job, place, stop)
    except Exception as error:
        write_outcome(job.out, "failed", f"{type(error).__name__}: {error}")
        raise
    finally:
        lock.release()
    return 0 if done else INTERRUPTED


def train(job: StageJob, place: Place, stop: StopTogether) -> bool:
    """Carry out a job as one of its processes; say whether it is done and not interrupted."""
    set_verbosity_error()
    disable_progress_bar()
    made_of = _made_of(job)
    if is_done(job, made_of):
        log.info("%s is there already", job.out / MODEL)
        return True
    processor = AutoProcessor.from_pretrained(job.model)
    set_seed(job.seed)
    model = _model(job)
    data = make_data(job.data, processor, model.config.image_seq_length)
    prepared = learning.prepare(model, job.settings)
    learnt = sum(each.numel() for each in prepared.parameters() if each.requires_grad)
    if place.rank == 0:
        log.info("%s learns %s numbers from %s rows", job.settings.stage, f"{learnt:,}", len(data))
    work = Work()
    folder = job.out / CHECKPOINTS
    board = job.out / "tensorboard" if job.tensorboard and place.rank == 0 else None
    settings = job.settings.model_copy(update={"save_every": job.settings.save_every or NEVER})
    train_stage(
        prepared,
        data,
        settings,
        pad=processor.tokenizer.pad_token_id,
        seed=job.seed,
        folder=folder,
        device="cuda" if torch.cuda.is_available() else "cpu",
        callbacks=[Metrics(work, job.out / METRICS, tell=log.info, board=board), stop],
        made_of=made_of,
        processes=place.processes,
        work=work,
    )
    last = checkpoints.checkpoints(folder)[-1]
    done = checkpoints.is_last_step(last)
    if place.rank == 0:
        _conclude(job, processor, last, made_of, done=done)
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
    return done


def _conclude(
    job: StageJob, processor: Any, last: Path, made_of: checkpoints.MadeOf, *, done: bool
) -> None:
    if done:
        write_model(job, processor, last, made_of)
        write_outcome(job.out, "done")
        log.info("%s is written", job.out / MODEL)
    else:
        message = f"stopped; {last} is its last checkpoint, from which it goes on when run again"
        write_outcome(job.out, "interrupted", message)
        log.info(message)


def is_done(job: StageJob, made_of: checkpoints.MadeOf) -> bool:
    """Say whether a job's model is there, made of the same."""
    record = job.out / MODEL / RECORD
    wanted = {**made_of, "settings": job.settings.deciding(), "seed": job.seed}
    return record.is_file() and json.loads(record.read_text()) == wanted


def write_model(
    job: StageJob, processor: Any, checkpoint: Path, made_of: checkpoints.MadeOf
) -> Path:
    """Write the folder of a stage's model: the one it began with, and what a checkpoint holds."""
    model = learning.prepare(_model(job), job.settings.model_copy(update={"bfloat16": False}))
    checkpoints.read_trained(model, checkpoint)
    whole = learning.merge(model).to(getattr(torch, job.dtype))
    folder = job.out / MODEL
    part = folder.with_name(f".{MODEL}.part")
    shutil.rmtree(part, ignore_errors=True)
    whole.save_pretrained(part)
    processor.save_pretrained(part)
    record = {**made_of, "settings": job.settings.deciding(), "seed": job.seed}
    (part / RECORD).write_text(json.dumps(record, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


def make_data(data: TrainingData, processor: Any, image_tokens: int) -> TrainingSet:
    """Return the training set that a job names.

    Raises:
        ValueError: if there is no such function.
    """
    module, _, name = data.make.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        message = f"the training set {data.make!r} is not found: {error}; expected module:function"
        raise ValueError(message) from error
    made: TrainingSet = make(processor, image_tokens, **data.arguments)
    return made


def _model(job: StageJob) -> MofForConditionalGeneration:
    """Return the model to begin with, in float32, into which any stored one fits."""
    model: MofForConditionalGeneration = MofForConditionalGeneration.from_pretrained(
        job.model, dtype=torch.float32
    )
    return model


def _made_of(job: StageJob) -> dict[str, Any]:
    weights = sorted(job.model.glob("*.safetensors"))
    if not weights:
        message = f"{job.model} holds no *.safetensors; expected the folder of a saved model"
        raise ValueError(message)
    files = [job.model / "config.json", *weights]
    return {
        "model": {file.name: _sha256(file) for file in files},
        "data": job.data.model_dump(mode="json"),
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
