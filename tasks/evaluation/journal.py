"""Answers on their way to the store: a line a file as soon as each is known, a commit at the end.

Put here: writing lines that a kill cannot take, and reading them back.
Keep out: the table (`storage.answers`); asking (`remote`, beside this file).

A commit an answer would make a version of the table each; an answer that cost money must not be
lost until the next commit either.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from storage import answers
from storage.answers import AnswerRow
from storage.database import Database

FILE: Final = "answers.jsonl"


class Journal:
    """A file of answers that are not in the store yet; open it with `with`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal" / FILE

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

    def add(self, rows: Sequence[AnswerRow]) -> None:
        """Write answers; when this returns, they are on the disk."""
        lines = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
        self._file.write(lines.encode("utf-8", "surrogatepass"))
        self._file.flush()
        os.fsync(self._file.fileno())

    def move_to(self, db: Database) -> int:
        """Write what the file holds into the store and remove the file; return how many.

        A last line that a kill cut off is no answer: its question is asked again.
        """
        if not self.path.exists():
            return 0
        lines = self.path.read_bytes().split(b"\n")[:-1]
        rows = [_row(json.loads(line.decode("utf-8", "surrogatepass"))) for line in lines]
        answers.upsert(db, rows)
        self.path.unlink()
        return len(rows)


def _row(line: dict[str, Any]) -> AnswerRow:
    scores = line.pop("scores")
    return AnswerRow(**line, scores=None if scores is None else tuple(scores))
