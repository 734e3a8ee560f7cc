"""What happens when a try of a stage fails: it is tried again if that can help, for all to see."""

import asyncio
import errno
import time
from datetime import UTC, datetime

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterStartTime

import tasks.embed
import tasks.evaluation.stage
import tasks.ingest
import tasks.mining.stage
import tasks.probes
import tasks.questions.stage
import tasks.reporting
from storage import runs as runs_table
from storage.database import Database
from tests import pictures
from tests.flows import runs

WRITES = {
    "ingest": (tasks.ingest.images, "upsert"),
    "embed": (tasks.embed.embeddings, "append"),
    "mine": (tasks.mining.stage.pairs, "replace"),
    "questions": (tasks.questions.stage.questions, "replace"),
    "probe": (tasks.probes.probes, "replace"),
    "evaluate": (tasks.evaluation.stage.scores, "replace"),
    "report": (tasks.reporting, "write_report"),
}


@pytest.fixture
def task_runs(server):
    """A function that returns the task runs since the test began, with their states, by name."""
    begun = datetime.now(UTC)

    async def ask():
        since = TaskRunFilter(start_time=TaskRunFilterStartTime(after_=begun))
        async with get_client() as client:
            found = await client.read_task_runs(task_run_filter=since)
            states = {run.name: await client.read_task_run_states(run.id) for run in found}
        assert len(states) == len(found)
        return {run.name: (run, [state.name for state in states[run.name]]) for run in found}

    def wait():  # the server hears of task runs by events, a moment after the flow has ended
        deadline = time.monotonic() + 20
        while True:
            found = asyncio.run(ask())
            settled = all(run.state.is_final() for run, _ in found.values())
            if (found and settled) or time.monotonic() > deadline:
                return found
            time.sleep(0.5)

    return wait


def fail(monkeypatch, stage, errors):
    """Let a stage's write raise these errors, one a call, before it works."""
    owner, name = WRITES[stage]
    write, waiting = getattr(owner, name), list(errors)

    def fail_first(*arguments, **options):
        if waiting:
            raise waiting.pop(0)
        return write(*arguments, **options)

    monkeypatch.setattr(owner, name, fail_first)


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("ingest", OSError),
        ("embed", OSError),
        ("mine", RuntimeError),  # what LanceDB raises
        ("questions", RuntimeError),
        ("probe", OSError),
        ("evaluate", OSError),
        ("report", OSError),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_stage_that_fails_twice_completes_and_prefect_shows_the_retries(
    cluster, photos, monkeypatch, task_runs, stage, kind
):
    fail(monkeypatch, stage, [kind("injected"), kind("injected again")])

    stages = runs.run([photos], cluster, through=stage)

    assert set(runs.states(stages).values()) == {"done"}
    run, states = task_runs()[stage]
    assert run.run_count == 3
    assert states.count("AwaitingRetry") == 2
    assert states[-1] == "Completed"
    assert len(runs.shown("images")) == 12


def test_an_embedding_run_that_fails_twice_leaves_each_vector_once(
    server, cluster, home, photos, monkeypatch
):
    fail(monkeypatch, "embed", [OSError("injected"), OSError("injected again")])

    stages = runs.run([photos], cluster.model_copy(update={"shard_images": 4}))

    for role in ("clip", "ssl"):
        table = stages["embed"]["receipts"][role]["table"]
        images = [row["image"] for row in runs.stored(home, table)]
        assert images == sorted(set(images))
        assert len(images) == 12


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("injected"), id="a bad value stays bad"),
        pytest.param(OSError(errno.ENOSPC, "injected"), id="a full disk stays full"),
    ],
)
def test_what_cannot_heal_fails_at_once(
    server, cluster, home, photos, monkeypatch, task_runs, error
):
    fail(monkeypatch, "ingest", [error])

    with pytest.raises(type(error), match="injected"):
        runs.run([photos], cluster, through="ingest")

    run, states = task_runs()["ingest"]
    assert (run.run_count, states[-1]) == (1, "Failed")


def test_a_stage_that_fails_every_try_fails_the_run_and_the_next_run_goes_on(
    server, cluster, home, photos, monkeypatch, task_runs
):
    fail(monkeypatch, "mine", [OSError("injected")] * 4)

    with pytest.raises(OSError, match="injected"):
        runs.run([photos], cluster)
    run, _ = task_runs()["mine"]
    stages = runs.run([photos], cluster)

    assert run.run_count == 4
    assert runs.states(stages) == {"ingest": "current", "embed": "current", "mine": "done"}
    recorded = runs_table.read(Database(str(home / "store")))
    assert [row.state for row in recorded] == ["failed", "done"]


def test_the_number_of_task_runs_depends_on_neither_images_nor_shards(
    server, cluster, home, photos, task_runs
):
    for seed in range(400, 428):
        pictures.draw_photo(photos / "more" / f"{seed}.png", seed)

    runs.run([photos], cluster.model_copy(update={"shard_images": 1}), through="report")

    shards = runs.stored(home, "shards")
    assert [row["stage"] for row in shards].count("ingest") == 40
    assert [row["stage"] for row in shards].count("embed") == 40
    by_stage = {f"{name}{end}" for name in WRITES for end in ("", "-0")}  # a task, and its subflow
    assert set(task_runs()) == by_stage
