"""The flow `report`: a page, figures and numbers of a mining, and the same as Prefect artifacts.

Run it by hand with `mmvp report --corpus DIR`.
"""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from prefect import flow
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from flows.embed import CLIP, SSL
from flows.site import Run, open_run
from flows.stages import (
    NO_CORPUS,
    find_mined,
    keep,
    resolve_corpora,
)
from tasks import reporting as stage
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.mining.thresholds import MineConfig
from tasks.reporting import ReportConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig


@flow(name="report", flow_run_name="report")
def report(
    corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    mine: MineConfig = MineConfig(),
    config: ReportConfig = ReportConfig(),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Write the report of the mining that these settings name.

    Args:
        corpus: Folders of images, at any depth, mined together; scenes:N stands for N scenes
            that are drawn on the spot, scenes:N@SEED for others.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        mine: What makes a pair blind, and how many pairs to select.
        config: What the report shows.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if its pairs are not current.
    """
    with open_run("report", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        find_mined(run, corpora, EmbedConfig(clip=clip, ssl=ssl), mine)
        figures = stage.shown(run.settings["figures"])
        context = stage.prepare(run.site, config, corpora, run.receipts, figures)
        keep(run, run_stage(stage.STAGE, context))
        publish(run, stage.folder(context), heading)
        return run.summary()


PICTURES: Final = ("results", "leaderboard", "radar", "sweep", "probes", "pairs", "plane")
"""The pictures of a report, in the order of the Prefect artifact; a report may lack the first."""


def heading(contents: Mapping[str, Any]) -> str:
    """Return what the report of a mining is about."""
    return f"{contents['mined']:,} CLIP-blind pairs among {contents['images']:,} images"


def publish(run: Run, folder: Path, say: Callable[[Mapping[str, Any]], str]) -> None:
    """Show a report in Prefect: pictures, tables, and where the page lies.

    Args:
        run: The run that wrote it.
        folder: Where it lies.
        say: Makes the heading of what `report.json` holds.
    """
    contents = json.loads((folder / "report.json").read_text())
    _publish_markdown(folder, say(contents))
    create_link_artifact(
        (folder / "index.html").as_uri(), link_text=str(folder / "index.html"), key="page"
    )
    create_table_artifact(
        [{"receipt": name, **receipt.to_json()} for name, receipt in sorted(run.receipts.items())],
        key="receipts",
        description="the rows that this run read and wrote",
    )
    explained = contents.get("reasons_explained", {})
    counts = [
        {"stage": result.name, "reason": reason, "count": n, "meaning": explained.get(reason, "")}
        for result in run.results
        for reason, n in result.outcome.reasons.items()
    ]
    create_table_artifact(counts, key="reasons", description="what was left out, and why")
    if contents["comparisons"]:
        create_table_artifact(
            contents["comparisons"],
            key="comparisons",
            description="which models differ: McNemar's exact test, Holm-corrected",
        )


def _publish_markdown(folder: Path, said: str) -> None:
    table = folder / "results.md"
    parts = [
        f"# {said}",
        *([table.read_text(encoding="utf-8")] if table.is_file() else []),
        *(
            f"![{name}](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})"
            for name in PICTURES
            if (picture := folder / f"{name}.png").is_file()
        ),
    ]
    create_markdown_artifact("\n\n".join(parts) + "\n", key="report", description="the report")
