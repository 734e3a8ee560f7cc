"""A folder tree of images, local or remote, with what the folder tells of them.

Put here: labels from folder names, joining files and their sidecar, reading a file.
Keep out: walking (`tasks.corpora.places`); reading the sidecar (`tasks.sidecars`).
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.corpora.corpus import (
    Archive,
    FileEntry,
    Found,
    Item,
    Listing,
    Part,
    Reading,
    Refusal,
    Walked,
)
from tasks.corpora.places import read_place
from tasks.images import RefusedImageError
from tasks.sidecars import UNTOLD, SidecarEntry, find_sidecar, read_sidecar


@dataclass(frozen=True, slots=True)
class Folder:
    """A corpus whose files hold one image each; `place` is its path or uri."""

    name: str
    place: str
    reading: Reading

    def look(self, walked: Walked) -> Listing:
        """Return every file with its label, caption and attributes, less the captions file.

        Raises:
            ValueError: if the captions file is missing or malformed.
        """
        paths = {file.path for file in walked.files}
        columns = self.reading.columns
        sidecar = find_sidecar(self.place, self.reading.captions, paths, columns)
        told = read_sidecar(sidecar, self.place, columns) if sidecar is not None else {}
        found = [file for file in walked.files if file.path != sidecar]
        several = len({os.path.dirname(file.path) for file in found}) > 1
        files = [self._entry(file, told.get(file.path, UNTOLD), labelled=several) for file in found]
        unused = len(told.keys() - (paths - {sidecar}))
        return Listing(self.name, files, walked.unreadable, unused)

    def _entry(self, file: Found, told: SidecarEntry, *, labelled: bool) -> FileEntry:
        folder = os.path.dirname(file.path)
        label = os.path.basename(folder) if labelled and folder != self.place else None
        return FileEntry(*file, label, told.caption, told.attributes, told.rights)

    def cut(self, entry: FileEntry | Archive) -> Sequence[Part]:
        """Return the file as its one part."""
        return [Part(entry.path, 0, 1, 0, 1, entry.path)]

    def read(self, part: Part) -> Iterator[Item]:
        """Read the file."""
        try:
            yield Item(part.archive, 0, read_place(part.archive))
        except RefusedImageError as error:
            yield Item(part.archive, 0, Refusal(error.reason, error.detail))
