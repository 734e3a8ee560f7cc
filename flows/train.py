"""The flow `train`: a small multimodal language model for each mixture of features.

Run it by hand with `mmvp train --corpus DIR --train-corpus DIR`.
"""

from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.concurrency.sync import concurrency

from flows.deployments import GPUS
from flows.embed import CLIP, SSL
from flows.site import Run, open_run
from flows.stages import (
    NO_CORPUS,
    TRAINING,
    find_ingested,
    find_mined,
    keep,
    mining_of,
    resolve_corpora,
    resolve_training,
)
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.mining.thresholds import MineConfig
from tasks.recipes.large import LargeConfig
from tasks.stage import run_stage
from tasks.training import stage
from tasks.training.recipe import TrainConfig
from tasks.workers import WorkersConfig


@flow(name="train", flow_run_name="train")
def train(
    corpus: list[str] = NO_CORPUS,
    train_corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    control: EncoderConfig | None = None,
    mine: MineConfig = MineConfig(),
    config: TrainConfig = TrainConfig(),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Train the models that are missing.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot, scenes:N@SEED for others.
        train_corpus: Corpora to learn from; images that a question is about are left out. A recipe
            for large models learns from conversations instead.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        control: A third encoder to compare the first with, if any.
        mine: What makes a pair blind, and how many pairs to select.
        config: Which models are trained, and how.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if there is nothing to learn from, or the pairs are not current.
    """
    with open_run("train", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        encoders = EmbedConfig(clip=clip, ssl=ssl, control=control)
        find_mined(run, corpora, encoders, mine)
        if config.large is not None:
            _train_large(run, config, config.large)
            return run.summary()
        teachers = resolve_training(run, train_corpus)
        if not teachers:
            message = "no corpus to learn from; name one with --train-corpus"
            raise ValueError(message)
        if f"{TRAINING}paths" not in run.receipts:
            with run.aside(TRAINING):
                find_ingested(run, teachers)
        context = stage.prepare(run.site, config, encoders, teachers, run.receipts, mining_of(run))
        keep(run, run_stage(stage.STAGE, context))
        return run.summary()


def _train_large(run: Run, config: TrainConfig, large: LargeConfig) -> None:
    """Train by recipe while no other training has the GPUs, and show how it went."""
    from tasks.training import large_stage
    from tasks.training.large import METRICS
    from tasks.training.metrics import read_metrics

    context = large_stage.prepare(run.site, config, large, mining_of(run))
    processes = context.given.processes
    with concurrency(GPUS, occupy=processes):  # of runs that report to the same server
        keep(run, run_stage(large_stage.STAGE, context))
    for model in context.facts["models"]:
        for kind in context.given.recipe.stages:
            lines = read_metrics(run.site.home / "training" / model / kind / METRICS)
            create_table_artifact(
                [{name: line[name] for name in ("step", "loss", "rate")} for line in lines],
                key="training",
                description=f"{model}, stage {kind}",
            )
