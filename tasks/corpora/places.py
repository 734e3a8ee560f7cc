"""Places: local paths and uris of any file system that fsspec knows, listed and opened alike.

Put here: walking, sizes and times of change, opening, which errors mean that a file is gone.
Keep out: what the files hold (the modules of each form).

Only a refusal of the file itself is a reason to refuse it. Where a remote system does not answer,
the error is raised as it is, and the stage is tried again.
"""

import hashlib
import io
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import fsspec

from tasks.corpora.corpus import Found, Unreadable, Walked
from tasks.images import RefusedImageError, read_file

_TIMES: Final = ("LastModified", "mtime", "updated", "last_modified", "last_commit", "created")
_TAGS: Final = ("ETag", "etag", "md5Hash", "crc32c", "content_md5", "blob_id")
_OPEN_BYTES: Final = 4 * 2**20


def is_uri(place: str) -> bool:
    """Say whether a place is a uri rather than a local path."""
    return "://" in place


def full_name(place: str) -> str:
    """Return the one name of a place: an absolute path with links resolved, or a uri.

    Raises:
        ValueError: if a uri's file system is unknown or its library is not installed.
    """
    place = place.removeprefix("file://")
    if not is_uri(place):
        return str(Path(place).expanduser().resolve())
    scheme = place.partition("://")[0]
    if "::" in place:
        message = f"{place!r} chains file systems, which is not read; give a plain uri"
        raise ValueError(message)
    try:
        fs, path = _file_system(place)
    except (ImportError, ValueError) as error:
        message = f"nothing here reads {scheme}:// ({error}); `mmvp[s3]` brings what reads s3://"
        raise ValueError(message) from error
    return str(fs.unstrip_protocol(path)).rstrip("/")


def inside(folder: str, name: str) -> str:
    """Return a name inside a folder as a place."""
    return f"{folder}/{name}" if is_uri(folder) else os.path.join(folder, name)


def walk(place: str) -> Walked:
    """List every file at or below a place by path; hidden names are passed over.

    Folders behind links are not walked, since links can go in circles; they are reported.

    Raises:
        FileNotFoundError: if there is nothing.
    """
    if is_uri(place):
        return Walked(_walk_remote(place), [])
    if os.path.isfile(place):
        found = _stat(place)
        return Walked([], [found]) if isinstance(found, Unreadable) else Walked([found], [])
    if not os.path.isdir(place):
        raise FileNotFoundError(place)
    return _walk_local(place)


def _walk_local(folder: str) -> Walked:
    files: list[Found] = []
    unreadable: list[Unreadable] = []

    def on_error(error: OSError) -> None:
        unreadable.append(Unreadable(_text(str(error.filename)), "unreadable", str(error)))

    for inner, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [os.path.join(inner, name) for name in folders]
        links = [_text(path) for path in paths if os.path.islink(path)]
        unreadable.extend(Unreadable(path, "linked-folder", "not walked") for path in links)
        for path in (os.path.join(inner, name) for name in names if not name.startswith(".")):
            found = _stat(path)
            if isinstance(found, Unreadable):
                unreadable.append(found)
            else:
                files.append(found)
    return Walked(sorted(files), sorted(unreadable))


def _stat(path: str) -> Found | Unreadable:
    if _text(path) != path:
        return Unreadable(_text(path), "name-not-utf8", "its name is no UTF-8 text")
    try:
        status = os.stat(path)
    except OSError as error:
        return Unreadable(path, "unreadable", str(error.strerror))
    return Found(path, status.st_size, status.st_mtime_ns)


def _text(path: str) -> str:
    """Return the path as text that can be stored, odd bytes written out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _walk_remote(place: str) -> list[Found]:
    fs, path = _file_system(place)
    fs.invalidate_cache()  # a scheduled run lives longer than what was listed last night
    if fs.isfile(path):
        return [_found(fs, fs.info(path))]
    below = fs.find(path, detail=True)
    if not below:
        raise FileNotFoundError(place)
    found = [
        _found(fs, info)
        for name, info in below.items()
        if not any(step.startswith(".") for step in name[len(path) :].split("/"))
    ]
    return sorted(found)


def _found(fs: Any, info: Mapping[str, Any]) -> Found:
    return Found(fs.unstrip_protocol(info["name"]), int(info["size"] or 0), _changed_ns(info))


def _changed_ns(info: Mapping[str, Any]) -> int:
    time = next((info[key] for key in _TIMES if info.get(key)), 0)
    time = getattr(time, "date", time) if not isinstance(time, datetime) else time
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    nanoseconds = int(float(time) * 1e9)
    tag = next((str(info[key]) for key in _TAGS if info.get(key)), None)
    if tag is None:
        return nanoseconds
    code = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big")
    return nanoseconds - nanoseconds % 10**9 + code % 10**9


def _file_system(uri: str) -> tuple[Any, str]:  # an fsspec.AbstractFileSystem; it has no types
    fs, path = fsspec.core.url_to_fs(uri)
    return fs, str(path)


def size_and_time(place: str) -> tuple[int, int]:
    """Return size in bytes and time of change of a local file; of a remote one zeros, unasked.

    Raises:
        FileNotFoundError: if it is gone.
    """
    if is_uri(place):
        return 0, 0
    status = os.stat(place)
    return status.st_size, status.st_mtime_ns


def open_place(place: str) -> BinaryIO:
    """Open a regular file for reading, never waiting for a pipe or a device.

    Raises:
        RefusedImageError: if it is gone (`vanished`) or cannot be read (`unreadable`).
        OSError: if a remote system does not answer.
    """
    try:
        if is_uri(place):
            fs, path = _file_system(place)
            return cast(BinaryIO, fs.open(path, "rb", block_size=_OPEN_BYTES))
        file = open(place, "rb", opener=_open_at_once)  # noqa: SIM115  # the caller closes it
    except FileNotFoundError as error:
        raise RefusedImageError(reason="vanished", detail=f"{place} is gone") from error
    except (PermissionError, IsADirectoryError) as error:
        raise RefusedImageError(reason="unreadable", detail=str(error)) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise RefusedImageError(
            reason="unreadable", detail="a pipe, socket or device, not a regular file"
        )
    return cast(BinaryIO, file)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def file_size(file: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def read_place(place: str) -> bytes:
    """Read a whole file.

    Raises:
        RefusedImageError: if it is gone (`vanished`) or cannot be read (`unreadable`).
        OSError: if a remote system does not answer.
    """
    if not is_uri(place):
        return read_file(Path(place))
    with open_place(place) as file:
        return file.read()


def read_range(place: str, start: int, stop: int) -> bytes:
    """Read bytes `start` to `stop` of a file.

    Raises:
        RefusedImageError: if it is gone (`vanished`) or cannot be read (`unreadable`).
        OSError: if a remote system does not answer.
    """
    if is_uri(place):
        fs, path = _file_system(place)
        try:
            return bytes(fs.cat_file(path, start=start, end=stop))
        except FileNotFoundError as error:
            raise RefusedImageError(reason="vanished", detail=f"{place} is gone") from error
    with open_place(place) as file:
        file.seek(start)
        return file.read(stop - start)
