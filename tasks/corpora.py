"""A corpus: a folder tree of images, with labels and captions where the folder tells them.

Put here: walking a folder, labels from folder names, captions from a sidecar file.
Keep out: opening images (`tasks.images`); what is remembered of them (`tasks.ingest`).
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

SIDECARS = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
"""Files that are read as captions when they lie at the top of a corpus and none is named."""

PATH_COLUMNS = ("path", "file_name", "filename", "file", "image")
CAPTION_COLUMNS = ("caption", "text", "description")


class FileEntry(NamedTuple):
    """One file of a corpus as its folder shows it; `mtime_ns` is its time of change."""

    path: str
    size_bytes: int
    mtime_ns: int
    label: str | None
    caption: str | None


class Unreadable(NamedTuple):
    """A place in the tree that cannot be walked."""

    path: str
    reason: str
    detail: str


class Listing(NamedTuple):
    """A corpus as found: its files by path, places not walked, captions that no file took."""

    corpus: str
    files: Sequence[FileEntry]
    unreadable: Sequence[Unreadable]
    captions_unused: int


def resolve_corpus(folder: str) -> str:
    """Return the name of a corpus: the absolute path of its folder, links resolved.

    Raises:
        ValueError: if there is no such folder.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        message = f"corpus {folder!r} must be a folder of images, found {found} there"
        raise ValueError(message)
    return str(path.resolve())


def list_corpus(corpus: str, captions_file: str | None = None) -> Listing:
    """Walk a corpus without opening its images.

    Hidden files and folders (names that begin with a dot) and the captions file are passed over.
    Folders behind links are not walked, since links can go in circles; they are reported.

    Raises:
        ValueError: if the captions file is missing or malformed.
    """
    sidecar = _sidecar(corpus, captions_file)
    captions = read_captions(sidecar, corpus) if sidecar is not None else {}
    found, unreadable = _walk(corpus, sidecar)
    several = len({os.path.dirname(path) for path, _ in found}) > 1
    files = [
        FileEntry(
            path=path,
            size_bytes=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            label=_label(path, corpus) if several else None,
            caption=captions.get(path),
        )
        for path, stat in sorted(found)
    ]
    unused = len(captions.keys() - {file.path for file in files})
    return Listing(corpus, files, sorted(unreadable), unused)


def read_captions(sidecar: Path, corpus: str) -> Mapping[str, str]:
    """Read a CSV or JSONL file with a path and a caption a row: absolute path -> caption.

    Paths are relative to the corpus; the columns may have any of the usual names.

    A row may leave its caption empty.

    Raises:
        ValueError: if a row is malformed, or the columns are not there.
    """
    captions = {}
    seen: set[str] = set()
    for line, row in _rows(sidecar):
        seen.update(row)
        path = next((row[name] for name in PATH_COLUMNS if row.get(name)), None)
        caption = next((row[name] for name in CAPTION_COLUMNS if row.get(name)), None)
        if path is None:
            message = (
                f"captions file {str(sidecar)!r}, line {line}: no column names the image, found "
                f"{sorted(map(str, row))}, expected one of {', '.join(PATH_COLUMNS)}"
            )
            raise ValueError(message)
        if caption is not None:
            captions[os.path.normpath(os.path.join(corpus, str(path)))] = str(caption)
    if seen and seen.isdisjoint(CAPTION_COLUMNS):
        message = (
            f"captions file {str(sidecar)!r}: no column holds captions, found "
            f"{sorted(map(str, seen))}, expected one of {', '.join(CAPTION_COLUMNS)}"
        )
        raise ValueError(message)
    return captions


def _rows(sidecar: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    read = _csv_rows if sidecar.suffix.lower() == ".csv" else _jsonl_rows
    try:
        with sidecar.open(encoding="utf-8-sig", newline="") as file:
            yield from read(file)
    except (OSError, ValueError) as error:
        message = f"captions file {str(sidecar)!r} cannot be read: {error}"
        raise ValueError(message) from error


def _csv_rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, object]]]:
    rows = csv.DictReader(file)
    try:
        for row in rows:
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
        yield number, row


def _sidecar(corpus: str, named: str | None) -> Path | None:
    if named is not None:
        path = Path(named).expanduser()
        if not path.is_file():
            message = f"captions file {named!r} does not exist; give a CSV or JSONL file"
            raise ValueError(message)
        return path.resolve()
    candidates = (Path(corpus, name) for name in SIDECARS)
    return next((path for path in candidates if path.is_file() and _tells_captions(path)), None)


def _tells_captions(sidecar: Path) -> bool:
    """Say whether a file that nobody named holds captions; metadata may be of another kind."""
    if sidecar.stem == "captions":
        return True
    _, row = next(_rows(sidecar), (0, {}))
    return not (row.keys().isdisjoint(PATH_COLUMNS) or row.keys().isdisjoint(CAPTION_COLUMNS))


def _walk(
    corpus: str, sidecar: Path | None
) -> tuple[list[tuple[str, os.stat_result]], list[Unreadable]]:
    files: list[tuple[str, os.stat_result]] = []
    unreadable: list[Unreadable] = []

    def on_error(error: OSError) -> None:
        unreadable.append(Unreadable(_text(str(error.filename)), "unreadable", str(error)))

    for folder, folders, names in os.walk(corpus, onerror=on_error):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = [os.path.join(folder, name) for name in folders]
        links = [_text(path) for path in inner if os.path.islink(path)]
        unreadable.extend(Unreadable(path, "linked-folder", "not walked") for path in links)
        for path in (os.path.join(folder, name) for name in names if not name.startswith(".")):
            found = _stat(path)
            if isinstance(found, Unreadable):
                unreadable.append(found)
            elif path != str(sidecar):
                files.append((path, found))
    return files, unreadable


def _stat(path: str) -> os.stat_result | Unreadable:
    if _text(path) != path:
        return Unreadable(_text(path), "name-not-utf8", "its name is no UTF-8 text")
    try:
        return os.stat(path)
    except OSError as error:
        return Unreadable(path, "unreadable", str(error.strerror))


def _text(path: str) -> str:
    """Return the path as text that can be stored, odd bytes written out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _label(path: str, corpus: str) -> str | None:
    folder = os.path.dirname(path)
    return None if folder == corpus else os.path.basename(folder)
