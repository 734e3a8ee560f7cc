"""Reading one image again, wherever it lies: a file, a member of a tar, a row of a table.

Put here: bytes by location, what is remembered of archives between two reads, pixels by image id.
Keep out: reading archives from end to end (`tasks.corpora.webdataset`, `tasks.corpora.tables`).
Shapes: H height, W width, C the three channels red, green, blue.

What is remembered is bounded: indexes of tars by their members, tables by their number. Calls may
come from several threads; those that ask in the order of locations are served in one pass.
"""

import sys
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.corpora.archives import split_location, suffix
from tasks.corpora.columns import content, image_column
from tasks.corpora.corpus import RefusedPlaceError
from tasks.corpora.places import (
    file_size,
    is_uri,
    open_place,
    read_place,
    read_range,
    size_and_time,
)
from tasks.corpora.table_files import Batch, open_table
from tasks.corpora.tars import walk_members
from tasks.corpora.uris import is_web, read_uri
from tasks.images import RefusedImageError, decode_pixels, image_id

MEMBERS: Final = 1_000_000
"""Members of tars whose places are remembered, of all tars together."""

TABLES: Final = 4
"""Tables that are kept open."""

BATCHES: Final = 4
"""Batches of a table that are kept, for threads that ask a little out of order."""

RENEW_SECONDS: Final = 60.0
"""How often, at most, a remote archive is opened anew because it holds other bytes."""

Version = tuple[str, int, int]


def find_bytes(image: str, paths: Sequence[str]) -> bytes:
    """Return the bytes of the first of these locations that still holds the image with this id.

    Raises:
        RefusedImageError: if none does.
    """
    changed = RefusedImageError("vanished", "no file holds it any more")
    for path in paths:
        try:
            data = read_location(path)
            if image_id(data) != image and _is_renewed(path):
                data = read_location(path)
        except RefusedImageError as error:
            changed = error
            continue
        if image_id(data) == image:
            return data
        changed = RefusedImageError("changed", f"{path} holds other bytes than when it was read")
    raise changed


def find_pixels(image: str, paths: Sequence[str]) -> NDArray[np.uint8]:
    """Decode the first of these locations that still holds the image with this id, (H, W, 3).

    Raises:
        RefusedImageError: if none does.
    """
    return decode_pixels(find_bytes(image, paths))  # ingest has judged its size


def read_location(path: str) -> bytes:
    """Return the bytes of an image at a file's path or uri, or at ARCHIVE!/ROW.

    Raises:
        RefusedImageError: if it is gone (`vanished`) or cannot be read; for a row of a damaged
            archive, with one of `tasks.corpora.corpus.REASONS`.
        OSError: if a remote system does not answer.
    """
    found = split_location(path)
    if found is None:
        return read_place(path)
    archive, row = found
    try:
        version = (archive, *size_and_time(archive))
    except OSError as error:
        raise RefusedImageError(reason="vanished", detail=f"{archive} is gone") from error
    if suffix(archive) == ".tar":
        start, stop = _tars.place_of(version, row)
        return read_range(archive, start, stop)
    return _tables.read(version, row)


def forget() -> None:
    """Forget all that is remembered of archives."""
    _tars.clear()
    _tables.clear()


def _is_renewed(path: str) -> bool:
    """Forget the places of a remote archive, which may have been written anew since, now and then.

    Of a local one the version is looked up at every read.
    """
    found = split_location(path)
    if found is None or not is_uri(found[0]):
        return False
    now = time.monotonic()
    if now - _renewed.get(found[0], -RENEW_SECONDS) < RENEW_SECONDS:
        return False
    _renewed[found[0]] = now
    forget()
    return True


class _Tars:
    """Where the members of tars lie."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[Version, dict[str, tuple[int, int]]] = OrderedDict()

    def clear(self) -> None:
        with self._lock:
            self._known.clear()

    def place_of(self, version: Version, name: str) -> tuple[int, int]:
        """Return first byte of a member and the byte behind its last."""
        with self._lock:
            if version not in self._known:
                self._known[version] = _index(version[0])
            self._known.move_to_end(version)
            place = self._known[version].get(name)
            while len(self._known) > 1 and sum(map(len, self._known.values())) > MEMBERS:
                self._known.popitem(last=False)
        if place is None:
            raise RefusedImageError(
                reason="vanished", detail=f"{version[0]} has no member {name!r}"
            )
        return place


def _index(archive: str) -> dict[str, tuple[int, int]]:
    places = {}
    with open_place(archive) as file:
        try:
            for member in walk_members(file, file_size(file)):
                if member.refusal is None:
                    places[member.name] = (member.offset, member.offset + member.size)
        except RefusedPlaceError:
            pass  # ingest has told of the damage; the members before it can be read
    return places


class _Table:
    """An open table that is read on from where it is, or from the start of a group of rows."""

    def __init__(self, archive: str, column: str | None) -> None:
        self.archive = archive
        self._lock = Lock()
        self._file = open_table(archive)
        self._image, _ = image_column(self._file.schema, column, archive)
        self._batches: Iterator[Batch] = iter(())
        self._next = sys.maxsize
        self._recent: deque[Batch] = deque(maxlen=BATCHES)

    def value(self, row: int) -> pa.Scalar:
        """Return what the column of images holds in a row."""
        with self._lock:
            for batch in self._recent:
                if batch.start <= row < batch.start + len(batch.rows):
                    return batch.rows.column(0)[row - batch.start]
            if row < self._next or row >= self._group_end():
                self._batches = self._file.batches([self._image], row, None)
                self._next = row
            for batch in self._batches:
                self._recent.append(batch)
                self._next = batch.start + len(batch.rows)
                if row < self._next:
                    return batch.rows.column(0)[row - batch.start]
        raise RefusedImageError(reason="vanished", detail=f"{self.archive} has no row {row}")

    def _group_end(self) -> int:
        """Return the row behind the group that is being read; skipping a group costs nothing."""
        ends = (end for first, end in self._file.groups if first <= self._next < end)
        return next(ends, sys.maxsize)


class _Tables:
    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[tuple[Version, str | None], _Table] = OrderedDict()

    def clear(self) -> None:
        with self._lock:
            self._open.clear()

    def read(self, version: Version, row: str) -> bytes:
        """Return the image of a row named as `tasks.corpora.archives` says."""
        archive = version[0]
        number, _, column = row.removeprefix("/").partition("/")
        if not number.isdecimal():
            raise RefusedImageError(reason="vanished", detail=f"{archive} has no row {row!r}")
        data, uri = content(self._table(version, column or None).value(int(number)))
        if data is not None:
            return data
        if uri is None:
            raise RefusedImageError(
                reason="vanished", detail=f"row {number} of {archive} holds no image"
            )
        if is_web(uri) and not row.startswith("/"):
            raise RefusedImageError(
                reason="vanished", detail=f"row {number} of {archive} was no address once"
            )
        return read_uri(uri, archive, fetch=True)

    def _table(self, version: Version, column: str | None) -> _Table:
        with self._lock:
            key = (version, column)
            if key not in self._open:
                self._open[key] = self._opened(version[0], column)
            self._open.move_to_end(key)
            while len(self._open) > TABLES:
                self._open.popitem(last=False)  # closed when the last thread is done with it
            return self._open[key]

    def _opened(self, archive: str, column: str | None) -> _Table:
        try:
            return _Table(archive, column)
        except ValueError as error:
            raise RefusedImageError(reason="vanished", detail=str(error)) from error


_renewed: Final[dict[str, float]] = {}
_tars: Final = _Tars()
_tables: Final = _Tables()
