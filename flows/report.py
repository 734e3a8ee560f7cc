"""The flow `report`: a page, figures and numbers of a mining, and the same as Prefect artifacts.

mmvp report --corpus DIR
"""

import base64
import json
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from pydantic import Field

from flows.embed import CLIP, SSL, Clip, Ssl
from flows.mine import Config as MineParameter
from flows.site import Run, open_run
from flows.stages import (
    NO_CORPUS,
    Corpus,
    WorkersParameter,
    find_mined,
    keep,
    resolve_corpora,
)
from tasks import reporting as stage
from tasks.embed import EmbedConfig
from tasks.mining.thresholds import MineConfig
from tasks.reporting import ReportConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

Config = Annotated[ReportConfig, Field(title="Report", description="What the report shows.")]


@flow(name="report", flow_run_name="report")
def report(
    corpus: Corpus = NO_CORPUS,
    clip: Clip = CLIP,
    ssl: Ssl = SSL,
    mine: MineParameter = MineConfig(),
    config: Config = ReportConfig(),
    workers: WorkersParameter = WorkersConfig(),
) -> dict[str, Any]:
    """Write the report of the mining that these settings name.

    Raises:
        ValueError: if its pairs are not current.
    """
    with open_run("report", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        find_mined(run, corpora, EmbedConfig(clip=clip, ssl=ssl), mine)
        figures = {"mine": run.settings["figures"]["mine"]}
        context = stage.prepare(run.site, config, corpora, run.receipts, figures)
        keep(run, run_stage(stage.STAGE, context))
        publish(run, stage.folder(context))
        return run.summary()


def publish(run: Run, folder: Path) -> None:
    """Show the report in Prefect: pictures, tables, and where the page lies."""
    contents = json.loads((folder / "report.json").read_text())
    pictures = "\n\n".join(
        f"![{name}](data:image/png;base64,{base64.b64encode(data).decode()})"
        for name in ("pairs", "plane")
        if (data := (folder / f"{name}.png").read_bytes())
    )
    heading = f"# {contents['mined']:,} CLIP-blind pairs among {contents['images']:,} images"
    create_markdown_artifact(f"{heading}\n\n{pictures}\n", key="report", description="the report")
    create_link_artifact(
        (folder / "index.html").as_uri(), link_text=str(folder / "index.html"), key="page"
    )
    create_table_artifact(
        [{"receipt": name, **receipt.to_json()} for name, receipt in sorted(run.receipts.items())],
        key="receipts",
        description="the rows that this run read and wrote",
    )
    counts = [
        {"stage": result.name, "reason": reason, "count": count}
        for result in run.results
        for reason, count in result.outcome.reasons.items()
    ]
    create_table_artifact(counts, key="reasons", description="what was left out, and why")
