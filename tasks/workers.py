"""Dask workers and the shards they are given.

Put here: running shards on a cluster so that a dead worker costs one shard and a poisonous item
only itself.
Keep out: what a shard computes (`tasks.ingest`, `tasks.embed`); starting clusters
(`tasks.clusters`); which vectors depend on a device (`tasks.encoders`).

Workers compute, write files that nobody reads yet, and return little; only the flow's own process
commits to the store.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from tasks.clusters import connect, count_gpus, count_workers, local_cluster

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Value = TypeVar("Value")

TRIES = 3
"""Times a shard may lose its worker before it is cut in two."""

SECONDS_TO_LOOK = 10.0
"""Workers are looked for so often while no result comes."""
SECONDS_TO_REVIVE = 60.0
"""A worker that ended is started again; on a busy machine that takes a while."""

SHARDS_A_WORKER = 4
SHARD_IMAGES = (256, 8192)
"""The least and the most images of a shard whose size is not set; fewer make small fragments."""


class WorkersConfig(BaseModel):
    """Where shards run; nothing here changes a row, so nothing here enters a cache key."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    workers: int | None = Field(default=None, ge=1)
    """Worker processes. Default: one a GPU, else one a core as far as memory allows."""

    scheduler: str | None = None
    """Address of a running Dask scheduler (tcp://host:port) to use instead of starting workers.
    Its workers need this package installed and the same paths to images and weights."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where encoders run. auto: the GPU if this machine has one. The vectors' names tell it."""

    shard_images: int | None = Field(default=None, ge=1)
    """Images a worker is given at once: the unit of retry and resume. Empty: 256 to 8192, so that
    every worker gets a few shards."""

    tile_images: int = Field(default=65_536, ge=1)
    """Images that a worker compares at once with as many others: it may need their vectors of both
    encoders in memory, twice."""

    def device_kind(self) -> Literal["cpu", "cuda"]:
        """Return where encoders run, `auto` resolved on this machine."""
        if self.device != "auto":
            return self.device
        return "cuda" if count_gpus() else "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard(Generic[Item]):
    """Items that one worker does at once, and how often they were started so far."""

    items: Sequence[Item]
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[Item, Value]):
    """A finished shard; `value` is None when its single item took every worker down with it."""

    shard: Shard[Item]
    value: Value | None
    worker: str
    pid: int
    seconds: float


class Held(Generic[Item]):
    """Values that workers compute when a shard first needs them, and keep for the next.

    A value that is lost with its worker is computed again.
    """

    def __init__(self, client: Any, function: Callable[[Item], Any], items: Sequence[Item]) -> None:
        self._client = client
        self._function = function
        self._items = items
        self._futures: dict[int, Any] = {}

    def of(self, *places: int) -> list[Any]:
        """Return the futures of the values of these items, given by their places."""
        for place in places:
            if place not in self._futures or self._futures[place].status in ("error", "cancelled"):
                self._futures[place] = self._client.submit(
                    self._function, self._items[place], pure=False
                )
        return [self._futures[place] for place in places]

    def release(self, place: int) -> None:
        """Let go of a value that no further shard needs."""
        self._futures.pop(place, None)


class _NoWorkersError(ConnectionError):
    """All workers of this run ended; what a shard raises itself is never this."""


class _Watch:
    """Looks whether there are workers while the flow waits for one of them."""

    def __init__(self, client: Any, scheduler: str | None) -> None:
        self._client, self._scheduler = client, scheduler
        self._asked = self._alive = time.monotonic()

    def look(self) -> None:
        """See, now and then, that there are workers.

        Raises:
            ConnectionError: if all workers of this run ended and none came back.
        """
        now = time.monotonic()
        if now - self._asked < SECONDS_TO_LOOK:
            return
        self._asked = now
        if self._client.nthreads():
            self._alive = now
        elif self._scheduler:  # whoever started it may have asked for more
            log.warning("no workers at %s for %.0f s", self._scheduler, now - self._alive)
        elif now - self._alive > SECONDS_TO_REVIVE:
            message = "all workers of this run have ended and did not start again"
            raise _NoWorkersError(message)

    def result_of(self, future: Any) -> Any:  # of a distributed.Future
        """Return what a task that has ended returned; one lost with its worker is done again.

        Raises:
            ConnectionError: if there is no worker to do it.
            Exception: whatever the task raised.
        """
        while True:
            try:
                return future.result(timeout=SECONDS_TO_LOOK)
            except TimeoutError:
                if future.status == "error":
                    raise
                self.look()


