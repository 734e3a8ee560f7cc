"""Read replies stored as a sheet: VLMEvalKit's predictions, as TSV, CSV, JSON or workbook.

Put here: columns and cells of a sheet.
Keep out: which words are failed calls (`tasks.backends.replay`), fitting to questions (`replies`).

Source: `vlmeval/inference.py` of VLMEvalKit, August 2026: a row a question with `index`,
`question`, `prediction`; the file is called MODEL_BENCHMARK.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

from tasks.bridges.stored import Stored, StoredReply

SHEET: Final = "VLMEvalKit"
INDEX, PREDICTION, QUESTION = "index", "prediction", "question"
_EXPECTED: Final = f"expected the columns {INDEX!r} and {PREDICTION!r}, as VLMEvalKit writes them"
_FIRST: Final = (1, 0)

Row = tuple[str, Mapping[str, Any]]


def read_table_text(path: Path, text: str, benchmark: str) -> Stored:
    """Read a sheet in TSV or CSV; `benchmark` is the name that its file name may end with.

    Raises:
        ValueError: if it is none, or lacks a column.
    """
    header = text.lstrip().partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter="\t" if "\t" in header else ",", strict=True
    )
    return _stored(path, _cells(path, _csv_rows(path, reader)), benchmark)


def read_records(path: Path, text: str, benchmark: str) -> Stored:
    """Read a sheet in JSON: a list of objects.

    Raises:
        ValueError: if it is none, or lacks a column.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"{str(path)!r}: {type(error).__name__}: {error}; expected a list of objects"
        raise ValueError(message) from None
    rows: list[Row] = []
    for number, row in enumerate(found, start=1):
        place = f"record {number} of {str(path)!r}"
        if not isinstance(row, dict):
            message = f"{place}: found {str(row)[:80]!r}, no object; {_EXPECTED}"
            raise ValueError(message)
        rows.append((place, {str(name).strip().lower(): cell for name, cell in row.items()}))
    return _stored(path, rows, benchmark)


def read_workbook(path: Path, content: bytes, benchmark: str) -> Stored:
    """Read the first sheet of a workbook (.xlsx).

    Raises:
        ValueError: if openpyxl is not installed, or this is no workbook with these columns.
    """
    try:
        import openpyxl
    except ImportError:
        message = (
            f"{str(path)!r} is a workbook, and openpyxl, which reads them, is not installed; "
            f"run `pip install openpyxl`, or save the sheet as TSV"
        )
        raise ValueError(message) from None
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        cells = [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    except (BadZipFile, KeyError, ValueError, IndexError, OSError) as error:
        message = f"{str(path)!r} is no whole workbook: {error}; save it again, or as TSV"
        raise ValueError(message) from error
    numbered = enumerate(cells, start=1)
    return _stored(path, _cells(path, numbered), benchmark)


def _csv_rows(path: Path, reader: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            message = f"line {line} of {str(path)!r}: {error}; {_EXPECTED}"
            raise ValueError(message) from None
        if row is None:
            return
        yield line, row
        line = reader.line_num + 1


def _cells(path: Path, rows: Iterator[tuple[int, Sequence[Any]]]) -> list[Row]:
    """Return rows by the names of the header; lines without any cell are passed over."""
    filled = ((number, row) for number, row in rows if any(c not in (None, "") for c in row))
    header: list[str] = [str(cell or "").strip().lower() for cell in next(filled, (0, ()))[1]]
    found: list[Row] = []
    for number, row in filled:
        place = f"line {number} of {str(path)!r}"
        if len(row) != len(header):
            message = (
                f"{place}: {len(row)} cells, expected {len(header)}; is a quote or a tab missing?"
            )
            raise ValueError(message)
        found.append((place, dict(zip(header, row, strict=True))))
    if not found:
        message = f"{str(path)!r} has no rows under a header; {_EXPECTED}"
        raise ValueError(message)
    return found


def _stored(path: Path, rows: Sequence[Row], benchmark: str) -> Stored:
    if not rows:
        message = f"{str(path)!r} has no rows; {_EXPECTED}"
        raise ValueError(message)
    replies = []
    for place, row in rows:
        if missing := [name for name in (INDEX, PREDICTION) if name not in row]:
            message = f"{place}: no {', '.join(missing)} among {sorted(row)[:12]}; {_EXPECTED}"
            raise ValueError(message)
        said, asked = row[PREDICTION], row.get(QUESTION)
        replies.append(
            StoredReply(
                place,
                _index(place, row[INDEX]),
                "" if said is None else str(said),
                asked if isinstance(asked, str) else "",
            )
        )
    ending = f"_{benchmark}".casefold()
    ends = path.stem.casefold().endswith(ending)
    model = path.stem[: -len(ending)] if ends else path.stem
    return Stored(
        format=SHEET, replies=replies, first=_FIRST, by_name=False, model=model or None, notes=[]
    )


def _index(place: str, cell: Any) -> str:
    """Return an index as text; sheets keep whole numbers as 7.0, too."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = str(cell).strip()
    whole = text.removesuffix(".0")
    if not whole:
        message = f"{place}: index is empty; expected a number"
        raise ValueError(message)
    return whole
