"""Put a finished folder in the place of an old one, so that a reader meets one or the other.

Put here: the temporary sibling, the swap, and the sweeping of what a killed call left.
Keep out: what is in the folder (`tasks.report.page`).
"""

import ctypes
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

AT_FDCWD: Final = -100
RENAME_EXCHANGE: Final = 2  # Linux and macOS (RENAME_SWAP) use the same number


@contextmanager
def replacing(folder: Path, *, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a new empty folder that takes the place of `folder` when the block ends well.

    If the block raises, or the process is killed at any point, `folder` is as it was before. Of
    two calls at once on one folder the slower may fail; their files never mix.

    Args:
        folder: where the finished folder goes; absent, empty, or one that `is_ours`.
        is_ours: whether a folder with something in it may be replaced.

    Raises:
        ValueError: if `folder` is a file, or holds something that is not ours.
    """
    folder = folder.resolve()  # a link keeps pointing where it points
    folder.parent.mkdir(parents=True, exist_ok=True)
    _recover(folder)
    _check_replaceable(folder, is_ours)
    building = _sibling(folder, "building")
    building.mkdir()
    try:
        yield building
        _check_replaceable(folder, is_ours)
        _swap(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sibling(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}-{uuid.uuid4().hex[:12]}")


def _siblings(folder: Path, what: str) -> list[Path]:
    start = f".{folder.name}.{what}-"
    return sorted(path for path in folder.parent.iterdir() if path.name.startswith(start))


def _recover(folder: Path) -> None:
    """Bring back an old folder that a killed call had moved away; remove what else it left."""
    moved_away = _siblings(folder, "replaced")
    if moved_away and not folder.exists():
        moved_away.pop().rename(folder)
    for stale in moved_away + _siblings(folder, "building"):
        shutil.rmtree(stale, ignore_errors=True)


def _check_replaceable(folder: Path, is_ours: Callable[[Path], bool]) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        message = f"{str(folder)!r} is a file; a report needs the path of a folder"
        raise ValueError(message)
    if any(folder.iterdir()) and not is_ours(folder):
        message = (
            f"folder {str(folder)!r} holds files that are not a report's, and a report replaces "
            f"its whole folder; name an empty or new folder"
        )
        raise ValueError(message)


def _swap(new: Path, folder: Path) -> None:
    """Put `new` at `folder`; the old folder, if any, ends up at `new` or is removed."""
    if not folder.exists():
        new.rename(folder)
    elif not _exchange(new, folder):
        # Between the two renames there is no `folder`; `_recover` mends that after a kill.
        away = _sibling(folder, "replaced")
        folder.rename(away)
        new.rename(folder)
        shutil.rmtree(away, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system or the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    a, b = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        return bool(libc.renamex_np(a, b, RENAME_EXCHANGE) == 0)
    if not hasattr(libc, "renameat2"):
        return False
    return bool(libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0)
