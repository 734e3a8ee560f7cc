"""Write rows as Lance fragments in any process, and commit many of them to a table at once.

Put here: fragments and their one commit, stable reads of a table's rows, tags, cleaning.
Keep out: which columns a table has (`storage.embeddings`); schemas and small tables
(`storage.database`).

A fragment is a data file in the table's folder that no version of the table names yet. Whoever
dies after writing one leaves a file that nobody reads, and `clean` removes it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import lance
import pyarrow as pa
from lance.fragment import write_fragments

from storage.database import Database, StoreError, TableSpec

BATCH_ROWS: Final = 8192
"""Rows that are written at once; larger batches cost more per row, not less."""

READ_ROWS: Final = 4096
"""Rows that are read at once; with more, vectors fall out of the caches before they are used."""

SMALL_FRAGMENTS: Final = 64
"""From so many fragments below `BATCH_ROWS` rows on, `clean` joins them."""


def write(location: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[str]:
    """Stream batches into data files under a table's location; no row counts before `commit`.

    The table need not exist. Returns the fragments as JSON, which can travel between processes.
    """
    reader = pa.RecordBatchReader.from_batches(schema, iter(batches))
    written = write_fragments(reader, location, schema=schema, mode="append")
    return [json.dumps(fragment.to_json()) for fragment in written]


def commit(db: Database, spec: TableSpec, fragments: Sequence[str], *, read_version: int) -> int:
    """Append fragments to a table in one commit and return the version that holds them.

    `read_version` is the version at which none of their rows was there. If others wrote since,
    Lance puts this commit behind theirs, and a row whose key they wrote too is dropped again: of
    two rows with one key the earlier stays, so that all writers drop the same one.

    Raises:
        StoreError: if the table has another schema, or the store cannot be written.
    """
    with db.clear_errors("write"):
        append = lance.LanceOperation.Append(
            [lance.FragmentMetadata.from_json(fragment) for fragment in fragments]
        )
        location = db.location(spec.name)
        dataset = lance.LanceDataset.commit(location, append, read_version=read_version)
        if dataset.version > read_version + 1:
            _drop_doubles(dataset, spec)
        return int(dataset.version)


def _drop_doubles(dataset: lance.LanceDataset, spec: TableSpec) -> None:
    (key,) = spec.keys
    rows = dataset.scanner(columns=[key], with_row_address=True).to_table()
    order = sorted(zip(rows["_rowaddr"].to_pylist(), rows[key].to_pylist(), strict=True))
    seen: Counter[str] = Counter()
    doubles = []
    for address, value in order:
        seen[value] += 1
        if seen[value] > 1:
            doubles.append(str(address))
    if doubles:
        dataset.delete(f"_rowaddr IN ({', '.join(doubles)})")


def open_rows(db: Database, spec: TableSpec, version: int) -> lance.LanceDataset:
    """Open a table at a version, for scans and for rows by their offset.

    Raises:
        StoreError: if the table has another schema, or this version no longer exists.
    """
    if db.version(spec):
        try:
            return lance.dataset(db.location(spec.name), version=version)
        except ValueError as error:
            raise StoreError(db.lost(spec.name, version)) from error
    raise StoreError(db.lost(spec.name, version))


def pin(db: Database, spec: TableSpec, tag: str, version: int) -> None:
    """Keep a version from `clean` under the name `tag`, which leaves the version it had before."""
    tags = open_rows(db, spec, version).tags
    if tag in tags.list():
        tags.update(tag, version)
    else:
        tags.create(tag, version)


def unpin(db: Database, spec: TableSpec, tag: str) -> None:
    """Let go of the version that `tag` keeps, if there is one."""
    if latest := db.version(spec):
        tags = open_rows(db, spec, latest).tags
        if tag in tags.list():
            tags.delete(tag)


def clean(db: Database, spec: TableSpec, *, alone: bool = True) -> None:
    """Remove all but the latest and the pinned versions, then join small fragments.

    In this order, since somebody may be about to read what is the latest version now.

    Files that no version names go too. They are either what killed workers left or what workers
    are about to commit, and nothing tells which; so call this when none writes to the table. On a
    local disk the run's lock sees to that. A remote store's lock holds on one machine only, so
    there, and where the caller is not `alone`, a file has to be seven days old to go, which is
    Lance's own rule.
    """
    latest = db.version(spec)
    if not latest:
        return
    dataset = open_rows(db, spec, latest)
    with db.clear_errors("write"):
        dataset.cleanup_old_versions(
            older_than=timedelta(0),
            delete_unverified=alone and not db.is_remote,
            error_if_tagged_old_versions=False,
        )
        small = sum(f.count_rows() < BATCH_ROWS for f in dataset.get_fragments())
        if small >= SMALL_FRAGMENTS:
            dataset.optimize.compact_files(num_threads=1)
