"""A run that waits for people: what it says, where it is remembered, how it goes on.

Put here: when to wait, the notice on Prefect's page, resuming a run that was suspended.
Keep out: what people do (`tasks.annotation`), what becomes of it (`tasks.questions`).

A run of a deployment is suspended: its process ends, and the run starts again from the top, every
stage before current, once the page has what is wanted or a person presses Resume. A run by hand
ends as waiting and is started again by hand.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import suspend_flow_run
from prefect.runtime import deployment, flow_run

from flows.annotate import WAITING, served
from flows.site import Run
from flows.stages import mining_of
from storage import proposals
from storage.database import Database
from tasks.annotation.outcome import FOLDER, progress_of, read_progress, read_state
from tasks.annotation.standing import Progress
from tasks.files import write_whole
from tasks.questions.config import PEOPLE, QuestionConfig
from tasks.questions.offers import source_of
from tasks.stage import Site

log = logging.getLogger(__name__)

EVENT: Final = "mmvp.waiting-for-people"
"""What an automation of Prefect can notify of, by mail or in a chat."""


def wait_for_people(run: Run, config: QuestionConfig) -> dict[str, Any] | None:
    """Return what is said of the wait if people are to write and are not done, else None."""
    mining = mining_of(run)
    progress = lacks_people(run.site, config, mining)
    record = _record(run)
    if record.exists():  # it was suspended, and someone pressed Resume before people were done
        record.unlink()
        log.info("resumed by hand: going on before people are done")
        return None
    return None if progress is None else _tell(run, mining, progress)


def lacks_people(site: Site, config: QuestionConfig, mining: str) -> Progress | None:
    """Return how far people are if they are to write and are not done, else None."""
    if PEOPLE not in config.by:
        return None
    state = read_state(site.db, site.home, mining)
    progress = progress_of(state)
    if progress.complete or (state.rules is None and _wrote_elsewhere(site, mining)):
        return None
    return progress


def _wrote_elsewhere(site: Site, mining: str) -> bool:
    """Say whether the store holds questions of people; the page was never used for this mining."""
    rows = proposals.read(site.db, mining)
    return any(source_of(row) == PEOPLE and row.failure is None for row in rows)


def _record(run: Run) -> Path:
    return run.site.home / FOLDER / WAITING / f"{flow_run.id}.json"


def _tell(run: Run, mining: str, progress: Progress) -> dict[str, Any]:
    """Say what is waited for: in the log, as an artifact and as an event of Prefect's."""
    link = served(run.site.home)
    where = link or "run `mmvp annotate --annotators NAME ...`"
    counts = {name: value for name, value in progress._asdict().items() if name != "complete"}
    log.warning(
        "waiting for people: %d of %d pairs have an accepted question; the page: %s",
        progress.accepted,
        progress.wanted,
        where,
    )
    rows = "".join(f"| {name} | {value:,} |\n" for name, value in counts.items())
    create_markdown_artifact(
        f"Waiting for people to write questions: {where}\n\n| | |\n|---|---|\n{rows}",
        key=WAITING,
        description="how far people are",
    )
    resource = {"prefect.resource.id": f"mmvp.mining.{mining}", "prefect.resource.name": "mining"}
    emit_event(EVENT, resource, payload={"page": link, **counts})
    return {"page": link, **counts}


def suspend(run: Run) -> None:
    """Suspend the run if it is one of a deployment, which ends this process; else return."""
    if deployment.id is None or flow_run.parent_flow_run_id is not None:
        return
    record = _record(run)
    record.parent.mkdir(parents=True, exist_ok=True)
    write_whole(record, json.dumps({"mining": mining_of(run)}).encode())
    suspend_flow_run()


def resume_done(db: Database, home: Path) -> int:
    """Resume the runs whose people are done; return how many. The server must be there.

    Prefect's variables must be set. A run that someone else resumed or deleted is forgotten.
    """
    resumed = 0
    for record, mining in _waiting(home):
        if not read_progress(db, home, mining).complete:
            continue
        record.unlink(missing_ok=True)
        with get_client(sync_client=True) as client, suppress(ObjectNotFound):
            result = client.resume_flow_run(UUID(record.stem))
            resumed += 1
            log.info("people are done: run %s goes on (%s)", record.stem, result.status.value)
    return resumed


def _waiting(home: Path) -> Iterator[tuple[Path, str]]:
    for record in sorted((home / FOLDER / WAITING).glob("*.json")):
        with suppress(ValueError, KeyError, OSError):
            yield record, str(json.loads(record.read_text())["mining"])
