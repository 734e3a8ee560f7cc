"""Corpora of tables: Parquet and Arrow files with an image, or its uri, in every row.

Put here: listing and cutting such files, rows to items.
Keep out: the files themselves (`tasks.corpora.table_files`); choosing columns
(`tasks.corpora.columns`); reading uris (`tasks.corpora.uris`).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from tasks.corpora.archives import (
    MARK,
    archives_of,
    check_declared,
    check_numbering,
    refuse_missing,
)
from tasks.corpora.columns import Columns, choose, content, told_rows
from tasks.corpora.corpus import (
    MAX_ROW_BYTES,
    Archive,
    FileEntry,
    Item,
    Listing,
    Part,
    Reading,
    Refusal,
    RefusedPlaceError,
    Rights,
    Walked,
)
from tasks.corpora.table_files import Batch, TableFile, open_table
from tasks.corpora.uris import is_web, read_uri
from tasks.images import RefusedImageError

PART_ROWS: Final = 1000
"""Row groups are read together until they have so many rows."""

MAX_PART_ROWS: Final = 10_000_000
"""The most rows of one part that are read; what comes after them is refused."""

FETCHES: Final = 16
"""Images that a worker fetches at the same time."""


@dataclass(frozen=True, slots=True)
class Tables:
    """A corpus of Parquet or Arrow files."""

    name: str
    place: str
    reading: Reading

    def look(self, walked: Walked) -> Listing:
        """Return the Parquet and Arrow files.

        Raises:
            ValueError: if one is missing by what the others' names say.
        """
        return list_tables(self, walked, ())

    def cut(self, entry: FileEntry | Archive) -> Sequence[Part]:
        """Return a part for every so many rows of a Parquet file; an Arrow file is one.

        Raises:
            ValueError: if a column that is asked for is missing or of a wrong type.
        """
        whole = [Part(entry.path, 0, 1, 0, None, entry.path)]
        try:
            with open_table(entry.path) as table:
                choose(table.schema, self.reading, entry.path)
                starts = _starts(table.groups)
        except RefusedImageError:
            return whole  # reading it will say what is wrong
        if len(starts) < 2:
            return whole
        ranges = zip(starts, [*starts[1:], table.groups[-1][1]], strict=True)
        return [
            Part(entry.path, number, len(starts), start, stop, _key(entry.path, start, stop))
            for number, (start, stop) in enumerate(ranges)
        ]

    def read(self, part: Part) -> Iterator[Item]:
        """Read rows in order."""
        try:
            with open_table(part.archive) as table:
                yield from self._rows(table, part)
        except RefusedImageError as error:
            yield Item(part.key, -1, Refusal(error.reason, error.detail))

    def _rows(self, table: TableFile, part: Part) -> Iterator[Item]:
        columns = choose(table.schema, self.reading, part.archive)
        with ThreadPoolExecutor(FETCHES) as pool:
            for batch in table.batches(columns.wanted(), part.start, part.stop):
                if batch.start - part.start > MAX_PART_ROWS:
                    detail = f"more than {MAX_PART_ROWS} rows from row {part.start} on"
                    raise RefusedPlaceError(reason="archive-too-long", detail=detail)
                for item in self._items(batch, columns, part.archive, pool):
                    if item.row >= part.start and (part.stop is None or item.row < part.stop):
                        yield item

    def _items(
        self, batch: Batch, columns: Columns, archive: str, pool: ThreadPoolExecutor
    ) -> Iterator[Item]:
        column = batch.rows.column(batch.rows.schema.get_field_index(columns.image))
        held = [content(value) for value in column]
        read = pool.map if any(uri and is_web(uri) for _, uri in held) else map
        contents = read(partial(self._content, archive), held)
        rows = zip(contents, held, told_rows(batch.rows, columns), strict=True)
        for row, (data, (_, uri), told) in enumerate(rows, start=batch.start):
            web = uri is not None and is_web(uri)
            rights = told.rights.else_of(Rights(source=uri)) if web else told.rights
            said = told._replace(rights=rights)
            yield Item(self._location(archive, row, web=web), row, data, said)

    def _location(self, archive: str, row: int, *, web: bool) -> str:
        named = f"/{self.reading.image_column}" if self.reading.image_column else ""
        return f"{archive}{MARK}{'/' if web else ''}{row:09d}{named}"

    def _content(self, archive: str, held: tuple[bytes | None, str | None]) -> bytes | Refusal:
        data, uri = held
        if data is not None:
            if len(data) > MAX_ROW_BYTES:
                return Refusal("row-too-large", f"{len(data)} bytes, at most {MAX_ROW_BYTES}")
            return data
        if uri is None:
            return Refusal("no-image", "neither bytes nor a uri")
        try:
            return read_uri(uri, archive, fetch=self.reading.fetch_urls)
        except RefusedImageError as error:
            return Refusal(error.reason, error.detail)


def list_tables(corpus: Tables, walked: Walked, declared: Sequence[str]) -> Listing:
    """Return the Parquet and Arrow files; `declared` are paths that must be there.

    Raises:
        ValueError: if one is missing.
    """
    archives = archives_of(walked.files, ".parquet", ".arrow")
    missing = check_declared(archives, declared)
    if not corpus.reading.allow_missing:
        refuse_missing(corpus.name, missing)
    unreadable = sorted([*walked.unreadable, *missing, *check_numbering(archives)])
    return Listing(corpus.name, [], unreadable, 0, archives)


def _starts(groups: Sequence[tuple[int, int]]) -> list[int]:
    """Return the first rows of parts that have so many rows, or are a group of more."""
    starts: list[int] = []
    for first, end in groups:
        if end > first and (not starts or first - starts[-1] >= PART_ROWS):
            starts.append(first)
    return starts


def _key(archive: str, start: int, stop: int) -> str:
    """Return the name of rows of an archive, which is that of no single row."""
    return f"{archive}{MARK}{start:09d}-{stop - 1:09d}"
