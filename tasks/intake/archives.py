"""Archives of a corpus: read from end to end when they are new or have changed.

Put here: which archives are opened, their parts on workers, what is forgotten.
Keep out: files that hold one image (`tasks.intake.files`); forms of archives (`tasks.corpora`).

A part is the unit of scheduling, retry and resume: its rows are committed, then the part itself. An
archive of which every part is recorded in its present version is not opened again. Before the last
part of a new version is recorded, all that is left of older versions is forgotten, so that a run
killed at any moment leaves either an archive that is opened again or one that is up to date.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from storage import corpus_shards, images, paths
from storage.corpus_shards import CorpusShardRow, Version
from tasks.corpora.archives import split_location
from tasks.corpora.corpus import Archive, Part, Told
from tasks.corpora.opening import Opened
from tasks.fingerprints import digest
from tasks.intake.reading import (
    STAGE,
    Read,
    ReadImage,
    Refused,
    commit,
    commit_images,
    cut_archives,
    name_rows,
    read_parts,
    row_of,
)
from tasks.progress import Progress
from tasks.shards import record
from tasks.stage import Context
from tasks.workers import cut

log = logging.getLogger(__name__)

OPENED_AT_ONCE = 32
"""Archives whose headers a worker reads at once, to cut them into parts."""


class ArchiveChanges(NamedTuple):
    """What a corpus asks for: archives to open, archives gone.

    Of those in `anew` every part is read, whatever is recorded.
    """

    to_open: Sequence[Archive]
    anew: Collection[str]
    gone: Sequence[str]


def find_archives(context: Context, opened: Opened) -> ArchiveChanges:
    """Compare the archives that are there with those that are remembered."""
    db, listing = context.db, opened.listing
    known = corpus_shards.read(db, listing.corpus)
    present = {archive.path for archive in listing.archives}
    anew = present if context.refresh else _lost(context, opened) if known else set()
    to_open = [
        archive
        for archive in listing.archives
        if archive.path in anew
        or not _is_read(known.get(archive.path, ()), _version(context, archive))
    ]
    return ArchiveChanges(to_open, anew, sorted(known.keys() - present))


def sync_archives(context: Context, opened: Opened) -> None:
    """Bring the store up to date with a corpus' archives.

    Raises:
        ValueError: if an archive lacks a column that it needs.
    """
    db, corpus = context.db, opened.listing.corpus
    to_open, anew, gone = find_archives(context, opened)
    for archive in gone:
        corpus_shards.forget(db, STAGE, corpus, archive, but=None)
    if not to_open:
        return
    parts = _cut(context, opened, to_open)
    versions = {archive.path: _version(context, archive) for archive in to_open}
    read_before = _recorded(context, corpus)
    todo = [
        part
        for part in parts
        if part.archive in anew or (part.key, part.parts, versions[part.archive]) not in read_before
    ]
    left = Counter(part.archive for part in todo)
    progress = Progress(STAGE, len(todo), "shards")
    read = partial(read_parts, corpus=opened.corpus, max_pixels=context.config.max_pixels)
    for done in context.site.workers.run(read, [[part] for part in todo]):
        (part,) = done.shard.items
        found = done.value if done.value is not None else _read_alone(context, opened, part)
        _store(context, corpus, found, versions[part.archive])
        record(db, STAGE, done)
        left[part.archive] -= 1
        if not left[part.archive]:
            version = versions[part.archive]
            corpus_shards.forget(db, STAGE, corpus, part.archive, but=version)
        corpus_shards.upsert(db, [_row(corpus, part, len(found), versions[part.archive])])
        progress.add(1)


def _cut(context: Context, opened: Opened, archives: Sequence[Archive]) -> list[Part]:
    """Cut archives into parts, on workers: the headers of a damaged one can end a process."""
    workers = context.site.workers
    cut_all = partial(cut_archives, corpus=opened.corpus)
    parts: list[Part] = []
    for done in workers.run(cut_all, cut(archives, OPENED_AT_ONCE)):
        whole = [Part(one.path, 0, 1, 0, None, one.path) for one in done.shard.items]
        parts += whole if done.value is None else done.value
    return sorted(parts)


def _store(context: Context, corpus: str, found: Sequence[Read], version: Version) -> None:
    commit_images(context.db, found)
    told = ((item, item.told if isinstance(item, ReadImage) else Told()) for item in found)
    rows = [row_of(corpus, item, said, version) for item, said in told]
    commit(context.db, corpus, rows)


def _read_alone(context: Context, opened: Opened, part: Part) -> list[Read]:
    """Read a part that no worker survives row by row, so that only the row at fault is lost."""
    log.warning("%s takes its workers down; its rows are read one by one", part.key)
    workers = context.site.workers
    found: list[Read] = []
    for named in workers.run(partial(name_rows, corpus=opened.corpus), [[part]]):
        if named.value is None:
            return [Refused(part.key, "kills-worker", "")]
        read = partial(read_parts, corpus=opened.corpus, max_pixels=context.config.max_pixels)
        for done in workers.run(read, cut(named.value, workers.shard_size(len(named.value)))):
            lost = [Refused(row.key, "kills-worker", "") for row in done.shard.items]
            found += lost if done.value is None else done.value
    return found


def _lost(context: Context, opened: Opened) -> Collection[str]:
    """Return the archives of images that `paths` names and `images` lacks."""
    stored = set(images.ids(context.db))
    held = paths.images(context.db, [opened.listing.corpus])
    missing = (path for image, places in held.items() if image not in stored for path in places)
    return {found[0] for path in missing if (found := split_location(path)) is not None}


def _recorded(context: Context, corpus: str) -> set[tuple[str, int, Version]]:
    """Return the parts that were read to their end, by name, number of parts and version."""
    rows = chain.from_iterable(corpus_shards.read(context.db, corpus).values())
    return {(row.shard, row.parts, row.version()) for row in rows}


def _is_read(rows: Sequence[CorpusShardRow], version: Version) -> bool:
    parts = [row.parts for row in rows if row.version() == version]
    return bool(parts) and len(parts) == parts[0] and len(parts) == len(rows)


def _version(context: Context, archive: Archive) -> Version:
    """Return an archive's version; it covers all that decides what it is read as."""
    made_by = digest([context.made_by, context.config.max_pixels, context.config.decisive()])
    return Version(archive.size_bytes, archive.mtime_ns, made_by)


def _row(corpus: str, part: Part, rows: int, version: Version) -> CorpusShardRow:
    return CorpusShardRow(
        corpus=corpus,
        shard=part.key,
        archive=part.archive,
        parts=part.parts,
        rows=rows,
        **version._asdict(),
    )
