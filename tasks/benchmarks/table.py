"""Read a CSV file of a benchmark: its rows by the columns' names, or where it is damaged.

Put here: encodings, headers, rows that are cut or too long; the numbers and pairs of rows.
Keep out: what the columns mean (`questions`, `statements`, beside this file).
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

_NO_CSV: Final = {
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with `git lfs pull`",
    b"PK\x03\x04": "a spreadsheet or archive; save it as CSV",
    b"<!DOCTYPE": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
}

_MOST_DIGITS: Final = 9


class Row(NamedTuple):
    """A row: where it is for messages, counted from 1 with the header as line 1; its cells."""

    line: int
    cells: Mapping[str, str]


class Table(NamedTuple):
    """The rows of a file, and what was odd about it. Columns have the names that are asked for."""

    file: Path
    rows: Sequence[Row]
    columns: frozenset[str]
    notes: list[str]

    def damaged(self, row: Row, column: str, expected: str) -> NoReturn:
        """Refuse a cell.

        Raises:
            ValueError: always; the message has the row, the column and what was found.
        """
        message = (
            f"{str(self.file)!r}, line {row.line}, column {column!r}: found "
            f"{row.cells[column][:80]!r}, expected {expected}"
        )
        raise ValueError(message)


def read_table(file: Path, names: Mapping[str, Sequence[str]], needed: Sequence[str]) -> Table:
    """Read a CSV file.

    Args:
        file: in UTF-8, with or without a byte order mark.
        names: for each column, the headers that it is known by, in small letters.
        needed: columns that must be there.

    Raises:
        ValueError: if it cannot be read, is no CSV, lacks a column, or has rows of wrong length.
    """
    notes: list[str] = []
    reader = csv.reader(io.StringIO(_text(file, notes), newline=""), strict=True)
    header: list[str] | None = None
    columns: dict[int, str] = {}
    rows: list[Row] = []
    blank = 0
    line = 1
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                blank += 1
            elif header is None:
                header, columns = cells, _columns(file, cells, names, needed, notes)
            else:
                _check_length(file, line, cells, header)
                rows.append(Row(line, {name: cells[at] for at, name in columns.items()}))
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"{str(file)!r}, line {line}: {error}; expected a CSV row with closed quotes"
        raise ValueError(message) from error
    if not rows:
        message = f"{str(file)!r} has no rows; expected a header with {', '.join(needed)} and rows"
        raise ValueError(message)
    if blank:
        notes.append(f"{blank} blank lines are passed over")
    return Table(file, rows, frozenset(columns.values()), notes)


def number_rows(table: Table, column: str) -> dict[int, Row]:
    """Return the rows by their number, in its order; a pair is an odd number and the next.

    Raises:
        ValueError: if a number is none, comes twice, or has no partner.
    """
    numbered: dict[int, Row] = {}
    for row in table.rows:
        written = row.cells[column].strip()
        if not re.fullmatch(rf"[0-9]{{1,{_MOST_DIGITS}}}", written) or int(written) < 1:
            table.damaged(row, column, "a whole number from 1")
        if (number := int(written)) in numbered:
            line = numbered[number].line
            table.damaged(row, column, f"each number once; line {line} has it too")
        numbered[number] = row
    for number, row in numbered.items():
        if (partner := pair_of(number) * 4 - 1 - number) not in numbered:
            table.damaged(row, column, f"its pair's other number {partner} in the file too")
    if list(numbered) != sorted(numbered):
        table.notes.append("rows are not in the order of their numbers; numbers count, not lines")
    return dict(sorted(numbered.items()))


def pair_of(number: int) -> int:
    """Return the pair of a row: 1 and 2 are pair 1."""
    return (number + 1) // 2


def _text(file: Path, notes: list[str]) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        message = f"{str(file)!r} cannot be read: {error.strerror}; expected a CSV file"
        raise ValueError(message) from error
    for start, found in _NO_CSV.items():
        if content.lower().startswith(start.lower()):
            message = f"{str(file)!r} is {found}; expected a CSV file"
            raise ValueError(message)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{str(file)!r}, line {line}: not UTF-8; save the file as UTF-8"
        raise ValueError(message) from error
    if text.startswith("\ufeff"):
        notes.append("the file begins with a byte order mark, which is passed over")
    return text.removeprefix("\ufeff")


def _columns(
    file: Path,
    header: Sequence[str],
    names: Mapping[str, Sequence[str]],
    needed: Sequence[str],
    notes: list[str],
) -> dict[int, str]:
    columns: dict[int, str] = {}
    for at, written in enumerate(header):
        known = " ".join(written.casefold().replace("_", " ").split())
        name = next((name for name, also in names.items() if known in also), None)
        if name in columns.values():
            message = f"{str(file)!r}, line 1: two columns are {name!r}: {list(header)}"
            raise ValueError(message)
        if name is not None:
            columns[at] = name
            if known == "lndex":
                notes.append("the header says lndex for Index")
    if missing := [name for name in needed if name not in columns.values()]:
        message = (
            f"{str(file)!r}, line 1: no column {', '.join(map(repr, missing))} in {list(header)}; "
            f"expected {', '.join(needed)}"
        )
        raise ValueError(message)
    return columns


def _check_length(file: Path, line: int, cells: Sequence[str], header: Sequence[str]) -> None:
    if len(cells) != len(header):
        last = header[min(len(cells), len(header)) - 1]
        message = (
            f"{str(file)!r}, line {line}, column {last!r}: the row has {len(cells)} cells, "
            f"expected {len(header)}; is a quote or a comma missing?"
        )
        raise ValueError(message)
