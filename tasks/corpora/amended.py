"""A corpus of any form, with what its user says of it beside what it says itself.

Put here: other words for labels, licences and attributes; rights of images that tell of none.
Keep out: reading (the modules of each form); other names of columns (`columns`, `tasks.sidecars`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.corpora.corpus import (
    Archive,
    Corpus,
    FileEntry,
    Item,
    Listing,
    Part,
    Reading,
    Rights,
    Told,
    Walked,
)


def amend(corpus: Corpus, reading: Reading) -> Corpus:
    """Return the corpus with its user's words, or as it is if there are none."""
    if not reading.words and reading.rights == Rights():
        return corpus
    return Amended(corpus, reading.words, reading.rights)


@dataclass(frozen=True, slots=True)
class Amended:
    """A corpus of which more is told."""

    corpus: Corpus
    words: Mapping[str, Mapping[str, str]]
    rights: Rights

    @property
    def name(self) -> str:
        """The corpus' full name."""
        return self.corpus.name

    def look(self, walked: Walked) -> Listing:
        """Look what is there; files are told of in the user's words.

        Raises:
            ValueError: as the corpus itself.
        """
        listing = self.corpus.look(walked)
        return listing._replace(files=[self._entry(entry) for entry in listing.files])

    def cut(self, entry: FileEntry | Archive) -> Sequence[Part]:
        """Cut a file as the corpus itself does."""
        return self.corpus.cut(entry)

    def read(self, part: Part) -> Iterator[Item]:
        """Read a part; its rows are told of in the user's words."""
        for item in self.corpus.read(part):
            yield item._replace(told=self._told(item.told))

    def _entry(self, entry: FileEntry) -> FileEntry:
        told = self._told(Told(entry.label, entry.caption, entry.attributes, entry.rights))
        return entry._replace(**told._asdict())

    def _told(self, told: Told) -> Told:
        rights = {kind: self._word(kind, text) for kind, text in told.rights._asdict().items()}
        return Told(
            self._word("label", told.label),
            told.caption,
            {name: self._word(name, text) or text for name, text in told.attributes.items()},
            Rights(**rights).else_of(self.rights),
        )

    def _word(self, name: str, text: str | None) -> str | None:
        return None if text is None else self.words.get(name, {}).get(text, text)
