"""A corpus: a folder tree of images, with what the folder tells of them.

Put here: walking a folder, labels from folder names, joining files and their sidecar.
Keep out: reading the sidecar (`tasks.sidecars`); opening images (`tasks.images`); what is
remembered of them (`tasks.ingest`).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.sidecars import UNTOLD, SidecarEntry, find_sidecar, read_sidecar


class FileEntry(NamedTuple):
    """One file of a corpus as its folder shows it; `mtime_ns` is its time of change."""

    path: str
    size_bytes: int
    mtime_ns: int
    label: str | None
    caption: str | None
    attributes: Mapping[str, str]


class Unreadable(NamedTuple):
    """A place in the tree that cannot be walked."""

    path: str
    reason: str
    detail: str


class Listing(NamedTuple):
    """A corpus as found: its files by path, places not walked, sidecar entries of no file."""

    corpus: str
    files: Sequence[FileEntry]
    unreadable: Sequence[Unreadable]
    entries_unused: int


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
    sidecar = find_sidecar(corpus, captions_file)
    told = read_sidecar(sidecar, corpus) if sidecar is not None else {}
    found, unreadable = _walk(corpus, sidecar)
    several = len({os.path.dirname(path) for path, _ in found}) > 1
    files = [
        _entry(path, stat, _label(path, corpus) if several else None, told.get(path, UNTOLD))
        for path, stat in sorted(found)
    ]
    unused = len(told.keys() - {file.path for file in files})
    return Listing(corpus, files, sorted(unreadable), unused)


def _entry(path: str, stat: os.stat_result, label: str | None, told: SidecarEntry) -> FileEntry:
    return FileEntry(path, stat.st_size, stat.st_mtime_ns, label, told.caption, told.attributes)


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
