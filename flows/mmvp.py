"""The flow `mmvp`: every stage in order, each a subflow that is cached on its own.

mmvp run --corpus DIR
"""

from typing import Annotated, Any, Literal

from prefect import flow
from pydantic import Field

from flows.embed import CLIP, SSL, Clip, Ssl, embed
from flows.ingest import Config as IngestParameter
from flows.ingest import Rehash, ingest
from flows.mine import Config as MineParameter
from flows.mine import mine as mine_flow
from flows.report import Config as ReportParameter
from flows.report import report as report_flow
from flows.site import open_run
from flows.stages import NO_CORPUS, THROUGH, Corpus, WorkersParameter, resolve_corpora
from tasks.ingest import IngestConfig
from tasks.mining.thresholds import MineConfig
from tasks.reporting import ReportConfig
from tasks.workers import WorkersConfig

Through = Annotated[
    Literal["ingest", "images", "embed", "mine", "pairs", "report"],
    Field(title="Through", description="The last stage to run; pairs means mine."),
]


@flow(name="mmvp", flow_run_name="mmvp-through-{through}")
def mmvp(
    corpus: Corpus = NO_CORPUS,
    clip: Clip = CLIP,
    ssl: Ssl = SSL,
    through: Through = "report",
    reading: IngestParameter = IngestConfig(),
    mine: MineParameter = MineConfig(),
    report: ReportParameter = ReportConfig(),
    workers: WorkersParameter = WorkersConfig(),
    rehash: Rehash = False,
) -> dict[str, Any]:
    """Run the pipeline on the corpora: only what is new is opened, embedded and compared.

    Raises:
        ValueError: if no corpus is set, or a setting cannot be used.
    """
    last = list(dict.fromkeys(THROUGH.values())).index(THROUGH[through])
    with open_run("mmvp", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        ingest(corpora, reading, workers, rehash)
        if last >= 1:
            embed(corpora, clip, ssl, workers)
        if last >= 2:
            mine_flow(corpora, clip, ssl, mine, workers)
        if last >= 3:
            report_flow(corpora, clip, ssl, mine, report, workers)
        return run.summary()
