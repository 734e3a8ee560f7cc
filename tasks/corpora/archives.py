"""What corpora of archives have in common, whatever the archives are.

Put here: listing archives, shards that are missing by their names, where a row lies.
Keep out: reading them (`tasks.corpora.webdataset`, `tasks.corpora.tables`).

A row of an archive lies at `ARCHIVE!/ROW`: the name of a tar's member, or the number of a row in
a Parquet or Arrow file, in nine digits so that rows sort as they lie.
"""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from tasks.corpora.corpus import Archive, Found, Unreadable
from tasks.corpora.places import is_uri

MARK: Final = "!/"
"""What parts an archive from its row."""

SUFFIXES: Final = (".tar", ".parquet", ".arrow")
"""How the names of archives end."""

_ROW: Final = re.compile(r"(.+?\.(?:tar|parquet|arrow))!/(.*)", re.DOTALL | re.IGNORECASE)
_OF: Final = re.compile(r"(.*?)(\d+)-of-(\d+)(\D*)")
_NUMBERED: Final = re.compile(r"(.*?)(\d{2,})(\.[a-z]+)")
MOST_NAMED: Final = 5
MOST_DECLARED: Final = 100_000


def split_location(path: str) -> tuple[str, str] | None:
    """Return archive and row of a row's location; None if the path is a file's own."""
    found = _ROW.fullmatch(path)
    if found is None or (not is_uri(path) and os.path.isfile(path)):
        return None
    return found[1], found[2]


def suffix(path: str) -> str:
    """Return how a name ends, in small letters."""
    return PurePosixPath(path).suffix.lower()


def archives_of(files: Sequence[Found], *suffixes: str) -> list[Archive]:
    """Return those of the files whose names end in one of the suffixes."""
    return [Archive(*file) for file in files if suffix(file.path) in suffixes]


def check_declared(archives: Sequence[Archive], declared: Sequence[str] = ()) -> list[Unreadable]:
    """Return the archives that should be there and are not.

    Names such as train-00001-of-00004 say how many there are; `declared` are paths that the
    dataset itself lists.
    """
    present = {archive.path for archive in archives}
    missing = dict.fromkeys(declared, "listed in the dataset's own state")
    series: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    for path in present:
        folder, base = os.path.split(path)
        if found := _OF.fullmatch(base):
            series[folder, found[1], found[3], found[4]].add(int(found[2]))
    for (folder, before, count, after), numbers in series.items():
        first = 1 if int(count) in numbers else 0
        for number in range(first, first + min(int(count), MOST_DECLARED)):
            name = f"{before}{number:0{len(count)}}-of-{count}{after}"
            missing.setdefault(os.path.join(folder, name), f"there should be {int(count)}")
    return [
        Unreadable(path, "missing-shard", detail)
        for path, detail in sorted(missing.items())
        if path not in present
    ]


def refuse_missing(name: str, missing: Sequence[Unreadable]) -> None:
    """Raise the error that a dataset lacks archives of its own.

    Raises:
        ValueError: always, if any is missing.
    """
    if not missing:
        return
    paths = ", ".join(place.path for place in missing[:MOST_NAMED])
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    message = (
        f"corpus {name!r} lacks {len(missing)} of its shards: {paths}{more} "
        f"({missing[0].detail}); fetch them, or go on without them with --allow-missing"
    )
    raise ValueError(message)


def check_numbering(archives: Sequence[Archive]) -> list[Unreadable]:
    """Return the archives that a gap in the numbering, such as 00000, 00002, leaves out."""
    series: dict[tuple[str, str, str, int], set[int]] = defaultdict(set)
    for archive in archives:
        folder, base = os.path.split(archive.path)
        if not _OF.fullmatch(base) and (found := _NUMBERED.fullmatch(base)):
            series[folder, found[1], found[3], len(found[2])].add(int(found[2]))
    missing = []
    for (folder, before, after, digits), numbers in series.items():
        if max(numbers) - min(numbers) >= 2 * len(numbers):
            continue  # more gaps than shards: these numbers count something else
        for number in sorted(set(range(min(numbers), max(numbers))) - numbers):
            path = os.path.join(folder, f"{before}{number:0{digits}}{after}")
            missing.append(Unreadable(path, "missing-shard", "a gap in the numbering"))
    return sorted(missing)