class Workers:
    """A Dask cluster that starts when the first shard needs it, and is closed with the block."""

    def __init__(self, config: WorkersConfig) -> None:
        self.config = config
        self._stack = ExitStack()
        self._client: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.rest()

    def rest(self) -> None:
        """Stop the workers, which frees their memory and GPUs; the next shards start them again.

        What they did is committed, so that one which does not end in time, as on a busy machine,
        is no reason to fail; it is killed with this process at the latest.
        """
        try:
            self._stack.close()
        except (TimeoutError, OSError) as error:
            log.warning("the workers did not end in good order: %r", error)
        self._client = None

    def hold(self, function: Callable[[Item], Any], items: Sequence[Item]) -> Held[Item]:
        """Return values of items that workers compute and keep, for `needs` of `run`."""
        return Held(self._open(), function, items)

    def shard_size(self, items: int) -> int:
        """Return how many of these items a shard should have."""
        if self.config.shard_images:
            return self.config.shard_images
        least, most = SHARD_IMAGES
        if items <= least:  # no reason to start a cluster
            return least
        return min(max(-(-items // (SHARDS_A_WORKER * self._count())), least), most)

    def _count(self) -> int:
        """Return the number of workers when all have started."""
        if self.config.scheduler:
            return max(1, len(self._open().nthreads()))
        here = count_gpus() if self.config.device_kind() == "cuda" else count_workers()
        return self.config.workers or max(1, here)

    def run(
        self,
        function: Callable[..., Value],
        shards: Sequence[Sequence[Item]],
        *,
        needs: Callable[[Sequence[Item]], Sequence[Any]] = lambda _: (),
    ) -> Iterator[Done[Item, Value]]:
        """Run `function` on every shard and yield results as they come.

        `needs` names what a shard needs beside its items, as futures of values that `hold` keeps;
        the function gets the values after the items.

        At most two shards a worker are under way, so that results never pile up. A shard whose
        worker dies is tried again, `TRIES` times; then it is cut in two and the halves go on
        alone, until a single item is left that no worker survives: it comes back without a value.

        Raises:
            ConnectionError: if the scheduler is lost.
            Exception: whatever `function` raised.
        """
        if shards:
            client = self._open()
            with self._told_if_lost():
                yield from self._run(client, function, shards, needs)

    def _run(
        self,
        client: Any,  # a distributed.Client
        function: Callable[..., Value],
        shards: Sequence[Sequence[Item]],
        needs: Callable[[Sequence[Item]], Sequence[Any]],
    ) -> Iterator[Done[Item, Value]]:
        from distributed import KilledWorker, as_completed

        waiting = deque(Shard(items=items) for items in shards)
        alone: deque[Shard[Item]] = deque()
        running: dict[Any, Shard[Item]] = {}
        results = as_completed(loop=client.loop)
        try:
            while waiting or alone or running:
                queue = waiting or alone
                room = 2 * max(1, len(client.nthreads())) if waiting else 1
                while queue and len(running) < room:
                    shard = queue.popleft()
                    shard = replace(shard, attempts=shard.attempts + 1)
                    needed = needs(shard.items)
                    future = client.submit(_timed, function, shard.items, *needed, pure=False)
                    running[future] = shard
                    results.add(future)
                watch = _Watch(client, self.config.scheduler)
                while not results.has_ready():
                    with results.thread_condition:
                        results.thread_condition.wait(0.1)
                    watch.look()
                future = next(results)
                shard = running.pop(future)
                try:
                    value, worker, pid, seconds = watch.result_of(future)
                except KilledWorker as error:
                    lost = self._after_loss(shard, str(error), waiting, alone)
                    if lost is not None:
                        yield lost
                    continue
                yield Done(shard=shard, value=value, worker=worker, pid=pid, seconds=seconds)
        finally:
            client.cancel(list(running))

    @contextmanager
    def _told_if_lost(self) -> Iterator[None]:
        from distributed.comm import CommClosedError

        try:
            yield
        except _NoWorkersError:
            self.rest()
            raise
        except (CancelledError, CommClosedError) as error:
            self.rest()  # the next stage, or the next try, connects anew
            message = (
                f"the Dask scheduler {self.config.scheduler or 'of this run'} was lost; start it "
                f"again, then the same command: shards that are committed are not done again"
            )
            raise ConnectionError(message) from error

    def _after_loss(
        self,
        shard: Shard[Item],
        error: str,
        waiting: deque[Shard[Item]],
        alone: deque[Shard[Item]],
    ) -> Done[Item, Any] | None:
        log.warning("a worker died with a shard of %d: %s", len(shard.items), error[:200])
        if shard.attempts < TRIES:
            (waiting if len(shard.items) > 1 else alone).append(shard)
        elif len(shard.items) > 1:
            middle = len(shard.items) // 2
            for items in (shard.items[:middle], shard.items[middle:]):
                # A worker that was just replaced may still die of the item before: a single item
                # is not given up for one death.
                tried = TRIES - 1 if len(items) > 1 else TRIES - 2
                alone.append(Shard(items=items, attempts=tried))
        else:
            return Done(shard=shard, value=None, worker="", pid=0, seconds=0.0)
        return None

    def _open(self) -> Any:  # a distributed.Client; the library has no types
        if self._client is None:
            logging.getLogger("distributed").setLevel(logging.WARNING)
            logging.getLogger("distributed.nanny").setLevel(logging.ERROR)  # we tell of the dead
            address = self.config.scheduler or self._stack.enter_context(
                local_cluster(self.config.device_kind(), self.config.workers)
            )
            self._client = self._stack.enter_context(connect(address))
            self._client.wait_for_workers(1, timeout=120)
        return self._client


def cut(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Cut items into shards of at most `size`, in order."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _timed(
    function: Callable[..., Value], items: Sequence[Item], *needed: Any
) -> tuple[Value, str, int, float]:
    from distributed import get_worker

    begun = time.monotonic()
    value = function(items, *needed)
    return value, str(get_worker().address), os.getpid(), time.monotonic() - begun
