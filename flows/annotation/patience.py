"""Connections that say nothing, or half of something, are closed.

Put here: how long a request may take to arrive.
Keep out: what a request must be like once it is here (`guard`, beside this file).

uvicorn waits for ever for the rest of a request's head. A few thousand such connections would keep
all others out.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 10
"""How long the head of a request may take to arrive, or a new connection may be silent."""


class Patient(H11Protocol):
    """A connection that is closed where no request arrives in time."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        super().data_received(data)
        if not self._is_idle():
            self._wait_no_more()
        elif self._limit is None:
            self._wait()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._limit = self.loop.call_later(HEAD_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_up(self) -> None:
        self._limit = None
        if self._is_idle():
            self.transport.close()
