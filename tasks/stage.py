"""A stage: a function of table versions, run as one cached and retried Prefect task.

Put here: what a stage is, the key under which its result is kept, when it is tried again.
Keep out: what any stage does; each has its own module.

A stage's key is the digest of its code (with all it imports), of the libraries that compute, of
its facts (config, files on disk, encoders' fingerprints: whatever else the outcome depends on) and
of the digests of the receipts it reads. Receipts are measured from the store, after a run and again
after a cache hit: a result whose rows are gone counts as no result.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from storage.database import Database, StoreError, is_disk_error
from storage.receipts import Receipt
from tasks.fingerprints import code_digest, digest, library_versions
from tasks.workers import Workers

log = logging.getLogger(__name__)

RETRIES = 3
CANNOT_HEAL = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    StoreError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Bad values and faults of the code: the next try would find them again."""

Receipts = Mapping[str, Receipt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where stages work: the store, the folder of the user's other data, and the workers."""

    db: Database
    home: Path
    workers: Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one run of a stage is given."""

    site: Site
    config: Any
    facts: Any
    """JSON that names all that the outcome depends on, beside code and inputs."""
    inputs: Receipts
    made_by: str
    """Fingerprint of the stage's code and libraries; it goes into the digests of its rows."""
    given: Any = None
    """What was looked up for `facts` and is needed again; it does not enter the key."""
    refresh: bool = False
    """Run even if a kept result would do."""

    @property
    def db(self) -> Database:
        """The store."""
        return self.site.db


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of a stage did: rows that are new, rows in all, what was left out and why."""

    new: int
    rows: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the pipeline.

    `reads` names the receipts whose digests enter the key; `run` may use others to find files.
    `look` measures the receipts in the store as it is, and returns None when the rows are not all
    there.
    """

    name: str
    module: str
    reads: Sequence[str]
    run: Callable[[Context], Outcome]
    look: Callable[[Context], Receipts | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """A stage's outcome with the receipts of what it left in the store."""

    name: str
    state: Literal["done", "current"]
    outcome: Outcome
    receipts: Receipts

    def summary(self) -> dict[str, Any]:
        """Return the stage's entry of the `--json` output."""
        outcome = self.outcome
        return {
            "state": self.state,
            "new": outcome.new,
            "rows": outcome.rows,
            "reasons": dict(outcome.reasons),
            "figures": dict(outcome.figures),
            "receipts": {name: receipt.to_json() for name, receipt in self.receipts.items()},
        }


def made_by(module: str) -> str:
    """Return the fingerprint of a stage's code and of the libraries that compute."""
    return digest([code_digest(module), library_versions(module)])


def key_of(stage: Stage, context: Context) -> str:
    """Return the name under which a stage's result is kept; versions do not enter it."""
    parts = {
        "made_by": context.made_by,
        "facts": context.facts,
        "inputs": {name: context.inputs[name].digest for name in stage.reads},
        "store": context.db.uri,
        "home": str(context.site.home),
    }
    return f"{stage.name}-{digest(parts)}"


def can_heal(task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failed task is worth another try."""
    error = state.result(raise_on_failure=False)
    heals = not isinstance(error, CANNOT_HEAL) and not is_disk_error(error)
    if heals:
        log.warning("%s failed and may be tried again: %r", task.name, error)
    return heals


def run_stage(stage: Stage, context: Context) -> StageResult:
    """Run a stage, or take its kept result if the store still holds what it made.

    Raises:
        Exception: whatever the stage raised last, when all tries have failed.
    """
    key = key_of(stage, context)
    executed = False

    @task(
        name=stage.name,
        task_run_name=stage.name,
        cache_policy=CacheKeyFnPolicy(cache_key_fn=lambda _run, parameters: parameters["key"]),
        persist_result=True,
        result_storage=context.site.home / "results",
        result_serializer="json",
        retries=RETRIES,
        retry_delay_seconds=exponential_backoff(backoff_factor=0.5),
        retry_jitter_factor=0.5,
        retry_condition_fn=can_heal,
    )
    def run(key: str, facts: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        nonlocal executed
        executed = True
        outcome = stage.run(context)
        receipts = stage.look(context)
        if receipts is None:
            message = f"stage {stage.name!r} ran, but the store does not hold all its rows"
            raise RuntimeError(message)
        result = StageResult(name=stage.name, state="done", outcome=outcome, receipts=receipts)
        return result.summary()

    arguments = {
        "key": key,
        "facts": context.facts,
        "inputs": {name: receipt.to_json() for name, receipt in context.inputs.items()},
    }
    kept = run.with_options(refresh_cache=context.refresh)(**arguments)
    if not executed:
        receipts = _receipts_of(stage, context, kept)
        if receipts is not None:
            return _current(stage, kept, receipts)
        kept = run.with_options(refresh_cache=True)(**arguments)
    return StageResult(
        name=stage.name,
        state="done",
        outcome=_outcome(kept, new=kept["new"]),
        receipts=_kept_receipts(kept),
    )


def is_current(stage: Stage, context: Context) -> StageResult | None:
    """Return a stage's kept result if a run would take it, without running anything."""
    kept = context.site.home / "results" / key_of(stage, context)
    try:
        record = json.loads(json.loads(kept.read_text())["result"])
        receipts = _receipts_of(stage, context, record)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _current(stage, record, receipts) if receipts is not None else None


def _receipts_of(stage: Stage, context: Context, kept: Mapping[str, Any]) -> Receipts | None:
    """Measure what the store holds now; None unless it is what the kept result left.

    The latest rows count, not those of the kept versions: another run may have replaced them
    since, with other settings or files that were gone for a while.
    """
    found = stage.look(context)
    left = {name: (receipt.rows, receipt.digest) for name, receipt in _kept_receipts(kept).items()}
    if found is None or {name: (now.rows, now.digest) for name, now in found.items()} != left:
        return None
    return found


def _current(stage: Stage, kept: Mapping[str, Any], receipts: Receipts) -> StageResult:
    return StageResult(
        name=stage.name, state="current", outcome=_outcome(kept, new=0), receipts=receipts
    )


def _kept_receipts(kept: Mapping[str, Any]) -> Receipts:
    return {name: Receipt(**receipt) for name, receipt in kept["receipts"].items()}


def _outcome(kept: Mapping[str, Any], *, new: int) -> Outcome:
    return Outcome(new=new, rows=kept["rows"], reasons=kept["reasons"], figures=kept["figures"])
