"""What every corpus can do, and the limits and reasons that hold for all of them.

Put here: the protocol, its values, the reasons for which a row or an archive is refused.
Keep out: any one form of corpus; each has a module of its own in this package.

A corpus is listed cheaply, by names, sizes and times of change. A file that holds one image is
told of by the listing itself; an archive, which holds many, is cut into parts, and a part is read
from its start to its end.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from tasks.images import RefusedImageError

MAX_ROW_BYTES: Final = 256 * 2**20
"""The most bytes that one image of an archive, or one fetched image, may have."""

MAX_TEXT_BYTES: Final = 2**20
"""The most bytes of a text or JSON that tells of an image."""

MAX_CAPTION_CHARACTERS: Final = 10_000
"""A longer text is no caption, and is left out."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "archive-damaged": "the archive cannot be read on from here; what came before was taken",
        "archive-truncated": "the archive ends too early; what came before was taken",
        "archive-compressed": "the tar is compressed as a whole; unpack it",
        "archive-bomb": "a small archive would unpack to far more than images need",
        "archive-too-long": "the archive has more rows than are read",
        "missing-shard": "the names of its neighbours say that this archive should be there",
        "path-escapes": "the name or path leads out of the archive or corpus",
        "name-not-utf8": "the file's name is no UTF-8 text; rename it",
        "duplicate-member": "an earlier member of the archive has the same name",
        "not-a-file": "a link, device or pipe in an archive, not a regular file",
        "row-too-large": "the row has more bytes than an image needs",
        "no-image": "the row or sample holds no image",
        "told-unreadable": "what tells of an image cannot be read; the image itself was taken",
        "not-fetched": "the image lies on a web server, and --fetch-urls was not given",
        "fetch-failed": "the web server did not give the image",
        "scheme-not-read": "no image is read from uris of this kind",
        "linked-folder": "a link to a folder; name the folder itself as a corpus to have it read",
    }
)
"""Why something in a corpus gives no image, beside `tasks.images.REASONS`."""


class Rights(NamedTuple):
    """Under what licence an image may be used, where it is from, whom to name; None: not told."""

    licence: str | None = None
    source: str | None = None
    attribution: str | None = None

    def else_of(self, other: "Rights") -> "Rights":
        """Return these, and of the other what these do not tell."""
        return Rights(*(mine or its for mine, its in zip(self, other, strict=True)))


class Reading(NamedTuple):
    """How a user asks for corpora to be read; None leaves a choice to what is found.

    `columns` says what columns are: from a file's name for one to caption, label, licence, source,
    attribution, or an attribute's name. `words` has, by what a column is, other words for its
    values. `rights` are those of images that tell of none.
    """

    captions: str | None = None
    image_column: str | None = None
    caption_column: str | None = None
    label_column: str | None = None
    fetch_urls: bool = False
    allow_missing: bool = False
    columns: Mapping[str, str] = {}  # a mappingproxy could not be pickled
    words: Mapping[str, Mapping[str, str]] = {}
    rights: Rights = Rights()


class Told(NamedTuple):
    """What a corpus says of one image; attributes are name -> text."""

    label: str | None = None
    caption: str | None = None
    attributes: Mapping[str, str] = {}
    rights: Rights = Rights()


class FileEntry(NamedTuple):
    """A file that should hold one image; `mtime_ns` is that of `Found`."""

    path: str
    size_bytes: int
    mtime_ns: int
    label: str | None
    caption: str | None
    attributes: Mapping[str, str]
    rights: Rights = Rights()


class Unreadable(NamedTuple):
    """A place in a corpus that cannot be walked or should be there."""

    path: str
    reason: str
    detail: str


class Found(NamedTuple):
    """A file as a walk finds it; `mtime_ns` is its time of change in ns since the epoch.

    On a remote system that names contents by tags, the tag's hash stands in the last nine digits,
    so that two versions from one second differ.
    """

    path: str
    size_bytes: int
    mtime_ns: int


class Walked(NamedTuple):
    """All files at or below a place by path, and the places that cannot be walked."""

    files: Sequence[Found]
    unreadable: Sequence[Unreadable]


class Archive(NamedTuple):
    """A file that holds many images: a tar, a Parquet or an Arrow file."""

    path: str
    size_bytes: int
    mtime_ns: int


class Listing(NamedTuple):
    """A corpus as found: files and archives by path, places not read, captions of no file."""

    corpus: str
    files: Sequence[FileEntry]
    unreadable: Sequence[Unreadable]
    entries_unused: int
    archives: Sequence[Archive] = ()


class Part(NamedTuple):
    """Rows `start` to `stop` of a file (to its end where `stop` is None).

    It is part `number` of `parts`, the first being 0; `key` names it in messages and records. A
    file of a folder is one part of one row.
    """

    archive: str
    number: int
    parts: int
    start: int
    stop: int | None
    key: str


class Refusal(NamedTuple):
    """Why a row gives no image: a key of `REASONS` or of `tasks.images.REASONS`; the details."""

    reason: str
    detail: str


class Item(NamedTuple):
    """A row of a part: where it lies, its image's bytes or why there are none, what is told.

    `row` is its number in the archive; -1 stands for the archive itself.
    """

    location: str
    row: int
    content: bytes | Refusal
    told: Told = Told()


class RefusedPlaceError(RefusedImageError):
    """An archive that cannot be read on, or a row of one; `reason` is a key of `REASONS` here."""

    def __str__(self) -> str:
        return f"{REASONS[self.reason]}: {self.detail}"


class Corpus(Protocol):
    """Anything that images come from; small, since workers are sent it with every shard."""

    @property
    def name(self) -> str:
        """The corpus' full name."""
        ...

    def look(self, walked: Walked) -> Listing:
        """Look what is there without opening an image or an archive's rows.

        Raises:
            ValueError: if what is there is not what was asked for.
        """
        ...

    def cut(self, entry: FileEntry | Archive) -> Sequence[Part]:
        """Cut a file into the parts that are read, retried and remembered each on its own.

        Raises:
            ValueError: if an archive lacks a column that it needs.
        """
        ...

    def read(self, part: Part) -> Iterator[Item]:
        """Read a part from its start to its end; damage ends it with one refused item."""
        ...
