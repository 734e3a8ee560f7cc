"""The stage `ingest`: from folders of files to images by content, or a reason for each refusal.

Put here: which files are opened, what is remembered of them, and the stage's receipts.
Keep out: walking folders (`tasks.corpora`); decoding (`tasks.images`).

A file is opened when its path, size or time of change is new, when the code that reads files has
changed, or when asked to. What was read is committed shard by shard, so that a killed run goes on
where it stopped.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from storage import images, paths, refused
from storage.database import Database
from storage.images import ImageRow
from storage.paths import PathRow
from storage.receipts import Receipt, digest_rows
from storage.refused import RefusedRow
from tasks.corpora import FileEntry, Listing, list_corpus, resolve_corpus
from tasks.fingerprints import digest
from tasks.images import MAX_PIXELS, RefusedImageError, decode, image_id, read_file
from tasks.progress import Progress
from tasks.shards import record
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by
from tasks.workers import cut

log = logging.getLogger(__name__)

NAME = "ingest"


class IngestConfig(BaseModel):
    """How the files of a corpus are read."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    captions: str | None = None
    """CSV or JSONL file with an image a row: its path, relative to each corpus, a caption, and
    columns that become attributes. Default: captions.jsonl, captions.csv, metadata.jsonl or
    metadata.csv at the top of a corpus."""

    max_pixels: int = Field(default=MAX_PIXELS, ge=1)
    """Images with more pixels are refused before they are decoded."""


def resolve_corpora(corpus: Sequence[str]) -> list[str]:
    """Return the full names of corpora, sorted, each once.

    Raises:
        ValueError: if there is none, or one is not a folder.
    """
    if not corpus:
        message = "no corpus is set; give a folder of images, e.g. --corpus DIR"
        raise ValueError(message)
    return sorted({resolve_corpus(folder) for folder in corpus})


class ReadImage(NamedTuple):
    """A file that holds an image."""

    path: str
    row: ImageRow


class Refused(NamedTuple):
    """A file that does not."""

    path: str
    reason: str
    detail: str


def read_images(files: Sequence[str], *, max_pixels: int = MAX_PIXELS) -> list[ReadImage | Refused]:
    """Open, hash and decode files; every file gives its image or the reason why not."""
    return [_read_image(path, max_pixels) for path in files]


def _read_image(path: str, max_pixels: int) -> ReadImage | Refused:
    try:
        data = read_file(Path(path))
        decoded = decode(data, max_pixels=max_pixels)
    except RefusedImageError as error:
        return Refused(path, error.reason, error.detail)
    height, width, _ = decoded.pixels_HWC.shape
    row = ImageRow(
        image=image_id(data),
        width=width,
        height=height,
        format=decoded.format,
        mode=decoded.mode,
        frames=decoded.frames,
        size_bytes=len(data),
    )
    return ReadImage(path, row)


def prepare(
    site: Site, config: IngestConfig, corpora: Sequence[str], *, rehash: bool = False
) -> Context:
    """List the corpora (full names) without opening a file; `rehash` asks to open all of them.

    Raises:
        ValueError: if a captions file is missing or malformed.
    """
    listings = [list_corpus(name, config.captions) for name in corpora]
    listed = digest([list(listing) for listing in listings])
    return Context(
        site=site,
        config=config,
        facts={"corpora": list(corpora), "listed": listed, "max_pixels": config.max_pixels},
        inputs={},
        made_by=made_by(__name__),
        given=listings,
        refresh=rehash,
    )


def held(site: Site, corpora: Sequence[str]) -> Receipts:
    """Measure what the store holds of corpora that were ingested before.

    Raises:
        ValueError: if it holds no image of them.
    """
    context = Context(
        site=site, config=None, facts={"corpora": corpora}, inputs={}, made_by=made_by(__name__)
    )
    receipts = look(context)
    if receipts is None:
        message = f"no image of {', '.join(corpora)} is in the store; run `mmvp ingest` first"
        raise ValueError(message)
    return receipts


def run(context: Context) -> Outcome:
    """Bring `images`, `paths` and `refused` up to date with the corpora on disk.

    Raises:
        ValueError: if the corpora hold no image at all; the refusals are stored first.
    """
    corpora: Sequence[str] = context.facts["corpora"]
    listings: Sequence[Listing] = context.given
    before = set(paths.images(context.db, corpora))
    for listing in listings:
        _sync(context, listing)
    after = paths.images(context.db, corpora)
    found = refused.read(context.db, NAME, corpora)
    reasons = Counter(row.reason for row in found)
    files = sum(len(listing.files) for listing in listings)
    if not after:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        message = (
            f"no image in {', '.join(corpora)}: {files} files, {told or 'the folder is empty'}"
            f"; `mmvp show refused` lists the reasons"
        )
        raise ValueError(message)
    duplicates = sum(len(files_held) for files_held in after.values()) - len(after)
    reasons |= Counter({"duplicate": duplicates}) if duplicates else Counter()
    unused = sum(listing.entries_unused for listing in listings)
    if unused:
        reasons["caption-without-file"] = unused
    return Outcome(
        new=len(after.keys() - before),
        rows=len(after),
        reasons=dict(sorted(reasons.items())),
        figures={"files": files, "removed": len(before - after.keys())},
    )


class Changes(NamedTuple):
    """What a corpus asks for: files to open, rows of which other things are told, files gone."""

    to_open: Sequence[str]
    retold: Sequence[PathRow | RefusedRow]
    gone: Sequence[str]


