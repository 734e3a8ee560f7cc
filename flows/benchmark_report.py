"""The flow `benchmark-report`: a page, figures and numbers of how models did on a benchmark.

Run it by hand with `mmvp report --benchmark NAME`.
"""

from collections.abc import Mapping
from typing import Any

from prefect import flow

from flows.report import publish
from flows.site import open_run
from flows.stages import keep
from tasks import benchmark_reporting as stage
from tasks.reporting import ReportConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig


@flow(name="benchmark-report", flow_run_name="benchmark-report")
def benchmark_report(
    named: str,
    config: ReportConfig = ReportConfig(),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Write the report of a published benchmark, from what the store has of it.

    Args:
        named: The benchmark's name in the store, or its folder or CSV.
        config: What the report shows.
        workers: Where the work is done; this flow does all of it itself.

    Raises:
        ValueError: if the store has no such benchmark, or no model was scored on it.
    """
    with open_run("benchmark-report", workers, {}) as run:
        context = stage.prepare(run.site, config, named)
        run.settings["set"] = context.facts["set"]
        keep(run, run_stage(stage.STAGE, context))
        publish(run, stage.folder(context), heading)
        return run.summary()


def heading(contents: Mapping[str, Any]) -> str:
    """Return what the report of a benchmark is about."""
    return f"What models see in the {contents['pairs']:,} pairs of {contents['name']}"
