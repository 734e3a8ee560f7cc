"""The flow `train`: a small multimodal language model for each mixture of features.

Run it by hand with `mmvp train --corpus DIR --train-corpus DIR`.
"""

from typing import Any

from prefect import flow

from flows.embed import CLIP, SSL
from flows.site import open_run
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
        train_corpus: Corpora to learn from; images that a question is about are left out.
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
