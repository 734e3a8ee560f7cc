"""Ask many requests at once: each until it has an answer or a recorded failure.

Put here: second tries, the budget, what happens when a run is stopped.
Keep out: one call (the back ends), the pace (`pace`), money (`ledger`), beside this file.

Every outcome is handed over the moment it is known, with nothing awaited in between, so that a run
that is killed loses only calls that were under way. When a run is cancelled, those are waited for.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import count
from typing import Final

from tasks.backends.ledger import Ledger
from tasks.backends.pace import SLOWING, Clock, Gate, Pacing
from tasks.backends.request import Backend, Failure, Outcome, Reply, Request

AGAIN: Final = SLOWING | {"bad-reply"}
"""Failures that another try may mend."""

HandOver = Callable[[Request, Outcome], None]


class ServerFailsError(RuntimeError):
    """Asking on is pointless: too many failed in a row, or the server asks for too long a wait."""


async def ask_all(
    backend: Backend,
    requests: Iterable[Request],
    hand_over: HandOver,
    *,
    known: Collection[str] = (),
    pacing: Pacing = Pacing(),
    ledger: Ledger | None = None,
    clock: Clock = Clock(),
) -> None:
    """Ask each request that is not `known`, once for each fingerprint, and hand over what comes.

    Args:
        backend: asks one.
        requests: read as they are sent, so they may be many.
        hand_over: gets each outcome at once; what it raises ends the run.
        known: fingerprints that have an answer.
        pacing: how hard the server is asked.
        ledger: gets all costs; its budget ends the run: further requests fail as `over-budget`.
        clock: what waits go by.

    Raises:
        ServerFailsError: after `pacing.failures_in_a_row` failures in a row, or if the server asks
            to be left alone for too long; those failures are handed over.
    """
    run = _Run(backend, hand_over, pacing, Ledger() if ledger is None else ledger, clock)
    await run.all(_missing(requests, known))


def _missing(requests: Iterable[Request], known: Collection[str]) -> Iterator[Request]:
    seen = set(known)
    for request in requests:
        if request.fingerprint not in seen:
            seen.add(request.fingerprint)
            yield request


class _Run:
    def __init__(
        self,
        backend: Backend,
        hand_over: HandOver,
        pacing: Pacing,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self.backend = backend
        self.hand_over = hand_over
        self.pacing = pacing
        self.ledger = ledger
        self.clock = clock
        self.gate = Gate(pacing, clock)
        self.in_a_row = 0
        self.over_budget = False
        self.stopping = False
        self.calling: set[asyncio.Task[None] | None] = set()

    async def all(self, requests: Iterator[Request]) -> None:
        workers = [asyncio.create_task(self._work(requests)) for _ in range(self.pacing.most)]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await self._drain(workers)
        for worker in workers:
            if not worker.cancelled():
                worker.result()

    async def _drain(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """End what waits; let calls under way end by themselves, unless cancelled once more."""
        self.stopping = True
        try:
            for worker in workers:
                if worker not in self.calling:
                    worker.cancel()
            await asyncio.wait(workers)
        finally:
            for worker in workers:
                worker.cancel()

    async def _work(self, requests: Iterator[Request]) -> None:
        for request in requests:
            await self._until_known(request)
            if self.stopping:
                return

    async def _until_known(self, request: Request) -> None:
        """Try until there is an outcome and hand it over, unless the run stops before."""
        for tried in count(1):
            outcome = await self._try(request)
            if self._is_final(outcome, tried):
                self._finish(request, outcome)
                return
            if self.stopping:  # not tried to the end: the next run asks it again
                return
            wished = outcome.retry_after if isinstance(outcome, Failure) else None
            await self.clock.sleep(self.pacing.wait(request.fingerprint, tried, wished))

    def _is_final(self, outcome: Outcome, tried: int) -> bool:
        if isinstance(outcome, Reply) or outcome.reason not in AGAIN:
            return True
        return tried == self.pacing.tries or self._waits_too_long(outcome)

    def _waits_too_long(self, failure: Failure) -> bool:
        return (failure.retry_after or 0.0) > self.pacing.longest_wait

    def _finish(self, request: Request, outcome: Outcome) -> None:
        self.hand_over(request, outcome)
        if isinstance(outcome, Reply) or outcome.reason == "refused":
            self.in_a_row = 0
        elif outcome.reason != "over-budget":
            self.in_a_row += 1
            if self.in_a_row >= self.pacing.failures_in_a_row or self._waits_too_long(outcome):
                message = (
                    f"model {request.model!r}: {self.in_a_row} requests in a row have failed, the "
                    f"last one as {outcome.reason} ({outcome.message}; wait asked for: "
                    f"{outcome.retry_after} s); see to the server, its key and the model's name, "
                    f"then run again: only what is missing is asked"
                )
                raise ServerFailsError(message)

    async def _try(self, request: Request) -> Outcome:
        most = self.ledger.most(request)
        entered = await self.gate.enter()
        # Calls under way give back what they turn out not to need.
        await self.gate.bell.until(
            lambda: self.over_budget or self.ledger.fits(most) or not self.calling
        )
        if self.over_budget or not self.ledger.fits(most):
            self.over_budget = True
            failure = Failure(reason="over-budget", message=self._spent(most))
            self.gate.leave(entered, failure)
            return failure
        outcome = await self._call(request, most)
        self.gate.leave(entered, outcome if isinstance(outcome, Failure) else None)
        return outcome

    async def _call(self, request: Request, most: float) -> Outcome:
        task = asyncio.current_task()
        self.calling.add(task)
        self.ledger.reserved += most
        try:
            outcome = await self.backend.reply(request)
        finally:
            self.calling.discard(task)
            self.ledger.reserved -= most
        self.ledger.settle(request, outcome, most)
        return outcome

    def _spent(self, most: float) -> str:
        return (
            f"{self.ledger.money():.4f} of {self.ledger.budget} spent, and this call may cost "
            f"{most:.4f}; raise the budget to ask it"
        )
