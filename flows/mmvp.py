"""The flow `mmvp`: every stage in order, each a subflow that is cached on its own.

Run it by hand with `mmvp run --corpus DIR`.
"""

from typing import Any, Literal

from prefect import flow

from flows.embed import CLIP, SSL, embed
from flows.ingest import ingest
from flows.mine import mine as mine_flow
from flows.report import report as report_flow
from flows.site import open_run
from flows.stages import NO_CORPUS, THROUGH, resolve_corpora
from tasks.embed import EmbedConfig, identify_encoders
from tasks.encoders import EncoderConfig
from tasks.ingest import IngestConfig
from tasks.mining.thresholds import MineConfig
from tasks.reporting import ReportConfig
from tasks.workers import WorkersConfig

Through = Literal["ingest", "images", "embed", "mine", "pairs", "report"]


@flow(name="mmvp", flow_run_name="mmvp-through-{through}")
def mmvp(
    corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    through: Through = "report",
    reading: IngestConfig = IngestConfig(),
    mine: MineConfig = MineConfig(),
    report: ReportConfig = ReportConfig(),
    workers: WorkersConfig = WorkersConfig(),
    rehash: bool = False,
) -> dict[str, Any]:
    """Run the pipeline on the corpora: only what is new is opened, embedded and compared.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        through: The last stage to run; pairs is another name for mine, images for ingest.
        reading: How the files of a corpus are read.
        mine: What makes a pair blind, and how many pairs to select.
        report: What the report shows.
        workers: Where the work is done; no result depends on it.
        rehash: Open every file again, changed or not.

    Raises:
        ValueError: if no corpus is set, or a setting cannot be used.
    """
    last = list(dict.fromkeys(THROUGH.values())).index(THROUGH[through])
    with open_run("mmvp", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        if last >= 1:  # an encoder that cannot be had is better known before hours of reading
            identify_encoders(run.site, EmbedConfig(clip=clip, ssl=ssl))
        ingest(corpora, reading, workers, rehash)
        if last >= 1:
            embed(corpora, clip, ssl, workers)
        if last >= 2:
            mine_flow(corpora, clip, ssl, mine, workers)
        if last >= 3:
            report_flow(corpora, clip, ssl, mine, report, workers)
        return run.summary()
