"""Where a run works: one store, held by one run at a time, and the workers it starts.

Put here: opening and locking the store, and recording a run when it ends.
Keep out: what runs do (the other modules of `flows`).
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.child import watch_parent
from flows.settings import Settings
from storage import runs
from storage.database import Database, StoreError
from storage.receipts import Receipt
from storage.tables import SPECS
from tasks.stage import Site, StageResult
from tasks.workers import Workers, WorkersConfig

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Run:
    """A run under way: where it works and the receipts of its stages so far."""

    site: Site
    flow: str
    settings: dict[str, Any]
    receipts: dict[str, Receipt] = field(default_factory=dict)
    results: list[StageResult] = field(default_factory=list)
    prefix: str = ""
    """What the names of stages begin with that work on other corpora than the run's own."""

    def keep(self, result: StageResult) -> StageResult:
        """Take note of a stage's result, under the name that it has in this run."""
        result = replace(result, name=self.prefix + result.name)
        self.results.append(result)
        self.receipts.update(result.receipts)
        self.settings.setdefault("figures", {})[result.name] = dict(result.outcome.figures)
        return result

    @contextmanager
    def aside(self, prefix: str) -> Iterator[None]:
        """Run stages on other corpora: their names and receipts get a prefix, others stay."""
        receipts, corpora = self.receipts, self.settings.get("corpora")
        self.receipts, self.prefix = {}, prefix
        try:
            yield
        finally:
            found = {prefix + name: receipt for name, receipt in self.receipts.items()}
            self.receipts, self.prefix = receipts | found, ""
            self.settings["corpora"] = corpora

    def summary(self) -> dict[str, Any]:
        """Return the `--json` output of the run."""
        return {"stages": {result.name: result.summary() for result in self.results}}


_current: ContextVar[Run | None] = ContextVar("run", default=None)


@contextmanager
def open_run(flow: str, workers: WorkersConfig, settings: Mapping[str, Any]) -> Iterator[Run]:
    """Hold the store for a run, and record the run at its end; a run within a run is that run.

    Raises:
        StoreError: if the store cannot be opened or locked.
    """
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    watch_parent()
    for name in ("flows", "tasks", "storage"):  # Prefect adds its handler, not the level
        logging.getLogger(name).setLevel(logging.INFO)
    place = Settings.read()
    # Nothing acts on heartbeats, and to stop its own takes each subflow up to a second.
    quick = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with hold_store(place, flow), Workers(workers) as started, quick:
        db = Database(place.store)
        db.make(SPECS.values())
        site = Site(db=db, home=place.home, workers=started)
        run = Run(site=site, flow=flow, settings=dict(settings))
        reset = _current.set(run)
        try:
            yield run
        except Exception:
            _record(run, "failed")
            raise
        else:
            _record(run, "done")
        finally:
            _current.reset(reset)


def _record(run: Run, state: str) -> None:
    row = runs.RunRow(
        run=os.environ.get("PREFECT__FLOW_RUN_ID") or str(uuid.uuid4()),
        finished=time.time(),
        flow=run.flow,
        state=state,
        settings=run.settings,
        receipts=run.receipts,
    )
    try:
        runs.add(run.site.db, row)
    except StoreError:
        if state == "done":
            raise  # of a failed run, its own error says more


@contextmanager
def hold_store(place: Settings, flow: str, *, wait_s: float = -1) -> Iterator[None]:
    """Wait until no other run works on the store, then hold it; less than 0: however long it takes.

    The lock is the kernel's: it goes with the process that holds it, however that ends. For a
    store that is not on a local disk it holds on this machine only.

    Raises:
        StoreError: if the lock cannot be made, or not had in time.
    """
    path = lock_path(place)
    holder = path.with_suffix(".holder")
    lock = FileLock(path, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("waiting: %s works on the store %s", _holder(holder), place.store)
            try:
                lock.acquire(timeout=wait_s, poll_interval=0.5)
            except Timeout as error:
                message = f"{_holder(holder)} works on the store {place.store}"
                raise StoreError(message) from error
        holder.write_text(json.dumps({"flow": flow, "pid": os.getpid(), "since": time.time()}))
    except OSError as error:
        message = f"cannot lock the store at {place.store}: {error.strerror}; make {path} writable"
        raise StoreError(message) from error
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def lock_path(place: Settings) -> Path:
    """Return the lock of a store: beside it on a local disk, else under the home."""
    if "://" in place.store:
        return place.home / "locks" / (place.store.replace("/", "_") + ".lock")
    return Path(place.store + ".lock")


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        seconds = time.time() - holder["since"]
        return f"run {holder['flow']!r} (process {holder['pid']}, for {seconds:.0f} s)"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