def _changes(context: Context, listing: Listing) -> Changes:
    known = _known(context.db, listing.corpus)
    stored = set(images.ids(context.db))
    reader = _reader(context)
    to_open: list[str] = []
    retold: list[PathRow | RefusedRow] = []
    for entry in listing.files:
        rows = known.get(entry.path, ())
        row = next((row for row in rows if _is_same(row, entry, reader)), None)
        lost = isinstance(row, PathRow) and row.image not in stored
        if row is None or lost or context.refresh:
            to_open.append(entry.path)
        elif isinstance(row, PathRow) and (again := _retell(row, entry)) != row:
            retold.append(again)
    present = {entry.path for entry in listing.files} | {at.path for at in listing.unreadable}
    return Changes(to_open, retold, sorted(known.keys() - present))


def _retell(row: PathRow, entry: FileEntry) -> PathRow:
    """Return the row with what the folder tells of its file now."""
    attributes = paths.attributes_json(entry.attributes)
    return replace(row, label=entry.label, caption=entry.caption, attributes=attributes)


def forecast(context: Context) -> dict[str, int]:
    """Return what a run would do: files it would open, and files it would forget."""
    changes = [_changes(context, listing) for listing in context.given]
    return {
        "files to open": sum(len(change.to_open) for change in changes),
        "files gone": sum(len(change.gone) for change in changes),
    }


def _reader(context: Context) -> str:
    """The fingerprint of all that decides what a file is read as."""
    return digest([context.made_by, context.config.max_pixels])


def _sync(context: Context, listing: Listing) -> None:
    db, corpus, reader = context.db, listing.corpus, _reader(context)
    changes = _changes(context, listing)
    _commit(db, corpus, changes.retold)
    entries = {entry.path: entry for entry in listing.files}
    progress = Progress(NAME, len(changes.to_open), "files")
    workers = context.site.workers
    read = partial(read_images, max_pixels=context.config.max_pixels)
    for done in workers.run(read, cut(changes.to_open, workers.shard_size(len(changes.to_open)))):
        found = done.value or [Refused(path, "kills-worker", "") for path in done.shard.items]
        images.upsert(db, [item.row for item in found if isinstance(item, ReadImage)])
        _commit(db, corpus, [_row(corpus, item, entries[item.path], reader) for item in found])
        record(db, NAME, done)
        progress.add(len(found))
    unwalked = [
        _row(corpus, Refused(*place), FileEntry(place.path, 0, 0, None, None, {}), reader)
        for place in listing.unreadable
    ]
    _commit(db, corpus, unwalked)
    paths.remove(db, corpus, changes.gone)
    refused.remove(db, NAME, corpus, changes.gone)


def _known(db: Database, corpus: str) -> Mapping[str, Sequence[PathRow | RefusedRow]]:
    """What is remembered, by path; a run killed between two tables may have left two rows."""
    known: dict[str, list[PathRow | RefusedRow]] = {}
    rows: list[PathRow | RefusedRow] = [*paths.read(db, [corpus])]
    rows += refused.read(db, NAME, [corpus])
    for row in rows:
        known.setdefault(row.path, []).append(row)
    return known


def _is_same(row: PathRow | RefusedRow, entry: FileEntry, made_by: str) -> bool:
    remembered = (row.size_bytes, row.mtime_ns, row.made_by)
    return remembered == (entry.size_bytes, entry.mtime_ns, made_by)


def _row(
    corpus: str, item: ReadImage | Refused, entry: FileEntry, made_by: str
) -> PathRow | RefusedRow:
    if isinstance(item, Refused):
        return RefusedRow(
            stage=NAME,
            corpus=corpus,
            path=item.path,
            reason=item.reason,
            detail=item.detail,
            size_bytes=entry.size_bytes,
            mtime_ns=entry.mtime_ns,
            made_by=made_by,
        )
    return PathRow(
        corpus=corpus,
        path=item.path,
        image=item.row.image,
        label=entry.label,
        caption=entry.caption,
        attributes=paths.attributes_json(entry.attributes),
        size_bytes=entry.size_bytes,
        mtime_ns=entry.mtime_ns,
        made_by=made_by,
    )


def _commit(db: Database, corpus: str, rows: Sequence[PathRow | RefusedRow]) -> None:
    """Write rows, and take away what the other table says of the same paths."""
    good = [row for row in rows if isinstance(row, PathRow)]
    bad = [row for row in rows if isinstance(row, RefusedRow)]
    paths.upsert(db, good)
    refused.upsert(db, bad)
    refused.remove(db, NAME, corpus, [row.path for row in good])
    paths.remove(db, corpus, [row.path for row in bad])


def _key(row: PathRow) -> str:
    """Return what a receipt says of a file: all that later stages may read, no time of change."""
    told = (row.label, row.caption, row.attributes)
    return json.dumps([row.corpus, row.path, row.image, *told], ensure_ascii=False)


def look(context: Context) -> Receipts | None:
    """Measure the receipts `images`, `paths` and `refused` of the corpora."""
    db, corpora = context.db, context.facts["corpora"]
    version = {spec.name: db.version(spec) for spec in (images.SPEC, paths.SPEC, refused.SPEC)}
    files = paths.read(db, corpora, version=version["paths"])
    held = sorted({row.image for row in files})
    if not held or not set(held) <= set(images.ids(db, version=version["images"])):
        return None
    bad = refused.read(db, NAME, corpora, version=version["refused"])
    keys = {
        "images": held,
        "paths": [_key(row) for row in files],
        "refused": [f"{r.corpus}\n{r.path}\n{r.reason}" for r in bad],
    }
    return {
        name: Receipt(
            table=name,
            version=version[name],
            rows=len(keys[name]),
            digest=digest_rows([context.made_by], keys[name]),
        )
        for name in keys
    }


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
