"""Deployments and their runs on a Prefect server: put there, set, and cleaned up after a crash.

Put here: what `mmvp up` asks of a server that answers.
Keep out: starting and stopping processes (`flows.up`); what is deployed (`prefect.yaml`).

Import this after `flows.environment.apply`: Prefect reads its settings when first imported.
"""

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed

from flows.server import ROOT
from tasks.fingerprints import code_digest
from tasks.ingest import resolve_corpora
from tasks.training.launch import visible_gpus

log = logging.getLogger(__name__)

POOL: Final = "mmvp"
FULL: Final = "mmvp/full"
GPUS: Final = "gpus"
"""The limit on the server that keeps trainings from taking each other's GPUs."""
UNFINISHED: Final = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def deploy(home: Path) -> None:
    """Put the work pool and all of `prefect.yaml` on the server, if that or a flow has changed.

    Settings that people made on the server's page live until then.

    Raises:
        RuntimeError: if Prefect refuses.
    """
    catalogue = (ROOT / "prefect.yaml").read_bytes()
    wanted = hashlib.sha256(catalogue + code_digest("flows.mmvp").encode()).hexdigest()
    record = home / "prefect" / "deployed"
    if record.exists() and record.read_text() == wanted:
        return
    _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect("deploy", "--all")
    record.write_text(wanted)
    log.info("deployed prefect.yaml; schedules and parameters are as it says")


def limit_gpus() -> None:
    """Let as many processes train at once as there are GPUs, or one without any."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(GPUS, max(1, visible_gpus()))


def schedule_corpora(corpus: Sequence[str]) -> None:
    """Make these the corpora of `mmvp/full`, and switch its schedules on.

    Raises:
        ValueError: if one is not there.
    """
    corpora = resolve_corpora(corpus)
    with get_client(sync_client=True) as client:
        full = client.read_deployment_by_name(FULL)
        parameters = {**full.parameters, "corpus": corpora}
        client.update_deployment(full.id, DeploymentUpdate(parameters=parameters))
        for schedule in client.read_deployment_schedules(full.id):
            client.update_deployment_schedule(full.id, schedule.id, active=True)


def tell_schedule() -> None:
    """Log whether `mmvp/full` runs by itself, and on what."""
    with get_client(sync_client=True) as client:
        full = client.read_deployment_by_name(FULL)
        corpora = full.parameters.get("corpus") or []
        active = any(schedule.active for schedule in client.read_deployment_schedules(full.id))
    state = "on" if active else "paused; give --corpus DIR to set a corpus and switch it on"
    log.info("%s: schedule %s; corpus %s", FULL, state, ", ".join(corpora) or "not set")


def mark_crashed() -> None:
    """Set every unfinished run to Crashed that a worker was to do: no worker lives.

    A run by hand reports to the same server but has no deployment, unless it is the subflow of one
    that has; its process may live, so it is left alone.
    """
    unfinished = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED))
    )
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=unfinished):
            if run.deployment_id is not None:
                state: State[None] = Crashed(message="its process is gone")
                client.set_flow_run_state(run.id, state, force=True)
                log.info("run %s is marked Crashed: its process is gone", run.name)


def _prefect(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        env=os.environ.copy(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = f"prefect {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)
