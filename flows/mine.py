"""The flow `mine`: the CLIP-blind pairs among the embedded images of a corpus.

mmvp mine --corpus DIR --clip-above 0.95 --ssl-below 0.6
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.embed import CLIP, SSL, Clip, Ssl
from flows.site import open_run
from flows.stages import (
    NO_CORPUS,
    Corpus,
    WorkersParameter,
    find_embedded,
    keep,
    resolve_corpora,
)
from tasks.embed import EmbedConfig
from tasks.mining import stage
from tasks.mining.thresholds import MineConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

Config = Annotated[
    MineConfig,
    Field(title="Mining", description="What makes a pair blind, and how many to select."),
]


@flow(name="mine", flow_run_name="mine")
def mine(
    corpus: Corpus = NO_CORPUS,
    clip: Clip = CLIP,
    ssl: Ssl = SSL,
    config: Config = MineConfig(),
    workers: WorkersParameter = WorkersConfig(),
) -> dict[str, Any]:
    """Search all pairs of the corpora's images; keep those that are blind, select a benchmark.

    Raises:
        ValueError: if images of the corpora lack vectors.
    """
    with open_run("mine", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        find_embedded(run, corpora, EmbedConfig(clip=clip, ssl=ssl))
        keep(run, run_stage(stage.STAGE, stage.prepare(run.site, config, corpora, run.receipts)))
        return run.summary()
