"""The flow `mine`: the CLIP-blind pairs among the embedded images of a corpus.

Run it by hand with `mmvp mine --corpus DIR --clip-above 0.95 --ssl-below 0.6`.
"""

from typing import Any

from prefect import flow

from flows.embed import CLIP, SSL
from flows.site import open_run
from flows.stages import (
    NO_CORPUS,
    find_embedded,
    keep,
    resolve_corpora,
)
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.mining import stage
from tasks.mining.thresholds import MineConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig


@flow(name="mine", flow_run_name="mine")
def mine(
    corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    config: MineConfig = MineConfig(),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Search all pairs of the corpora's images; keep those that are blind, select a benchmark.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot, scenes:N@SEED for others.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        config: What makes a pair blind, and how many pairs to select.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if images of the corpora lack vectors.
    """
    with open_run("mine", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        find_embedded(run, corpora, EmbedConfig(clip=clip, ssl=ssl))
        keep(run, run_stage(stage.STAGE, stage.prepare(run.site, config, corpora, run.receipts)))
        return run.summary()
