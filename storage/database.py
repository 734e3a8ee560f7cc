"""Open the LanceDB store; create, check, read and write its tables.

Put here: connecting, schemas and their versions, atomic writes, errors of the store itself.
Keep out: anything that knows a column by name; that belongs to the table's own module.

Every write is one Lance commit: a process killed at any moment leaves the version before or the
version after, never half. Writing rows that are there already makes no version.
"""

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lancedb
import pyarrow as pa
from lancedb.table import Table

VERSION_KEY = b"mmvp.schema"
KEYS_IN_ONE_QUERY = 5_000
FEW_KEYS = 100
"""A condition on so many values takes less time than the reading that it saves."""

UNWRITABLE = {
    "No space left on device": "free some disk space, or point MMVP_STORE at another disk",
    "Read-only file system": "make it writable, or point MMVP_STORE at a folder that is",
    "Permission denied": "make it writable for this user, or point MMVP_STORE elsewhere",
}


class StoreError(Exception):
    """The store cannot be read or written as it is; running again without a change cannot help."""


class TableSpec(NamedTuple):
    """A table as the code expects it."""

    name: str
    schema: pa.Schema
    keys: tuple[str, ...]
    """Columns that name a row; rows are read in their order."""
    schema_version: int = 1


def quote(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def any_of(column: str, values: Sequence[str]) -> str:
    """Return the SQL condition that `column` is one of `values`."""
    if not values:
        return "false"
    return f"{column} IN ({', '.join(quote(value) for value in values)})"


def location(uri: str, name: str) -> str:
    """Return where the data of a store's table lie, whether it exists or not."""
    return f"{uri.rstrip('/')}/{name}.lance"


class Database:
    """A connection to one store, local or remote, that checks every table it opens."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with self.clear_errors("open"):
            self._connection = lancedb.connect(uri)

    @property
    def is_remote(self) -> bool:
        """Say whether the store is not on a disk of this machine."""
        return "://" in self.uri

    def location(self, name: str) -> str:
        """Return where the data of a table lie."""
        return location(self.uri, name)

    def tables(self) -> list[str]:
        """Return the names of all tables, sorted."""
        names: list[str] = []
        token = None
        while True:
            page = self._connection.list_tables(page_token=token)
            names.extend(page.tables)
            token = page.page_token
            if not token:
                return sorted(names)

    def make(self, specs: Iterable[TableSpec]) -> None:
        """Make the tables that are not there yet, empty; check those that are.

        Raises:
            StoreError: if a table has another schema, or the store cannot be written.
        """
        for spec in specs:
            with self.clear_errors("write"):
                self._open(spec)

    def overview(self) -> list[tuple[str, int, int]]:
        """Return name, version and number of rows of every table."""
        opened = ((name, self._connection.open_table(name)) for name in self.tables())
        return [(name, int(table.version), int(table.count_rows())) for name, table in opened]

    def version(self, spec: TableSpec) -> int:
        """Return the latest version of a table; 0 when the store has none."""
        table = self._find(spec)
        return int(table.version) if table is not None else 0

    def open(self, name: str) -> Table:
        """Return a table as lancedb opens it, for reads that `read` has no words for."""
        return self._connection.open_table(name)

    def vector_width(self, name: str) -> int:
        """Return the length of the vectors in a table's `vector` column."""
        return int(self._connection.open_table(name).schema.field("vector").type.list_size)

    def read(
        self,
        spec: TableSpec,
        *,
        version: int | None = None,
        where: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return rows in the order of the table's keys.

        Version 0 is the table before it was made: it has no rows.

        Raises:
            StoreError: if the table has another schema, or `version` of it no longer exists.
        """
        table = self._find(spec)
        if table is None and version:
            raise StoreError(self.lost(spec.name, version))
        if table is None or version == 0:
            return spec.schema.empty_table().select(list(columns or spec.schema.names))
        if version is not None:
            try:
                table.checkout(version)
            except ValueError as error:
                raise StoreError(self.lost(spec.name, version)) from error
        query = table.search().limit(None)
        if where is not None:
            query = query.where(where)
        wanted = list(columns or spec.schema.names)
        stored = [
            name for name in dict.fromkeys([*wanted, *spec.keys]) if name in table.schema.names
        ]
        rows = query.select(stored).to_arrow()
        for name in wanted:
            if name not in stored:  # this version is from before the column was added
                field = spec.schema.field(name)
                rows = rows.append_column(field, pa.nulls(len(rows), field.type))
        return rows.sort_by([(key, "ascending") for key in spec.keys]).select(wanted)

    def upsert(self, spec: TableSpec, rows: pa.Table) -> None:
        """Write rows by key in one commit, leaving alone those that are there with equal values.

        Of two rows with one key the last is written.
        """
        changed = self._new(spec, _last_by_key(spec, rows), spec.schema.names)
        if changed.num_rows:
            with self.clear_errors("write"):
                merge = self._open(spec).merge_insert(list(spec.keys))
                merge.when_matched_update_all().when_not_matched_insert_all().execute(changed)

    def insert(self, spec: TableSpec, rows: pa.Table) -> None:
        """Write the rows whose key is new in one commit; rows that are there stay as they are."""
        new = self._new(spec, rows, spec.keys)
        if new.num_rows:
            with self.clear_errors("write"):
                merge = self._open(spec).merge_insert(list(spec.keys))
                merge.when_not_matched_insert_all().execute(new)

    def replace(self, spec: TableSpec, rows: pa.Table, *, where: str) -> None:
        """Make `rows` all that the table holds under the condition `where`, in one commit."""
        if self.read(spec, where=where) == rows.sort_by([(key, "ascending") for key in spec.keys]):
            return
        with self.clear_errors("write"):
            merge = self._open(spec).merge_insert(list(spec.keys))
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            merge.when_not_matched_by_source_delete(where).execute(rows)

    def delete(self, spec: TableSpec, *, where: str) -> None:
        """Remove the rows under the condition `where`, in one commit."""
        table = self._find(spec)
        if table is not None and table.count_rows(where):
            with self.clear_errors("write"):
                table.delete(where)

    def _new(self, spec: TableSpec, rows: pa.Table, columns: Sequence[str]) -> pa.Table:
        """Return the rows whose values in these columns are not stored yet."""
        *firsts, last = spec.keys
        values = rows[last].unique().to_pylist()
        narrowed = [any_of(key, few) for key in firsts if (few := _few(rows[key]))]
        stored: set[tuple[object, ...]] = set()
        for start in range(0, len(values), KEYS_IN_ONE_QUERY):
            asked = any_of(last, values[start : start + KEYS_IN_ONE_QUERY])
            where = " AND ".join([*narrowed, asked])
            stored.update(_tuples(self.read(spec, where=where, columns=columns)))
        new = [row not in stored for row in _tuples(rows.select(columns))]
        return rows.filter(pa.array(new, pa.bool_()))

    def _find(self, spec: TableSpec) -> Table | None:
        try:
            with self.clear_errors("open"):
                table = self._connection.open_table(spec.name)
        except ValueError as error:  # LanceDB's word for "no such table"
            if "not found" not in str(error):
                raise
            return None
        return self._checked(table, spec)

    def _open(self, spec: TableSpec) -> Table:
        table = self._find(spec)
        if table is not None:
            return table
        version = str(spec.schema_version).encode()
        schema = spec.schema.with_metadata({**(spec.schema.metadata or {}), VERSION_KEY: version})
        table = self._connection.create_table(spec.name, schema=schema, exist_ok=True)
        if len(spec.keys) == 1:  # else two concurrent merges of one key would leave two rows
            table.set_unenforced_primary_key(spec.keys[0])
        return self._connection.open_table(spec.name)

    def _checked(self, table: Table, spec: TableSpec) -> Table:
        """Return the table if its schema is ours, after adding columns that an older one lacks."""
        stored = table.schema
        version = int((stored.metadata or {}).get(VERSION_KEY, b"0"))
        where = f"table {spec.name!r} at {self.uri}"
        if version > spec.schema_version:
            message = (
                f"{where} has schema version {version}, written by a newer mmvp; this one knows "
                f"versions up to {spec.schema_version}: upgrade mmvp, or use another store"
            )
            raise StoreError(message)
        missing = [field for field in spec.schema if stored.get_field_index(field.name) < 0]
        differing = [
            f"{field.name}: {stored.field(field.name).type}, expected {field.type}"
            for field in spec.schema
            if field not in missing and stored.field(field.name).type != field.type
        ]
        differing += [f"{field.name}: missing" for field in missing if not field.nullable]
        if differing:
            message = (
                f"{where} was written with another schema ({'; '.join(differing)}); "
                f"use the mmvp that wrote it, or point MMVP_STORE at a fresh folder"
            )
            raise StoreError(message)
        if missing:
            with self.clear_errors("migrate"):
                table.add_columns(pa.schema(missing))
        return table

    def lost(self, name: str, version: int) -> str:
        """Return the words for a version that is gone."""
        return (
            f"version {version} of table {name!r} at {self.uri} no longer exists; "
            f"run `mmvp run` again to rebuild what is missing"
        )

    @contextmanager
    def clear_errors(self, action: str) -> Iterator[None]:
        """Turn errors of the disk inside the block into errors that say what to do.

        Raises:
            StoreError: if the store cannot be reached or written.
        """
        try:
            yield
        except (OSError, RuntimeError) as error:
            for words, remedy in UNWRITABLE.items():
                if words in str(error):
                    place = self.uri if self.is_remote else Path(self.uri)
                    message = f"cannot {action} the store at {place}: {words.lower()}; {remedy}"
                    raise StoreError(message) from error
            raise


def is_disk_error(error: BaseException) -> bool:
    """Say whether an error is of the disk itself, so that trying again cannot help."""
    lasting = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM)
    return isinstance(error, OSError) and error.errno in lasting


def _few(column: pa.ChunkedArray) -> list[str]:
    """Return the values of a column of texts if they are few, else none."""
    values: list[str] = column.unique().to_pylist() if pa.types.is_string(column.type) else []
    return values if len(values) <= FEW_KEYS else []


def _last_by_key(spec: TableSpec, rows: pa.Table) -> pa.Table:
    last = {key: index for index, key in enumerate(_tuples(rows.select(spec.keys)))}
    return rows if len(last) == rows.num_rows else rows.take(list(last.values()))


def _tuples(rows: pa.Table) -> Iterator[tuple[object, ...]]:
    return zip(*(_hashable(column) for column in rows.columns), strict=True)


def _hashable(column: pa.ChunkedArray) -> Sequence[object]:
    """Return a column's values, lists among them as tuples."""
    values: list[Any] = column.to_pylist()
    if pa.types.is_list(column.type):
        return [None if value is None else tuple(value) for value in values]
    return values
