"""The images that conversations name by path, looked up among those of corpora.

Put here: what a path in a file of conversations means.
Keep out: opening images; `tasks.ingest` has read them all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from storage import paths, refused
from storage.database import Database
from tasks import ingest
from tasks.conversations.parsing import refuse
from tasks.corpora.archives import split_location
from tasks.corpora.opening import split_name


@dataclass
class _Held:
    """What one corpus holds: images and refusals by each path that may be used for them."""

    place: str
    images: dict[str, str] = field(default_factory=dict)
    several: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def last_part(self) -> str:
        return self.place.rstrip("/").rpartition("/")[2]

    def add(self, location: str, image: str) -> None:
        """Take in an image that lies at a location."""
        for name in self.names_of(location):
            if self.images.setdefault(name, image) != image:
                self.several.add(name)

    def names_of(self, location: str) -> Iterator[str]:
        """Yield the paths by which conversations may call what lies at a location."""
        yield location.removeprefix(self.place).lstrip("/")
        archived = split_location(location)
        if archived is not None:
            yield archived[1]

    def asked(self, path: str) -> Iterator[str]:
        """Yield the names within this corpus that a path in a conversation may stand for."""
        yield path.removeprefix(f"{self.place}/").removeprefix("./")
        start = f"{self.last_part}/"
        if path.startswith(start):
            yield path.removeprefix(start)


class Pictures:
    """Images of corpora by their paths.

    A path is relative to one of the corpora, or begins with the last part of its name; in a tar it
    is that of the member.
    """

    def __init__(self, db: Database, corpora: Sequence[str]) -> None:
        self._corpora = {name: _Held(split_name(name)[1]) for name in corpora}
        for name, held in self._corpora.items():
            for image, locations in paths.images(db, [name]).items():
                for location in locations:
                    held.add(location, image)
            for row in refused.read(db, ingest.NAME, [name]):
                for short in held.names_of(row.path):
                    held.refused[short] = row.reason

    def find(self, path: str) -> str:
        """Return the id of the image at a path.

        Raises:
            RefusedConversation: if there is none, or several.
        """
        asked = [(held, name) for held in self._corpora.values() for name in held.asked(path)]
        found = {held.images[name] for held, name in asked if name in held.images}
        if len(found) > 1 or any(name in held.several for held, name in asked):
            refuse("image-ambiguous", f"several images are called {path}")
        if not found:
            for held, name in asked:
                if name in held.refused:
                    refuse("image-refused", f"{path}: {held.refused[name]}")
            refuse("image-missing", f"no corpus has {path}")
        return found.pop()
