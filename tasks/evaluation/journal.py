"""Rows on their way to the store: a line a row as soon as each is known, a commit at the end.

Put here: writing lines that a kill cannot take, and reading them back.
Keep out: the tables (`storage.answers`, `storage.replies`); asking (`remote`, beside this file).

A commit an answer would make a version of the table each; an answer that cost money must not be
lost until the next commit either.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from storage import answers, replies
from storage.answers import AnswerRow
from storage.database import Database
from storage.replies import ReplyRow

Row = TypeVar("Row", AnswerRow, ReplyRow)


@dataclass(frozen=True, slots=True)
class Kept(Generic[Row]):
    """Where rows go: the journal's file, the table's write, and a row from a line's values."""

    file: str
    upsert: Callable[[Database, Sequence[Row]], None]
    row: Callable[[Mapping[str, Any]], Row]


def _answer(line: Mapping[str, Any]) -> AnswerRow:
    scores = line["scores"]
    return AnswerRow(**{**line, "scores": None if scores is None else tuple(scores)})


ANSWERS: Kept[AnswerRow] = Kept("answers.jsonl", answers.upsert, _answer)
REPLIES: Kept[ReplyRow] = Kept("replies.jsonl", replies.upsert, lambda line: ReplyRow(**line))


class Journal(Generic[Row]):
    """A file of rows that are not in the store yet; open it with `with`."""

    def __init__(self, home: Path, kept: Kept[Row]) -> None:
        self.path = home / "journal" / kept.file
        self._kept: Kept[Row] = kept

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows; when this returns, they are on the disk."""
        lines = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
        self._file.write(lines.encode("utf-8", "surrogatepass"))
        self._file.flush()
        os.fsync(self._file.fileno())

    def move_to(self, db: Database) -> int:
        """Write what the file holds into the store and remove the file; return how many.

        A last line that a kill cut off is no row: it is asked for again.
        """
        if not self.path.exists():
            return 0
        lines = self.path.read_bytes().split(b"\n")[:-1]
        rows = [self._kept.row(json.loads(line.decode("utf-8", "surrogatepass"))) for line in lines]
        self._kept.upsert(db, rows)
        self.path.unlink()
        return len(rows)
