"""What a model is asked, and the answers that are stored for it.

Put here: requests by image file, answers by question, one reader of JSON for all benchmarks.
Keep out: which words are asked and how they are scored (`pope`, `vqa`, `judged`, beside this file).
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tasks.backends.replay import stored_outcome
from tasks.backends.request import Outcome

_SHOWN: Final = 5
_WORDS: Final = ("response", "answer", "text")
"""Keys of what was said: ours and MMVP's, POPE's and VQA's, LLaVA's."""


class Asked(NamedTuple):
    """One request: the question it answers, the image's file, the words beside it."""

    question_id: str
    image: Path
    prompt: str


class Record(NamedTuple):
    """An object of a file, and where it is, for messages."""

    place: str
    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a value that must be a text with words.

        Raises:
            ValueError: if it is none.
        """
        value = self.values.get(name)
        if not isinstance(value, str) or not value.strip():
            message = f"{self.place}: {name!r} is {str(value)[:80]!r}, expected a text"
            raise ValueError(message)
        return value

    def name(self, name: str) -> str:
        """Return a name: a text, or a whole number as text.

        Raises:
            ValueError: if it is none.
        """
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            message = f"{self.place}: {name!r} is {str(value)[:80]!r}, expected a name or a number"
            raise ValueError(message)
        return str(value)


def read_records(path: Path) -> list[Record]:
    """Read JSON lines, a JSON list, or CSV with a header.

    Raises:
        ValueError: if it cannot be read or has no rows.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        message = f"{str(path)!r} cannot be read: {error.strerror}"
        raise ValueError(message) from error
    except UnicodeDecodeError as error:
        message = f"{str(path)!r} is no UTF-8; save it as UTF-8"
        raise ValueError(message) from error
    start = text.lstrip()[:1]
    read = _lines if start == "{" else _list if start == "[" else _table
    records = list(read(str(path), text))
    if not records:
        message = f"{str(path)!r} has no rows; expected JSON lines, a JSON list or CSV"
        raise ValueError(message)
    return records


def read_said(
    path: Path, question_ids: Sequence[str], texts: Sequence[str] | None = None
) -> dict[str, Outcome]:
    """Return what is stored for questions, by id: `response`, `answer` or `text` of each row.

    Rows without `question_id`, as in POPE's own files, are taken in order if each repeats its
    question. Questions that have no row are left out.

    Args:
        path: JSON lines, a JSON list or CSV.
        question_ids: the questions of the benchmark.
        texts: their words, in the same order; rows in order are compared with them.

    Raises:
        ValueError: if the file cannot be read, or has a question twice or an unknown one.
    """
    records = read_records(path)
    if "question_id" in records[0].values:
        names = [record.name("question_id") for record in records]
    else:
        names = _in_order(path, records, question_ids, texts)
    _check_names(path, names, question_ids)
    said = {
        name: stored_outcome(_words(record)) for name, record in zip(names, records, strict=True)
    }
    return {name: said[name] for name in question_ids if name in said}


def image_file(folder: Path, name: str) -> Path:
    """Return an image of a folder.

    Raises:
        ValueError: if it is not there, or its name leads out of the folder.
    """
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():
        message = f"{str(folder)!r} has no image {name!r}; name the folder that holds the images"
        raise ValueError(message)
    return file


def check_distinct(path: Path, names: Sequence[str]) -> None:
    """Make sure that each question comes once.

    Raises:
        ValueError: if one comes twice.
    """
    if doubled := [name for name, times in Counter(names).items() if times > 1]:
        message = f"{str(path)!r} has {_listed(doubled)} more than once; expected each once"
        raise ValueError(message)


def _check_names(path: Path, names: Sequence[str], question_ids: Sequence[str]) -> None:
    check_distinct(path, names)
    known = set(question_ids)
    if unknown := [name for name in names if name not in known]:
        message = (
            f"{str(path)!r} answers {_listed(unknown)}, which the benchmark's {len(known)} "
            f"questions do not hold; are these answers to another file?"
        )
        raise ValueError(message)


def _in_order(
    path: Path, records: Sequence[Record], question_ids: Sequence[str], texts: Sequence[str] | None
) -> list[str]:
    if texts is None or len(records) != len(question_ids):
        message = (
            f"{str(path)!r}: rows have no question_id, and {len(records)} rows cannot be taken in "
            f"the order of {len(question_ids)} questions; expected a question_id in each"
        )
        raise ValueError(message)
    for record, text in zip(records, texts, strict=True):
        if record.text("question").split() != text.split():
            message = (
                f"{record.place} asks {record.values['question']!r}, expected {text!r}; rows "
                f"without question_id must be in the order of the questions"
            )
            raise ValueError(message)
    return list(question_ids)


def _words(record: Record) -> str:
    for name in _WORDS:
        if isinstance(value := record.values.get(name), str):
            return value
    message = f"{record.place}: none of {', '.join(_WORDS)} is a text; expected what was said"
    raise ValueError(message)


def _lines(path: str, text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            place = f"line {number} of {path!r}"
            yield _record(place, _parsed(place, line))


def _list(path: str, text: str) -> Iterator[Record]:
    for number, row in enumerate(_parsed(repr(path), text), start=1):
        yield _record(f"record {number} of {path!r}", row)


def _table(path: str, text: str) -> Iterator[Record]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            place = f"line {reader.line_num} of {path!r}"
            if None in row or None in row.values():
                message = f"{place}: other cells than {len(reader.fieldnames or ())} of the header"
                raise ValueError(message)
            yield Record(place, {name.strip(): cell for name, cell in row.items()})
    except csv.Error as error:
        message = f"line {reader.line_num} of {path!r}: {error}"
        raise ValueError(message) from None


def _parsed(place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"{place}: {type(error).__name__}: {error}; expected JSON"
        raise ValueError(message) from None


def _record(place: str, row: Any) -> Record:
    if not isinstance(row, dict):
        message = f"{place}: found {str(row)[:80]!r}, expected an object"
        raise ValueError(message)
    return Record(place, row)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_SHOWN])}{', ...' if names[_SHOWN:] else ''}"
