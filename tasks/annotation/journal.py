"""Events on their way to the store: on the disk before they are acknowledged, in the table later.

Put here: the file of events, what a kill leaves of it, moving it into the store.
Keep out: the table (`storage.events`); what events mean (`state`, beside this file).

A commit of the store takes several times as long as a line in a file and makes a version of the
table each, and people type. So lines gather in a file, which is renamed, written into the table in
one commit and removed. Whatever is killed when: an event is in a file, in the table, or in both,
and it counts once.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from storage import events
from storage.database import Database
from storage.events import EventRow, of_line

FILE: Final = "events.jsonl"
MOVING: Final = "events-*.jsonl"
CLEAN_EVERY: Final = 100


class Journal:
    """The file of events that are not in the store yet. One process at a time may open it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._moves = 0
        self._open()

    def add(self, rows: Sequence[EventRow]) -> None:
        """Write events; when this returns, they are on the disk. They are there all or none.

        Raises:
            OSError: if they could not be written; what was written of them is taken back.
        """
        lines = "".join(row.to_line() + "\n" for row in rows).encode()
        with self._lock:
            end = self._file.tell()
            try:
                self._file.write(lines)
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(end)
                self._file.seek(end)
                raise

    def move_to(self, db: Database) -> int:
        """Write all that the files hold into the store and remove them; return how many events.

        The first time and now and then, the table's small files are joined.
        """
        with self._lock:
            if self._file.tell():
                self._file.close()
                numbers = [int(path.stem.removeprefix("events-")) for path in moving(self.folder)]
                self.path.rename(self.folder / f"events-{max(numbers, default=0) + 1:06}.jsonl")
                self._open()
        moved = 0
        for path in moving(self.folder):
            rows = list(_rows(path))
            events.add(db, rows)
            path.unlink()
            moved += len(rows)
        if self._moves % CLEAN_EVERY == 0:
            events.clean(db)
        self._moves += 1
        return moved

    def close(self) -> None:
        """Close the file; events that are in it stay there."""
        self._file.close()

    def _open(self) -> None:
        self._file = self.path.open("ab", buffering=0)
        whole = self.path.read_bytes().rfind(b"\n") + 1
        self._file.truncate(whole)  # a line that a kill cut off was never acknowledged
        self._file.seek(whole)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def moving(folder: Path) -> list[Path]:
    """Return the files that are on their way into the store, oldest first."""
    return sorted(folder.glob(MOVING))


def read_all(db: Database, folder: Path, mining: str) -> list[EventRow]:
    """Return all events of a mining, of the files and of the store, each once or twice.

    The files are read first: what leaves them meanwhile is in the store by then.
    """
    rows = [row for path in (*moving(folder), folder / FILE) for row in _rows(path)]
    return [*(row for row in rows if row.mining == mining), *events.read(db, mining)]


def _rows(path: Path) -> Iterator[EventRow]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # moved since it was listed
        return
    for line in data.split(b"\n")[:-1]:
        yield of_line(line.decode())
