"""How many calls are under way at once, and how long to wait before a second try.

Put here: additive increase, multiplicative decrease; waits from a seed.
Keep out: what is asked (`running`, beside this file).
Source: Chiu and Jain 1989, "Analysis of the Increase and Decrease Algorithms".
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from tasks.backends.request import Failure

SLOWING: Final = frozenset({"rate-limited", "server-error", "timeout"})
"""Failures that say that a server has too much to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How hard a server is asked. Waits are in seconds.

    Args:
        start: calls at once at first.
        most: calls at once, never more.
        tries: of each request.
        first_wait: before the second try; doubled before each further one.
        longest_wait: a server that asks for more than this is not waited for: the run ends.
        failures_in_a_row: after which a run stops.
        seed: of the jitter.
    """

    start: int = 4
    most: int = 64
    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 120.0
    failures_in_a_row: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.start <= self.most or self.tries < 1 or self.failures_in_a_row < 1:
            message = f"{self}: expected 1 <= start <= most, tries and failures_in_a_row from 1"
            raise ValueError(message)

    def wait(self, fingerprint: str, tried: int, asked_for: float | None) -> float:
        """Return the seconds before the next try: never less than the server asks for."""
        jitter = random.Random(f"{self.seed} {fingerprint} {tried}").random()
        if asked_for is not None:
            return asked_for + jitter * min(self.first_wait, asked_for)
        return min(self.longest_wait, self.first_wait * 2.0 ** (tried - 1)) * (0.5 + jitter / 2)


class Clock(NamedTuple):
    """Seconds that only grow, and how to wait for some to pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Bell:
    """Wakes all that wait for a condition; with one thread, no lock is needed.

    Ringing does not wait, so that nothing comes between a reply and handing it over.
    """

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Let all that wait look again."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; it does when this returns."""
        while not holds():
            await self._rung.wait()


class Gate:
    """Lets calls through: more while all is well, half as many when the server is busy."""

    def __init__(self, pacing: Pacing, clock: Clock) -> None:
        self.limit = float(pacing.start)
        self.inside = 0
        self.bell = Bell()
        self._most = pacing.most
        self._clock = clock
        self._shut_until = clock.now()
        self._round = 0

    async def enter(self) -> int:
        """Wait for a place; return the round it belongs to, which `leave` takes."""
        while True:
            await self.bell.until(lambda: self.inside < int(self.limit))
            left = self._shut_until - self._clock.now()
            if left <= 0:
                self.inside += 1
                return self._round
            await self._clock.sleep(left)

    def leave(self, entered: int, failure: Failure | None) -> None:
        """Give the place back, and learn from how the call ended.

        Failures of calls that began before the last decrease tell nothing new. While a server
        asks to be left alone, nobody is let in.
        """
        self.inside -= 1
        if failure is None:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)
        elif failure.reason in SLOWING and entered == self._round:
            self.limit = max(1.0, self.limit / 2)
            self._round += 1
        if failure is not None and failure.retry_after is not None:
            self._shut_until = max(self._shut_until, self._clock.now() + failure.retry_after)
        self.bell.ring()
