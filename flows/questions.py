"""The flow `questions`: two questions for each selected pair, by the corpus, models or people.

Run it by hand with `mmvp questions --corpus DIR`.
"""

from typing import Any

from prefect import flow

from flows.embed import CLIP, SSL
from flows.site import open_run
from flows.stages import NO_CORPUS, find_mined, keep, mining_of, resolve_corpora
from tasks.annotation.outcome import publish
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.mining.thresholds import MineConfig
from tasks.questions import stage
from tasks.questions.config import PEOPLE, QuestionConfig
from tasks.questions.rounds import propose_and_check
from tasks.stage import run_stage
from tasks.workers import WorkersConfig


@flow(name="questions", flow_run_name="questions")
def questions(
    corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    mine: MineConfig = MineConfig(),
    config: QuestionConfig = QuestionConfig(),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Write the questions of the mining that these settings name.

    Where models or people write, models propose, and all that is proposed is checked first.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot, scenes:N@SEED for others.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        mine: What makes a pair blind, and how many pairs to select.
        config: Who writes questions, who checks them, and which pairs are asked about.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if the pairs are not current.
    """
    with open_run("questions", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        find_mined(run, corpora, EmbedConfig(clip=clip, ssl=ssl), mine)
        mining = mining_of(run)
        if PEOPLE in config.by:
            publish(run.site.db, run.site.home, mining)
        if config.proposes:
            common = (corpora, run.receipts, mining)
            for result in propose_and_check(run.site, config, clip, *common):
                keep(run, result)
        context = stage.prepare(run.site, config, corpora, run.receipts, mining)
        keep(run, run_stage(stage.STAGE, context))
        return run.summary()
