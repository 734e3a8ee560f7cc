"""Files of conversations: one value after the other, however long the file.

Put here: JSON lists and JSON lines, where a damaged file is damaged.
Keep out: what a value must look like to be a conversation (`parsing`, beside this file).

A file is read in pieces, of which no more is held than the longest of its values takes.
"""

import codecs
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

PIECE_BYTES: Final = 1 << 20
MOST_CHARACTERS: Final = 64 << 20
"""A value that is longer is taken for damage: a text that never ends."""

_CUT_OFF: Final = 16
"""A value that was cut off is found damaged so near to the end of what was read, or in a text."""

_BLANK: Final = re.compile(r"[ \t\n\r]*")


def digest_file(file: Path) -> str:
    """Return the sha256 (64 hex digits) of a file's bytes.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        message = (
            f"conversations {str(file)!r} cannot be read: {error.strerror}; expected a file of "
            f"JSON, a list or a value a line"
        )
        raise ValueError(message) from error


def read_values(file: Path) -> Iterator[Any]:
    """Yield the values of a JSON list, or of JSON lines, in their order.

    Raises:
        ValueError: if the file is damaged, behind the values before; the message says where.
    """
    with file.open("rb") as opened:
        yield from _Text(file, iter(lambda: opened.read(PIECE_BYTES), b"")).values()


class _Text:
    """The text of a file, of which a window is held: `self._at` is where to read on in it."""

    def __init__(self, file: Path, pieces: Iterator[bytes]) -> None:
        self._file = file
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder()
        self._window = ""
        self._at = 0
        self._bytes = 0
        self._ended = False
        self._line = 1

    def values(self) -> Iterator[Any]:
        """Yield the values."""
        is_list = self._peek() == "["
        if is_list:
            self._at += 1
        closed = not is_list
        count = 0
        while (next_one := self._peek()) is not None:
            if is_list and next_one == "]":
                closed = True
                self._at += 1
                break
            if is_list and count:
                self._skip_comma(next_one)
            yield self._value()
            count += 1
        if not closed:
            self._refuse("the list has no end", self._at)
        if self._peek() is not None:
            self._refuse("there is something behind the end of the list", self._at)

    def _skip_comma(self, found: str) -> None:
        if found != ",":
            self._refuse(f"expected ',' or ']' between values, found {found!r}", self._at)
        self._at += 1
        self._peek()

    def _peek(self) -> str | None:
        """Go to the next character that is not blank, and return it; None at the end."""
        while True:
            blank = _BLANK.match(self._window, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._read_on():
                return None

    def _value(self) -> Any:
        """Return the value at this place and go behind it."""
        while True:
            try:
                value, end = self._json.raw_decode(self._window, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not self._may_be_cut_off(error):
                    self._refuse(error.msg, error.pos)
                self._read_on()
            except (RecursionError, ValueError) as error:  # too deep, or a number of 4,300 digits
                self._refuse(str(error), self._at)
            else:
                # a number near the edge may go on: the 1 of 1e+5
                settled = isinstance(value, dict | list) or end + 3 <= len(self._window)
                if settled or self._ended:
                    self._at = end
                    return value
                self._read_on()

    def _may_be_cut_off(self, error: json.JSONDecodeError) -> bool:
        if len(self._window) - self._at > MOST_CHARACTERS:
            self._refuse(f"a value of more than {MOST_CHARACTERS:,} characters", self._at)
        in_text = error.msg.startswith("Unterminated string")
        return in_text or error.pos >= len(self._window) - _CUT_OFF

    def _read_on(self) -> bool:
        """Let go of what was read and take in as much again; False at the end of the file."""
        self._line += self._window.count("\n", 0, self._at)
        self._window, self._at = self._window[self._at :], 0
        wanted = max(1, len(self._window))
        parts: list[str] = []
        while wanted > 0 and not self._ended:
            piece = next(self._pieces, b"")
            self._ended = not piece
            self._bytes += len(piece)
            parts.append(self._decode(piece))
            wanted -= len(parts[-1])
        self._window += "".join(parts)
        return any(parts)

    def _decode(self, piece: bytes) -> str:
        try:
            return self._decoder.decode(piece, final=self._ended)
        except UnicodeDecodeError as error:
            at = self._bytes - len(error.object) + error.start
            message = (
                f"{str(self._file)!r} is damaged at byte {at}: it is not UTF-8 there; expected a "
                f"file of JSON; get it again, or cut it off before that byte"
            )
            raise ValueError(message) from error

    def _refuse(self, found: str, at: int) -> NoReturn:
        line = self._line + self._window.count("\n", 0, at)
        rest = len(self._window[at:].encode()) + len(self._decoder.getstate()[0])
        where = f"line {line}, at byte {self._bytes - rest}"
        message = (
            f"{str(self._file)!r} is damaged in {where}: {found}; "
            f"expected a JSON list of conversations or one a line; get the file again"
        )
        raise ValueError(message)
