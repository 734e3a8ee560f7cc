"""A sidecar: the file beside a corpus' images that says what they show, in words and in columns.

Put here: finding the file, reading it as CSV or JSONL, telling captions from attributes.
Keep out: walking folders (`tasks.corpora`); how attributes are stored (`storage.paths`).
"""

import csv
import io
import json
import math
import os
import posixpath
import sys
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from tasks.corpora.corpus import Rights
from tasks.corpora.places import full_name, inside, is_uri, open_place
from tasks.corpora.rights import read_rights, rights_columns
from tasks.images import RefusedImageError

SIDECARS: Final = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
"""Files that are read when they lie at the top of a corpus and none is named."""

PATH_COLUMNS: Final = ("path", "file_name", "filename", "file", "image")
CAPTION_COLUMNS: Final = ("caption", "text", "description")
ATTRIBUTE_CHARACTERS: Final = 100
"""A longer text is no attribute: it describes an image, where an attribute names one thing."""


class SidecarEntry(NamedTuple):
    """What a sidecar says of one image; attributes are name -> text."""

    caption: str | None
    attributes: Mapping[str, str]
    rights: Rights = Rights()


UNTOLD: Final = SidecarEntry(None, {})
_RIGHTS: Final = rights_columns({}).keys()
NO_NAMES: Final[Mapping[str, str]] = {}


def find_sidecar(
    corpus: str,
    named: str | None,
    paths: Collection[str],
    columns: Mapping[str, str] = NO_NAMES,
) -> str | None:
    """Return the file that is named, else the first of the usual ones that tells of images.

    `paths` are the files of the corpus; `columns` says what columns of other names are.

    Raises:
        ValueError: if the named file is missing, or a usual one is malformed.
    """
    if named is not None:
        place = full_name(named)
        if not is_uri(place) and not Path(place).is_file():
            message = f"captions file {named!r} does not exist; give a CSV or JSONL file"
            raise ValueError(message)
        return place
    candidates = (inside(corpus, name) for name in SIDECARS)
    there = (path for path in candidates if path in paths)
    return next((path for path in there if _tells_of_images(path, columns)), None)


def read_sidecar(
    sidecar: str, corpus: str, columns: Mapping[str, str] = NO_NAMES
) -> Mapping[str, SidecarEntry]:
    """Read a CSV or JSONL file with an image a row: absolute path -> what the row tells of it.

    Paths are relative to the corpus. The columns of path, caption and rights may have any of the
    usual names, or `columns` says what they are; the others, a second column of captions among
    them, give attributes where they hold short values. A row may leave any of them empty, and one
    that tells nothing gives no entry; of several rows of one image later ones win.

    Raises:
        ValueError: if a row is malformed, or no row has more than a path.
    """
    told: dict[str, SidecarEntry] = {}
    seen: set[str] = set()
    for line, row in _rows(sidecar, columns):
        seen.update(row)
        path = next((row[name] for name in PATH_COLUMNS if row.get(name)), None)
        if path is None:
            message = (
                f"captions file {sidecar!r}, line {line}: no column names the image, found "
                f"{sorted(map(str, row))}, expected one of {', '.join(PATH_COLUMNS)}"
            )
            raise ValueError(message)
        entry = _entry(row)
        if entry != UNTOLD:
            place = _place(corpus, str(path))
            earlier = told.get(place, UNTOLD)
            attributes = {**earlier.attributes, **entry.attributes}
            rights = entry.rights.else_of(earlier.rights)
            told[place] = SidecarEntry(entry.caption or earlier.caption, attributes, rights)
    if seen and seen <= set(PATH_COLUMNS):
        message = (
            f"captions file {sidecar!r}: no column holds captions or attributes, found "
            f"{sorted(map(str, seen))}, expected one of {', '.join(CAPTION_COLUMNS)}, or others"
        )
        raise ValueError(message)
    return told


def _place(corpus: str, path: str) -> str:
    if is_uri(path):
        return path
    if is_uri(corpus):
        return inside(corpus, posixpath.normpath(path))
    return os.path.normpath(Path(corpus, path))


def _entry(row: Mapping[str, object]) -> SidecarEntry:
    """Return the first caption of a row; its other columns, beside paths, may be attributes.

    Names and texts of attributes repeat from row to row, so memory holds each once.
    """
    caption_column = next((name for name in CAPTION_COLUMNS if row.get(name)), None)
    attributes = {
        sys.intern(name): sys.intern(text)
        for name, value in row.items()
        if name and name not in PATH_COLUMNS and name != caption_column
        if name.lower() not in _RIGHTS and (text := short_text(value))
    }
    caption = str(row[caption_column]) if caption_column else None
    return SidecarEntry(caption, attributes, read_rights(row, NO_NAMES))


def short_text(value: object) -> str:
    """Return a scalar's text; nothing of other values, of text that is long, of NaN."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int | float):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    text = str(value).strip()
    return text if len(text) <= ATTRIBUTE_CHARACTERS else ""


def _tells_of_images(sidecar: str, names: Mapping[str, str]) -> bool:
    """Say whether a file that nobody named is about images; metadata may be of another kind."""
    if sidecar.rpartition("/")[2].startswith("captions."):
        return True
    columns = (row.keys() for _, row in _rows(sidecar, names))
    first = next(columns, set[str]())
    names_images = not first.isdisjoint(PATH_COLUMNS)
    return names_images and any(not seen <= set(PATH_COLUMNS) for seen in chain([first], columns))


def _rows(sidecar: str, columns: Mapping[str, str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    read = _csv_rows if sidecar.lower().endswith(".csv") else _jsonl_rows
    try:
        with io.TextIOWrapper(open_place(sidecar), encoding="utf-8-sig", newline="") as file:
            for line, row in read(file):
                yield line, {columns.get(name, name): value for name, value in row.items()}
    except (OSError, RefusedImageError, ValueError) as error:
        message = f"captions file {sidecar!r} cannot be read: {error}"
        raise ValueError(message) from error


def _csv_rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, object]]]:
    rows = csv.DictReader(file)
    try:
        rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
        for row in rows:
            row.pop(None, None)  # the fields of a row that is longer than the header
            yield rows.line_num, row
    except csv.Error as error:
        message = f"line {rows.reader.line_num}: {error}"
        raise ValueError(message) from error


def _jsonl_rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            message = f"line {number}: {error.msg} at character {error.pos + 1}"
            raise ValueError(message) from error
        if not isinstance(row, dict):
            message = f"line {number} is {type(row).__name__}, expected an object"
            raise ValueError(message)
        if "\\ud" in line.lower():  # half of a character, as cut texts have, cannot be stored
            row = json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
        yield number, row
