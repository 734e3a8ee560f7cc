"""Put a folder in its place completely or not at all.

Put here: which folders may be written to, and how one is replaced.
Keep out: what is in them (`folder` for models, `benchmark` for questions), beside this file.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

RECORD: Final = "export.json"
"""Says that a folder is an export of ours, and of what."""


def put_folder(to: Path, fill: Callable[[Path], None], record: Mapping[str, Any]) -> None:
    """Fill a folder, with a record of what it is, and put it in its place; replace an earlier one.

    `fill` is given an empty folder beside the place. If it fails, what was there stays.

    Raises:
        ValueError: if something else is there.
    """
    check_free(to)
    part, old = (to.with_name(f".{to.name}.{kind}") for kind in ("part", "old"))
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)
    fill(part)
    (part / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    if (to / RECORD).exists():
        to.rename(old)
    part.replace(to)  # an empty folder gives way
    shutil.rmtree(old, ignore_errors=True)


def check_free(to: Path) -> None:
    """Make sure that a folder can be written to a place.

    Raises:
        ValueError: if something is there that is no earlier export.
    """
    if not to.exists() or (to / RECORD).is_file() or (to.is_dir() and not any(to.iterdir())):
        return
    found = "is not empty and holds no export" if to.is_dir() else "is a file"
    message = f"{str(to)!r} {found}; expected a new folder, an empty one or an earlier export"
    raise ValueError(message)
