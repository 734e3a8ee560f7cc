"""The flow `encoders`: train the tiny encoders anew, each arm and seed once, on Dask workers.

Run it by hand with `mmvp encoders --arms clip-0.05 clip-1 ssl --encoder-seeds 0`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow

from flows.site import Run, open_run
from tasks.progress import Progress
from tasks.tiny_training.jobs import ARMS, SSL, Job, job_of, train_all
from tasks.workers import WorkersConfig, cut

EVERY_ARM = (*ARMS, SSL)


def folder_of_encoders(home: Path) -> Path:
    """Return where the weights of a home's own tiny encoders lie."""
    return home / "encoders"


@flow(name="encoders", flow_run_name="encoders")
def encoders(
    arms: Sequence[str] = EVERY_ARM,
    seeds: Sequence[int] = (0,),
    steps: int | None = None,
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Train tiny encoders; those whose files are there, trained by the same code, are kept.

    Args:
        arms: Which encoders: ssl, or a CLIP by how often its captions name the patterns.
        seeds: Each is trained once a seed.
        steps: Optimiser steps, for a try; empty: as the shipped ones were trained.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if there is no such arm.
        RuntimeError: if a training took every worker down.
    """
    asked = [job_of(arm, seed, steps=steps) for seed in seeds for arm in arms]
    jobs = list(dict.fromkeys(asked))  # one twice would be two workers at one file
    with open_run("encoders", workers, {"arms": list(arms), "seeds": list(seeds)}) as run:
        files = _train(run, jobs)
        return {"stages": {}, "encoders": {job.key: str(files[job.key]) for job in jobs}}


def _train(run: Run, jobs: Sequence[Job]) -> dict[str, Path]:
    folder, cache = folder_of_encoders(run.site.home), run.site.home / "cache"
    progress = Progress("encoders", len(jobs), "encoders")
    files: dict[str, Path] = {}
    start = partial(train_all, folder=folder, cache=cache)
    for done in run.site.workers.run(start, cut(jobs, 1)):
        if done.value is None:
            message = f"training {done.shard.items[0].key} took down every worker"
            raise RuntimeError(message)
        files |= dict(zip([job.key for job in done.shard.items], done.value, strict=True))
        progress.add(1)
    return files
