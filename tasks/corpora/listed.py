"""A corpus of files of which another package tells: which are images, and what is known of each.

Put here: joining what a function tells with the files that are there.
Keep out: finding the function (`opening`, beside this file).

The function takes the corpus' place and a `Reading`, and yields `(path, Told)` for each image; a
path is relative to the place, or a full path or uri inside it. Files of which it tells nothing are
no part of the corpus. It is called when a corpus is listed, in the flow's process, and never on
workers.
"""

import os
from dataclasses import dataclass

from tasks import plugins
from tasks.corpora.corpus import FileEntry, Listing, Told, Unreadable, Walked
from tasks.corpora.folder import Folder
from tasks.corpora.places import inside, is_uri


@dataclass(frozen=True, slots=True)
class Listed(Folder):
    """A folder whose images an entry point lists; `kind` is its name."""

    kind: str

    def look(self, walked: Walked) -> Listing:
        """Return the files that the function tells of; those that are not there are refused.

        Raises:
            ValueError: if the function cannot be loaded, fails, or yields something else.
        """
        told = self._told()
        there = {file.path: file for file in walked.files}
        files = [
            FileEntry(*there[path], said.label, said.caption, said.attributes, said.rights)
            for path, said in sorted(told.items())
            if path in there
        ]
        missing = [
            Unreadable(path, "vanished", f"{self.kind} tells of it")
            for path in sorted(told.keys() - there.keys())
        ]
        return Listing(self.name, files, sorted([*walked.unreadable, *missing]), 0)

    def _told(self) -> dict[str, Told]:
        point = plugins.offered(plugins.CORPORA, ())[self.kind]
        tell = plugins.load(point)
        told = {}
        try:
            for path, said in tell(self.place, self.reading):
                if not isinstance(said, Told):
                    found = f"found {type(said).__name__}, expected (path, Told) for each image"
                    raise TypeError(found)
                told[self._full(path)] = said
        except Exception as error:
            message = (
                f"corpus {self.name!r}: {point.value!r} of package {plugins.package_of(point)} "
                f"failed: {type(error).__name__}: {error}"
            )
            raise ValueError(message) from error
        return told

    def _full(self, path: str) -> str:
        path = str(path)
        if is_uri(path) or is_uri(self.place):
            return path if is_uri(path) else inside(self.place, path)
        return os.path.normpath(os.path.join(self.place, path))
