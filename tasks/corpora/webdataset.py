"""WebDataset shards: tars whose neighbouring members with one key are a sample.

Put here: grouping members, what a sample's texts tell of its images.
Keep out: tar itself (`tasks.corpora.tars`); rows of tables (`tasks.corpora.tables`).
Source: the WebDataset format; the key is the name up to the first dot behind the last slash.
"""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO, Final, NamedTuple

from tasks.corpora.archives import (
    MARK,
    archives_of,
    check_declared,
    check_numbering,
    refuse_missing,
)
from tasks.corpora.columns import tell
from tasks.corpora.corpus import (
    MAX_ROW_BYTES,
    MAX_TEXT_BYTES,
    Archive,
    FileEntry,
    Item,
    Listing,
    Part,
    Reading,
    Refusal,
    RefusedPlaceError,
    Told,
    Walked,
)
from tasks.corpora.places import file_size, open_place
from tasks.corpora.tars import Member, walk_members
from tasks.images import RefusedImageError

IMAGES: Final = frozenset(
    (
        *("jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "pbm"),
        *("jp2", "j2k", "avif", "img", "image"),
    )
)
"""Extensions, or last parts of them as in left.png, that name a sample's images."""

TEXTS: Final = ("txt", "text", "caption", "cls", "label", "json")

_UNTOLD: Final = Told()


@dataclass(frozen=True, slots=True)
class WebDataset:
    """A corpus of tars."""

    name: str
    place: str
    reading: Reading

    def look(self, walked: Walked) -> Listing:
        """Return the tars.

        Raises:
            ValueError: if one is missing by what the others' names say.
        """
        archives = archives_of(walked.files, ".tar")
        missing = check_declared(archives)
        if not self.reading.allow_missing:
            refuse_missing(self.name, missing)
        unreadable = sorted([*walked.unreadable, *missing, *check_numbering(archives)])
        return Listing(self.name, [], unreadable, 0, archives)

    def cut(self, entry: FileEntry | Archive) -> Sequence[Part]:
        """Return the tar as its one part."""
        return [Part(entry.path, 0, 1, 0, None, entry.path)]

    def read(self, part: Part) -> Iterator[Item]:
        """Read a tar from its start to its end, sample by sample; rows are counted by members."""
        try:
            with open_place(part.archive) as file:
                yield from _Reader(file, part, self.reading).items()
        except RefusedImageError as error:
            yield Item(part.archive, -1, Refusal(error.reason, error.detail))


class _Placed(NamedTuple):
    """A member with its number in the archive, the key of its sample and its extension."""

    number: int
    key: str
    extension: str
    member: Member


class _Reader:
    def __init__(self, file: BinaryIO, part: Part, reading: Reading) -> None:
        self.file, self.part, self.reading = file, part, reading
        self.damage: RefusedPlaceError | None = None

    def items(self) -> Iterator[Item]:
        """Yield every image, refused member and sample without an image."""
        for key, group in groupby(self._members(), key=lambda placed: placed.key):
            sample = list(group)
            if self.part.stop is not None and sample[0].number >= self.part.stop:
                return
            yield from self._sample(key, sample)
        if self.damage is not None:
            raise self.damage

    def _members(self) -> Iterator[_Placed]:
        """Yield the members up to the first damage, so that its sample is not lost."""
        try:
            for number, member in enumerate(walk_members(self.file, file_size(self.file))):
                if not _is_hidden(member.name):
                    yield _place(number, member)
        except RefusedPlaceError as error:
            self.damage = error

    def _sample(self, key: str, group: Sequence[_Placed]) -> Iterator[Item]:
        asked = {placed.number for placed in group if self._is_asked(placed.number)}
        for placed in group:
            if placed.number in asked and placed.member.refusal is not None:
                yield self._item(placed, placed.member.refusal)
        good = [placed for placed in group if placed.member.refusal is None]
        images = [placed for placed in good if self._is_image(placed.extension)]
        if asked and images:
            yield from self._images(key, good, images, asked)
        elif good and good[0].number in asked:
            found = ", ".join(placed.extension or "no extension" for placed in good)
            yield self._item(good[0], Refusal("no-image", f"found {found}"[:200]))

    def _images(
        self, key: str, good: Sequence[_Placed], images: Sequence[_Placed], asked: Container[int]
    ) -> Iterator[Item]:
        fields, unreadable = self._fields(good)
        if images[0].number in asked:
            yield from unreadable
        told = tell(fields, self.reading, key)
        for placed in images:
            if placed.number in asked:
                yield self._item(placed, self._content(placed.member), told)

    def _is_asked(self, number: int) -> bool:
        return number >= self.part.start and (self.part.stop is None or number < self.part.stop)

    def _item(self, placed: _Placed, content: bytes | Refusal, told: Told = _UNTOLD) -> Item:
        location = self.part.archive + MARK + placed.member.name
        return Item(location, placed.number, content, told)

    def _is_image(self, extension: str) -> bool:
        if self.reading.image_column is not None:
            return extension == self.reading.image_column.lower()
        return extension.rpartition(".")[2] in IMAGES

    def _content(self, member: Member) -> bytes | Refusal:
        if member.size > MAX_ROW_BYTES:
            return Refusal("row-too-large", f"{member.size} bytes, at most {MAX_ROW_BYTES}")
        self.file.seek(member.offset)
        return self.file.read(member.size)

    def _fields(self, group: Sequence[_Placed]) -> tuple[Mapping[str, object], Sequence[Item]]:
        """Return what the texts of a sample hold by name, and the texts that cannot be read."""
        fields: dict[str, object] = {}
        unreadable = []
        for placed in group:
            extension = placed.extension
            if extension not in {*TEXTS, self.reading.caption_column, self.reading.label_column}:
                continue
            try:
                fields |= self._field(extension, placed.member)
            except (ValueError, RecursionError) as error:
                detail = f"{type(error).__name__}: {error}"[:200]
                unreadable.append(self._item(placed, Refusal("told-unreadable", detail)))
        return fields, unreadable

    def _field(self, extension: str, member: Member) -> Mapping[str, object]:
        if member.size > MAX_TEXT_BYTES:
            message = f"{member.size} bytes, at most {MAX_TEXT_BYTES}"
            raise ValueError(message)
        self.file.seek(member.offset)
        text = self.file.read(member.size).decode("utf-8-sig", "replace")
        if extension != "json":
            return {extension: text.strip()}
        value = json.loads(text)
        if not isinstance(value, dict):
            message = f"{type(value).__name__}, expected an object"
            raise ValueError(message)
        return value


def _place(number: int, member: Member) -> _Placed:
    folder, slash, base = member.name.rpartition("/")
    stem, _, extension = base.partition(".")
    return _Placed(number, folder + slash + stem, extension.lower(), member)


def _is_hidden(name: str) -> bool:
    return any(step.startswith(".") and step not in (".", "..") for step in name.split("/"))
