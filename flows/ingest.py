"""The flow `ingest`: images of a corpus by content, or a reason for each refusal.

Run it by hand with `mmvp ingest --corpus DIR`.
"""

from typing import Any

from prefect import flow

from flows.site import open_run
from flows.stages import NO_CORPUS, keep, resolve_corpora
from tasks import ingest as stage
from tasks.ingest import IngestConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig


@flow(name="ingest", flow_run_name="ingest")
def ingest(
    corpus: list[str] = NO_CORPUS,
    config: IngestConfig = IngestConfig(),
    workers: WorkersConfig = WorkersConfig(),
    rehash: bool = False,
) -> dict[str, Any]:
    """Open what is new in the corpora, forget what is gone.

    Args:
        corpus: Folders of images, Parquet, tars, saved datasets, img2dataset's output, by path or
            uri, mined together; scenes:N stands for N scenes that are drawn on the spot,
            scenes:N@SEED for others.
        config: How the files of a corpus are read.
        workers: Where the work is done; no result depends on it.
        rehash: Open every file again, changed or not.

    Raises:
        ValueError: if a corpus is not there, cannot be read as asked, or holds no image.
    """
    with open_run("ingest", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        context = stage.prepare(run.site, config, corpora, rehash=rehash)
        keep(run, run_stage(stage.STAGE, context))
        return run.summary()
