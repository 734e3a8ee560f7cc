"""What img2dataset leaves: numbered shards as folders, tars or Parquet, with their statistics.

Put here: recognising it; its folders of images, told of by the Parquet file beside each.
Keep out: its tars (`tasks.corpora.webdataset`) and its Parquet (`tasks.corpora.tables`), which
are read as any others are.
Source: img2dataset's README: NUMBER/, NUMBER.tar or NUMBER.parquet, beside NUMBER_stats.json and,
but for the last, a NUMBER.parquet of captions and states.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from tasks.corpora.archives import archives_of, refuse_missing, suffix
from tasks.corpora.columns import tell
from tasks.corpora.corpus import (
    Corpus,
    FileEntry,
    Found,
    Listing,
    Reading,
    Told,
    Unreadable,
    Walked,
)
from tasks.corpora.folder import Folder
from tasks.corpora.table_files import open_table
from tasks.corpora.tables import Tables
from tasks.corpora.webdataset import IMAGES, WebDataset
from tasks.images import RefusedImageError

_STATS: Final = re.compile(r"(\d+)_stats\.json")
_UNTOLD: Final = Told()


def shard_numbers(files: Sequence[Found]) -> list[str]:
    """Return the paths, without an ending, of shards whose statistics are there."""
    return sorted(
        os.path.join(os.path.dirname(file.path), found[1])
        for file in files
        if (found := _STATS.fullmatch(os.path.basename(file.path)))
    )


def img2dataset(name: str, place: str, reading: Reading, walked: Walked) -> Corpus:
    """Return the corpus that img2dataset wrote, by the form of its shards.

    Raises:
        ValueError: if a shard of which there are statistics is missing.
    """
    paths = {file.path for file in walked.files}
    shards = shard_numbers(walked.files)
    folders = {os.path.dirname(path) for path in paths if suffix(path)[1:] in IMAGES}
    has_tars = bool(archives_of(walked.files, ".tar"))
    ending = ".tar" if has_tars else ".parquet"
    missing = [
        Unreadable(at + ending, "missing-shard", "its statistics are there")
        for at in shards
        if at + ending not in paths
    ]
    if not reading.allow_missing:
        refuse_missing(name, missing)
    if has_tars:
        return WebDataset(name, place, reading)
    return (Img2DatasetFolder if folders & set(shards) else Tables)(name, place, reading)


class Img2DatasetFolder(Folder):
    """Folders of images; a Parquet file beside each tells of its images by their keys."""

    def look(self, walked: Walked) -> Listing:
        """Return the images with what the Parquet files tell of them."""
        told: dict[str, Told] = {}
        unreadable = list(walked.unreadable)
        for file in walked.files:
            if suffix(file.path) == ".parquet":
                try:
                    told |= _told_of(file.path, self.reading)
                except RefusedImageError as error:
                    unreadable.append(Unreadable(file.path, error.reason, error.detail))
        files = []
        for file in walked.files:
            if suffix(file.path)[1:] in IMAGES:
                said = told.get(os.path.splitext(file.path)[0], _UNTOLD)
                files.append(
                    FileEntry(*file, said.label, said.caption, said.attributes, said.rights)
                )
        return Listing(self.name, files, sorted(unreadable), 0)


def _told_of(path: str, reading: Reading) -> Mapping[str, Told]:
    """Return what a shard's Parquet file tells, by the paths of images without their endings."""
    folder = os.path.splitext(path)[0]
    told: dict[str, Told] = {}
    with open_table(path) as table:
        names = [name for name in table.schema.names if table.schema.get_field_index(name) >= 0]
        if "key" not in names:
            return {}
        for batch in table.batches(names, 0, None):
            for row in batch.rows.to_pylist():
                key = str(row["key"])
                told[os.path.join(folder, key)] = tell(row, reading, key)
    return told
