"""Hugging Face datasets that were saved to disk: Arrow files with a state beside them.

Put here: which Arrow files a saved dataset says that it has.
Keep out: reading them (`tasks.corpora.tables`), which also reads datasets kept as Parquet, from a
folder or from the hub by hf://datasets/OWNER/NAME.
Source: the layout that `datasets.Dataset.save_to_disk` and `DatasetDict.save_to_disk` write.

Nothing of `datasets` is used, so no code that comes with a dataset can run.
"""

import json
import os
from typing import Any, Final

from tasks.corpora.corpus import Listing, Walked
from tasks.corpora.places import inside, read_place
from tasks.corpora.tables import Tables, list_tables
from tasks.images import RefusedImageError

STATE: Final = "state.json"
MARKS: Final = frozenset({STATE, "dataset_dict.json"})
"""Files that only a dataset saved to disk has."""


class SavedDataset(Tables):
    """A dataset saved to disk, or several under one `dataset_dict.json`."""

    def look(self, walked: Walked) -> Listing:
        """Return the Arrow files, and those that a state names and that are missing.

        Raises:
            ValueError: if a state is malformed, a dataset is a view of others' rows, or a file is
                missing.
        """
        declared = [
            inside(os.path.dirname(file.path), name)
            for file in walked.files
            if os.path.basename(file.path) == STATE
            for name in _files_of(file.path)
        ]
        return list_tables(self, walked, [*declared, *self._splits_lost(walked)])

    def _splits_lost(self, walked: Walked) -> list[str]:
        """Return the states of splits that a dict of datasets names and that are missing."""
        listed = inside(self.place, "dataset_dict.json")
        paths = {file.path for file in walked.files}
        splits = _json(listed).get("splits", []) if listed in paths else []
        states = [inside(inside(self.place, str(split)), STATE) for split in splits]
        return [state for state in states if state not in paths]


def _files_of(state: str) -> list[str]:
    content = _json(state)
    if content.get("_indices_data_files"):
        message = f"{state}: rows in another order than stored; save it again, flattened"
        raise ValueError(message)
    files = content.get("_data_files", [])
    if not isinstance(files, list) or not all(isinstance(one, dict) for one in files):
        message = f"{state}: expected a list _data_files of objects with a filename"
        raise ValueError(message)
    return [os.path.basename(str(one.get("filename"))) for one in files]


def _json(path: str) -> dict[str, Any]:
    try:
        content = json.loads(read_place(path))
    except (RefusedImageError, ValueError, RecursionError) as error:
        message = f"{path} cannot be read: {error}"
        raise ValueError(message) from error
    if not isinstance(content, dict):
        message = f"{path} holds {type(content).__name__}, expected an object"
        raise ValueError(message)
    return content
