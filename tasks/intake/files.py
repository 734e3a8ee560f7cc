"""Files of a corpus that hold one image each: opened when they are new or have changed.

Put here: which files are opened, told of anew, or forgotten.
Keep out: archives (`tasks.intake.archives`); what a worker does (`tasks.intake.reading`).

A file is opened when its path, size or time of change is new, when the code that reads files has
changed, or when asked to. What was read is committed shard by shard, so that a killed run goes on
where it stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from storage import corpus_shards, images, paths, refused
from storage.corpus_shards import Version
from storage.database import Database
from storage.paths import PathRow
from storage.refused import RefusedRow
from tasks.corpora.corpus import FileEntry, Told
from tasks.corpora.opening import Opened
from tasks.fingerprints import digest
from tasks.intake.reading import STAGE, Refused, commit, commit_images, read_parts, row_of
from tasks.progress import Progress
from tasks.shards import record
from tasks.stage import Context
from tasks.workers import cut

Row = PathRow | RefusedRow


class Changes(NamedTuple):
    """What a corpus asks for: files to open, rows of which other things are told, files gone."""

    to_open: Sequence[FileEntry]
    retold: Sequence[Row]
    gone: Sequence[str]


def find_changes(context: Context, opened: Opened) -> Changes:
    """Compare the files that are there with those that are remembered."""
    listing = opened.listing
    known = _known(context.db, listing.corpus)
    stored = set(images.ids(context.db))
    reader = _reader(context)
    to_open: list[FileEntry] = []
    retold: list[Row] = []
    for entry in listing.files:
        version = _version(entry, reader)
        row = next((row for row in known.get(entry.path, ()) if _version(row) == version), None)
        lost = isinstance(row, PathRow) and row.image not in stored
        if row is None or lost or context.refresh:
            to_open.append(entry)
        elif isinstance(row, PathRow) and (again := _retell(row, entry)) != row:
            retold.append(again)
    listed = (listing.files, listing.unreadable, listing.archives)
    present = {entry.path for entries in listed for entry in entries}
    return Changes(to_open, retold, sorted(known.keys() - present))


def sync_files(context: Context, opened: Opened) -> None:
    """Bring the store up to date with a corpus' files and with places that cannot be walked."""
    db, listing, reader = context.db, opened.listing, _reader(context)
    changes = find_changes(context, opened)
    commit(db, listing.corpus, changes.retold)
    entries = {entry.path: entry for entry in listing.files}
    progress = Progress(STAGE, len(changes.to_open), "files")
    workers = context.site.workers
    parts = [part for entry in changes.to_open for part in opened.corpus.cut(entry)]
    read = partial(read_parts, corpus=opened.corpus, max_pixels=context.config.max_pixels)
    for done in workers.run(read, cut(parts, workers.shard_size(len(parts)))):
        found = done.value or [Refused(part.key, "kills-worker", "") for part in done.shard.items]
        commit_images(db, found)
        told = ((item, entries[item.path]) for item in found)
        rows = [
            row_of(listing.corpus, item, _told(entry), _version(entry, reader))
            for item, entry in told
        ]
        commit(db, listing.corpus, rows)
        record(db, STAGE, done)
        progress.add(len(found))
    nowhere = Version(0, 0, reader)
    lost = [row_of(listing.corpus, Refused(*at), Told(), nowhere) for at in listing.unreadable]
    commit(db, listing.corpus, lost)
    paths.remove(db, listing.corpus, changes.gone)
    refused.remove(db, STAGE, listing.corpus, changes.gone)


def _reader(context: Context) -> str:
    """The fingerprint of all that decides what a file is read as."""
    return digest([context.made_by, context.config.max_pixels])


def _version(of: FileEntry | Row, reader: str | None = None) -> Version:
    made_by = of.made_by if isinstance(of, PathRow | RefusedRow) else reader or ""
    return Version(of.size_bytes, of.mtime_ns, made_by)


def _told(entry: FileEntry) -> Told:
    return Told(entry.label, entry.caption, entry.attributes, entry.rights)


def _retell(row: PathRow, entry: FileEntry) -> PathRow:
    """Return the row with what the folder tells of its file now."""
    attributes = paths.attributes_json(entry.attributes)
    return replace(
        row,
        label=entry.label,
        caption=entry.caption,
        attributes=attributes,
        **entry.rights._asdict(),
    )


def _known(db: Database, corpus: str) -> Mapping[str, Sequence[Row]]:
    """What is remembered, by path; a run killed between two tables may have left two rows."""
    known: dict[str, list[Row]] = {}
    for row in corpus_shards.files(db, STAGE, corpus):
        known.setdefault(row.path, []).append(row)
    return known
