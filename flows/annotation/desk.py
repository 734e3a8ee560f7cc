"""The desk takes in what people do: a state in memory, on the disk before it is acknowledged.

Put here: the order of events, group commits to the journal, moves into the store.
Keep out: requests (`app`, beside this file); what events mean (`tasks.annotation`).

All is on one thread but the disk and the store. Events of many requests share one fsync.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from storage.database import Database, StoreError
from storage.events import EventRow
from tasks.annotation.acts import NOTES, Body, read_body
from tasks.annotation.journal import Journal, read_all
from tasks.annotation.outcome import pairs_in_order, rules_of
from tasks.annotation.permission import allow
from tasks.annotation.state import Pairs, Rules, State, fold, said

log = logging.getLogger(__name__)

MOVE_EVERY_S: Final = 60.0
"""Each move is a version of the table with files of its own: an afternoon has some hundreds."""

SERVER: Final = "server"
"""Who does what no person does."""

_HEX: Final = set("0123456789abcdef")


Publish = Callable[[State], Callable[[], None] | None]
"""Takes from the state what the store shall have, and returns what writes it in a thread."""


class Refusal(NamedTuple):
    """An act that was not stored, and why."""

    event_id: str
    why: str


class NotSavedError(Exception):
    """The disk did not take what was to be saved; nothing of it counts."""


class Desk:
    """Takes in acts of people about the pairs of a mining, or about the questions of a study."""

    def __init__(
        self,
        db: Database,
        folder: Path,
        mining: str,
        pairs: Pairs,
        rules: Rules,
        *,
        publish: Publish | None = None,
    ) -> None:
        """Read what was done before; `publish` writes what follows from it into the store."""
        self.db, self.folder, self.mining, self.pairs, self.rules = db, folder, mining, pairs, rules
        self._disk = ThreadPoolExecutor(1, "journal")  # images may fill all other threads
        self._journal = Journal(folder)
        self._journal.move_to(db)
        self.state = self._read()
        self._others: dict[str, State] = {}
        self._publish = publish
        self._waiting: list[tuple[list[EventRow], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start to write and to move; note the rules of this start."""
        self._tasks = [
            asyncio.create_task(self._write_for_ever()),
            asyncio.create_task(self._move_for_ever()),
        ]
        if self.pairs and self.state.rules != self.rules:  # a study has no such rules
            await self.note(SERVER, "configured", "", self.rules._asdict())
        await self.move()

    async def close(self) -> None:
        """Write what waits, move all into the store, and stop."""
        writing, moving = self._tasks
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        await self.move()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        self._disk.shutdown()
        self._journal.close()

    async def follow(self, pairs: Pairs, rules: Rules) -> None:
        """Go on with other pairs of the same mining; what was done about those that stay counts.

        Raises:
            NotSavedError: if the disk does not take the rules.
        """
        self.pairs, self.rules = pairs, rules
        self.state.follow(pairs)
        if self.state.rules != rules:
            await self.note(SERVER, "configured", "", rules._asdict())

    def now(self) -> int:
        """Return microseconds since the epoch, always more than any event has."""
        return max(time.time_ns() // 1000, self.state.last_at + 1)

    async def note(self, who: str, kind: str, subject: str, body: Mapping[str, Any]) -> None:
        """Store what the server itself does for a person.

        Raises:
            NotSavedError: if the disk does not take it.
        """
        checked = NOTES[kind].model_validate(dict(body))
        event = self._event(self.state, self.mining, uuid.uuid4().hex, who, kind, subject, checked)
        self.state.apply(event)
        await self._save([event])

    async def take(self, who: str, acts: Sequence[Mapping[str, Any]], mining: str) -> list[Refusal]:
        """Store acts of a person in their order; when this returns, those not refused are safe.

        An act that is stored already counts as stored, not as a second one. The acts may be about
        another mining, which a page was open for before this server was started again.

        Raises:
            NotSavedError: if the disk does not take them.
            ValueError: if nobody has done anything about that mining.
        """
        state = await self._state_of(mining)
        new: list[EventRow] = []
        refused: list[Refusal] = []
        for act in acts:
            event_id = str(act.get("event_id"))
            try:
                event = self._checked(state, mining, who, event_id, act)
            except ValidationError as error:
                refused.append(Refusal(event_id, "; ".join(e["msg"] for e in error.errors())))
            except ValueError as error:
                refused.append(Refusal(event_id, str(error)))
            else:
                if event.event_id not in state.seen:
                    state.apply(event)
                    new.append(event)
        await self._save(new)
        return refused

    async def _state_of(self, mining: str) -> State:
        if mining == self.mining:
            return self.state
        if mining not in self._others:
            found = await asyncio.to_thread(self._read_other, mining)
            self._others.setdefault(mining, found)
        return self._others[mining]

    def _read_other(self, mining: str) -> State:
        rows = read_all(self.db, self.folder, mining)
        if not rows:
            message = "the page shows other pairs now; load it again"
            raise ValueError(message)
        pairs = {row.pair_id: (row.image_a, row.image_b) for row in pairs_in_order(self.db, mining)}
        return fold(rows, pairs)

    def _checked(
        self, state: State, mining: str, who: str, event_id: str, act: Mapping[str, Any]
    ) -> EventRow:
        kind, subject = act.get("kind"), act.get("subject")
        if len(event_id) != 32 or not _HEX.issuperset(event_id):
            message = f"an event's id is 32 hex digits, found {event_id[:40]!r}"
            raise ValueError(message)
        if not isinstance(kind, str) or not isinstance(subject, str):
            message = "an act has a kind and a subject"
            raise ValueError(message)
        body = read_body(kind, act.get("body"))
        event = self._event(state, mining, event_id, who, kind, subject, body)
        before = state.seen.get(event_id)
        if before is None:
            rules = self.rules if state is self.state else rules_of(state)
            allow(state, rules, who, kind, subject, body)
        elif before != said(event):
            message = f"event {event_id} is stored already and says something else"
            raise ValueError(message)
        return event

    def _event(
        self,
        state: State,
        mining: str,
        event_id: str,
        who: str,
        kind: str,
        subject: str,
        body: Body,
    ) -> EventRow:
        return EventRow(
            event_id=event_id,
            mining=mining,
            at=max(self.now(), state.last_at + 1),
            who=who,
            kind=kind,
            subject=subject,
            body=body.model_dump(mode="json"),
        )

    async def _save(self, rows: list[EventRow]) -> None:
        """Return once these rows, and all before them, are on the disk."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, future))
        self._wake.set()
        await future

    async def _drain(self) -> None:
        await self._save([])

    async def _write_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            group, self._waiting = self._waiting, []
            rows = [row for some, _ in group for row in some]
            try:
                if rows:
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(self._disk, self._journal.add, rows)
            except OSError as error:
                self._give_up(group, error)
            else:
                _tell(group, None)

    def _give_up(
        self, group: list[tuple[list[EventRow], asyncio.Future[None]]], error: OSError
    ) -> None:
        """Forget what the disk did not take, and what came after it."""
        log.error("events cannot be saved in %s: %s", self.folder, error)
        group, self._waiting = [*group, *self._waiting], []
        self.state, self._others = self._read(), {}
        _tell(group, NotSavedError(f"the disk does not take it: {error.strerror or error}"))

    def _read(self) -> State:
        return fold(read_all(self.db, self.folder, self.mining), self.pairs)

    async def move(self) -> None:
        """Move what is on the disk into the store; what it does not take now, it takes later."""
        try:
            await self._drain()
            write = self._publish(self.state) if self._publish is not None else None
            await asyncio.to_thread(self._journal.move_to, self.db)
            if write is not None:
                await asyncio.to_thread(write)
        except (StoreError, OSError, RuntimeError) as error:
            log.warning("the store at %s cannot be written now: %s", self.db.uri, error)

    async def _move_for_ever(self) -> None:
        while True:
            await asyncio.sleep(MOVE_EVERY_S)
            await self.move()


def _tell(
    group: list[tuple[list[EventRow], asyncio.Future[None]]], error: NotSavedError | None
) -> None:
    for _, future in group:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
