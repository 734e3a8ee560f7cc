"""The flow `ingest`: images of a corpus by content, or a reason for each refusal.

mmvp ingest --corpus DIR
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.site import open_run
from flows.stages import NO_CORPUS, Corpus, WorkersParameter, keep, resolve_corpora
from tasks import ingest as stage
from tasks.ingest import IngestConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

Config = Annotated[
    IngestConfig, Field(title="Reading", description="How the files of a corpus are read.")
]
Rehash = Annotated[
    bool, Field(title="Rehash", description="Open every file again, changed or not.")
]


@flow(name="ingest", flow_run_name="ingest")
def ingest(
    corpus: Corpus = NO_CORPUS,
    config: Config = IngestConfig(),
    workers: WorkersParameter = WorkersConfig(),
    rehash: Rehash = False,
) -> dict[str, Any]:
    """Open what is new in the corpora, forget what is gone.

    Raises:
        ValueError: if a corpus is no folder, or holds no image.
    """
    with open_run("ingest", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        context = stage.prepare(run.site, config, corpora, rehash=rehash)
        keep(run, run_stage(stage.STAGE, context))
        return run.summary()
