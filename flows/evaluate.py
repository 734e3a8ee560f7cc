"""The flow `evaluate`: every model asked what it was not asked before, and scored.

Run it by hand with `mmvp evaluate --corpus DIR`.
"""

from typing import Any

from prefect import flow

from flows.embed import CLIP, SSL
from flows.site import open_run
from flows.stages import (
    NO_CORPUS,
    find_asked,
    find_mined,
    keep,
    mining_of,
    resolve_corpora,
    trained_models,
)
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.evaluation import stage
from tasks.evaluation.beside import summarise
from tasks.evaluation.candidates import EvaluateConfig
from tasks.mining.thresholds import MineConfig
from tasks.questions.config import QuestionConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig


@flow(name="evaluate", flow_run_name="evaluate")
def evaluate(
    corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    control: EncoderConfig | None = None,
    mine: MineConfig = MineConfig(),
    questions: QuestionConfig = QuestionConfig(),
    config: EvaluateConfig = EvaluateConfig(),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Ask the CLIPs and the models of the latest training, and score them.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot, scenes:N@SEED for others.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        control: A third encoder to compare the first with, if any.
        mine: What makes a pair blind, and how many pairs to select.
        questions: Who writes questions, who checks them, and which pairs are asked about.
        config: How models are asked.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if the questions are not current.
    """
    with open_run("evaluate", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        encoders = EmbedConfig(clip=clip, ssl=ssl, control=control)
        find_mined(run, corpora, encoders, mine)
        find_asked(run, corpora, questions)
        context = stage.prepare(
            run.site,
            config,
            encoders,
            corpora,
            run.receipts,
            mining_of(run),
            trained_models(run),
        )
        keep(run, run_stage(stage.STAGE, context))
        return run.summary() | summarise(run.site.db, mining_of(run))
