"""Parts of corpora to images by content, or a reason for each refusal; and both as rows.

Put here: what a worker does with parts, what is stored of what it found.
Keep out: reading a part (`tasks.corpora`); decoding (`tasks.images`); which parts are read
(`tasks.intake.files`, `tasks.intake.archives`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from storage import images, paths, refused
from storage.corpus_shards import Version
from storage.database import Database
from storage.images import ImageRow
from storage.paths import PathRow
from storage.refused import RefusedRow
from tasks.corpora.corpus import Archive, Corpus, Item, Part, Refusal, Told
from tasks.images import RefusedImageError, decode, image_id
from tasks.workers import cut

STAGE = "ingest"
ROWS_IN_ONE_COMMIT = 5_000


class ReadImage(NamedTuple):
    """A place that holds an image, and what its archive tells of it."""

    path: str
    row: ImageRow
    told: Told


class Refused(NamedTuple):
    """A place that does not."""

    path: str
    reason: str
    detail: str


Read = ReadImage | Refused


def read_parts(parts: Sequence[Part], *, corpus: Corpus, max_pixels: int) -> list[Read]:
    """Open, hash and decode; every row gives its image or the reason why not."""
    return [_read(item, max_pixels) for part in _joined(parts) for item in corpus.read(part)]


def cut_archives(archives: Sequence[Archive], *, corpus: Corpus) -> list[Part]:
    """Cut archives into parts.

    Raises:
        ValueError: if one lacks a column that it needs.
    """
    return [part for archive in archives for part in corpus.cut(archive)]


def name_rows(parts: Sequence[Part], *, corpus: Corpus) -> list[Part]:
    """Return every row as a part of its own, without decoding anything."""
    return [
        part._replace(start=item.row, stop=item.row + 1, key=item.location)
        for part in parts
        for item in corpus.read(part)
        if item.row >= 0
    ]


def _joined(parts: Sequence[Part]) -> Iterator[Part]:
    """Join parts of one archive that follow on each other, so that they are read in one pass."""
    joined: Part | None = None
    for part in parts:
        if joined and part.archive == joined.archive and part.start == joined.stop:
            joined = joined._replace(stop=part.stop)
            continue
        if joined:
            yield joined
        joined = part
    if joined:
        yield joined


def _read(item: Item, max_pixels: int) -> Read:
    if isinstance(item.content, Refusal):
        return Refused(item.location, *item.content)
    try:
        decoded = decode(item.content, max_pixels=max_pixels)
    except RefusedImageError as error:
        return Refused(item.location, error.reason, error.detail)
    height, width, _ = decoded.pixels_HWC.shape
    row = ImageRow(
        image=image_id(item.content),
        width=width,
        height=height,
        format=decoded.format,
        mode=decoded.mode,
        frames=decoded.frames,
        size_bytes=len(item.content),
    )
    return ReadImage(item.location, row, item.told)


def row_of(corpus: str, item: Read, told: Told, version: Version) -> PathRow | RefusedRow:
    """Return what is stored of a place: its image and what is told of it, or the refusal."""
    if isinstance(item, Refused):
        return RefusedRow(
            stage=STAGE,
            corpus=corpus,
            path=item.path,
            reason=item.reason,
            detail=item.detail,
            **version._asdict(),
        )
    return PathRow(
        corpus=corpus,
        path=item.path,
        image=item.row.image,
        label=told.label,
        caption=told.caption,
        attributes=paths.attributes_json(told.attributes),
        **version._asdict(),
        **told.rights._asdict(),
    )


def commit(db: Database, corpus: str, rows: Sequence[PathRow | RefusedRow]) -> None:
    """Write rows, and take away what the other table says of the same paths."""
    for some in cut(rows, ROWS_IN_ONE_COMMIT):
        good = [row for row in some if isinstance(row, PathRow)]
        bad = [row for row in some if isinstance(row, RefusedRow)]
        paths.upsert(db, good)
        refused.upsert(db, bad)
        refused.remove(db, STAGE, corpus, [row.path for row in good])
        paths.remove(db, corpus, [row.path for row in bad])


def commit_images(db: Database, found: Sequence[Read]) -> None:
    """Write the images that were found."""
    images.upsert(db, [item.row for item in found if isinstance(item, ReadImage)])
