"""A table of things, for tests of the store itself."""

import pyarrow as pa

from storage.database import TableSpec

SPEC = TableSpec(
    name="things",
    schema=pa.schema(
        [
            pa.field("place", pa.string(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("note", pa.string()),
        ]
    ),
    keys=("place", "name"),
)


def table_of(*rows, spec=SPEC):
    return pa.Table.from_pylist(
        [dict(zip(spec.schema.names, row, strict=True)) for row in rows], schema=spec.schema
    )


def rows_of(db, spec=SPEC, **options):
    return [tuple(row.values()) for row in db.read(spec, **options).to_pylist()]
