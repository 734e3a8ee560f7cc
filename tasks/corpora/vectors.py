"""Precomputed embeddings: rows of vectors with the places of their images, from untrusted files.

Put here: clip-retrieval's folders of npy beside Parquet, Parquet or Arrow files with a column of
vectors, checks of types, widths, counts and values.
Keep out: storing vectors (`storage.embeddings`); what names such an encoder.
Shapes: N rows of a batch, D width of a vector.
Source: clip-retrieval's layout img_emb/img_emb_0.npy beside metadata/metadata_0.parquet; the NPY
format of numpy, of which no pickled object is read.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from tasks.corpora.archives import MARK, suffix
from tasks.corpora.columns import URIS, clean
from tasks.corpora.corpus import Found, Refusal, RefusedPlaceError
from tasks.corpora.places import file_size, full_name, open_place, walk
from tasks.corpora.table_files import open_table

BATCH_ROWS: Final = 4096
"""Rows that are read at once."""

MAX_WIDTH: Final = 65_536
_NUMBER: Final = re.compile(r"(.*?)(\d+)\.npy")


class VectorFile(NamedTuple):
    """A file of vectors: a table with the column `column`, or an npy file told of by `metadata`."""

    path: str
    column: str
    metadata: str
    rows: int | None


class VectorSource(NamedTuple):
    """Files of vectors that are of one width and type."""

    place: str
    files: Sequence[VectorFile]
    width: int
    dtype: np.dtype[Any]


class VectorBatch(NamedTuple):
    """Vectors of one file in order, where their images lie, and rows that hold no vector."""

    locations: Sequence[str]
    vectors_ND: NDArray[Any]
    refused: Sequence[tuple[str, Refusal]]


def open_vectors(place: str, column: str | None = None) -> VectorSource:
    """Look what vectors lie at a place: clip-retrieval's output, or tables with such a column.

    Raises:
        ValueError: if there are none, they differ in width or type, or a file is missing or
            damaged.
    """
    place = full_name(place)
    try:
        found = walk(place).files
    except FileNotFoundError as error:
        message = f"vectors {place!r}: nothing is there"
        raise ValueError(message) from error
    arrays = [file for file in found if suffix(file.path) == ".npy" and _is_of_images(file)]
    try:
        if arrays:
            kinds = [_npy(file.path, {other.path for other in found}) for file in arrays]
        else:
            tables = [file for file in found if suffix(file.path) in (".parquet", ".arrow")]
            kinds = [_table(file.path, column) for file in tables]
    except RefusedPlaceError as error:
        message = f"vectors {place!r} cannot be read: {error}"
        raise ValueError(message) from error
    widths = {(width, dtype) for _, width, dtype in kinds}
    if len(widths) != 1:
        told = ", ".join(f"{width} {dtype}" for width, dtype in sorted(widths, key=str)) or "none"
        message = (
            f"vectors {place!r} must be of one width and type in .npy, .parquet or .arrow files, "
            f"found {told}"
        )
        raise ValueError(message)
    ((width, dtype),) = widths
    return VectorSource(place, [file for file, _, _ in kinds], width, dtype)


def read_vectors(source: VectorSource) -> Iterator[VectorBatch]:
    """Stream the vectors (N, D); rows that are null, not finite or zero are refused, not yielded.

    Raises:
        RefusedPlaceError: if a file ends early or is damaged.
    """
    for file in source.files:
        rows = _npy_rows(source, file) if file.metadata else _table_rows(source, file)
        for locations, vectors_ND in rows:
            yield _checked(locations, vectors_ND)


def _checked(locations: Sequence[str], vectors_ND: NDArray[Any]) -> VectorBatch:
    wide_ND = vectors_ND.astype(np.float64)
    finite_N = np.isfinite(wide_ND).all(axis=1)
    zero_N = (wide_ND == 0).all(axis=1)
    good_N = finite_N & ~zero_N
    if good_N.all():
        return VectorBatch(locations, vectors_ND, ())
    refused = [
        (locations[row], Refusal("no-vector", "zero" if zero_N[row] else "null or not finite"))
        for row in np.flatnonzero(~good_N).tolist()
    ]
    kept = [locations[row] for row in np.flatnonzero(good_N).tolist()]
    return VectorBatch(kept, vectors_ND[good_N], refused)


def _is_of_images(file: Found) -> bool:
    return "text_emb" not in file.path.split("/")[-2:]


def _npy(path: str, present: set[str]) -> tuple[VectorFile, int, np.dtype[Any]]:
    found = _NUMBER.fullmatch(os.path.basename(path))
    number = found[2] if found else ""
    above = os.path.dirname(os.path.dirname(path))
    metadata = f"{above}/metadata/metadata_{number}.parquet"
    if metadata not in present:
        message = f"{path}: the rows' images are told of in {metadata}, which is missing"
        raise ValueError(message)
    with open_place(path) as file:
        rows, width, dtype = _npy_header(file, path)
    with open_table(metadata) as table:
        told = table.groups[-1][1] if table.groups else 0
    if told != rows:
        message = f"{path} has {rows} vectors, {metadata} tells of {told}"
        raise ValueError(message)
    return VectorFile(path, "", metadata, rows), width, dtype


def _npy_header(file: BinaryIO, path: str) -> tuple[int, int, np.dtype[Any]]:
    """Read an npy header, leaving the file behind it."""
    size = file_size(file)
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}
        shape, by_columns, dtype = read.get(version, np.lib.format.read_array_header_2_0)(file)
    except (ValueError, EOFError) as error:
        raise RefusedPlaceError(reason="archive-damaged", detail=f"{path}: {error}") from error
    is_plain = dtype.kind == "f" and dtype.itemsize in (2, 4, 8) and dtype.isnative
    if len(shape) != 2 or by_columns or not is_plain or not 1 <= shape[1] <= MAX_WIDTH:
        message = f"{path} holds {dtype} of shape {shape}, expected rows of float16, 32 or 64"
        raise ValueError(message)
    if size - file.tell() < shape[0] * shape[1] * dtype.itemsize:
        detail = f"{path}: {shape[0]} vectors do not fit in {size} bytes"
        raise RefusedPlaceError(reason="archive-truncated", detail=detail)
    return shape[0], shape[1], dtype


def _npy_rows(
    source: VectorSource, file: VectorFile
) -> Iterator[tuple[Sequence[str], NDArray[Any]]]:
    with open_place(file.path) as data, open_table(file.metadata) as table:
        _npy_header(data, file.path)
        name = _location_column(table.schema)
        wanted = [name] if name else table.schema.names[:1]
        for batch in table.batches(wanted, 0, None, size=BATCH_ROWS):
            count = len(batch.rows)
            raw = data.read(count * source.width * source.dtype.itemsize)
            vectors_ND = np.frombuffer(raw, source.dtype).reshape(count, source.width)
            yield _locations(file.metadata, batch.rows, name, batch.start), vectors_ND


def _table(path: str, column: str | None) -> tuple[VectorFile, int, np.dtype[Any]]:
    with open_table(path) as table:
        fields = [field for field in table.schema if _vector_width(field.type)]
        named = [field for field in fields if column in (None, field.name)]
        if len(named) != 1:
            columns = ", ".join(f"{field.name} ({field.type})" for field in table.schema)
            message = (
                f"{path}: {len(named)} columns{f' named {column!r}' if column else ''} hold "
                f"vectors, expected one fixed_size_list of floats; the columns are {columns}"
            )
            raise ValueError(message)
        (field,) = named
        rows = table.groups[-1][1] if table.groups else None
    dtype = np.dtype(field.type.value_type.to_pandas_dtype())
    return VectorFile(path, field.name, "", rows), _vector_width(field.type), dtype


def _vector_width(kind: Any) -> int:
    """Return the length of a fixed-size list of floats; 0 of any other type."""
    if not types.is_fixed_size_list(kind) or not types.is_floating(kind.value_type):
        return 0
    return int(kind.list_size) if kind.list_size <= MAX_WIDTH else 0


def _table_rows(
    source: VectorSource, file: VectorFile
) -> Iterator[tuple[Sequence[str], NDArray[Any]]]:
    with open_table(file.path) as table:
        name = _location_column(table.schema)
        wanted = [file.column, *([name] if name else [])]
        for batch in table.batches(wanted, 0, None, size=BATCH_ROWS):
            column = batch.rows.column(batch.rows.schema.get_field_index(file.column))
            flat = column.values.slice(column.offset * source.width, len(column) * source.width)
            vectors_ND = flat.to_numpy(zero_copy_only=False).reshape(len(column), source.width)
            if column.null_count:
                absent_N = column.is_null().to_numpy(zero_copy_only=False)
                vectors_ND = np.where(absent_N[:, None], np.nan, vectors_ND).astype(source.dtype)
            yield _locations(file.path, batch.rows, name, batch.start), vectors_ND


def _location_column(schema: pa.Schema) -> str | None:
    texts = [
        field.name
        for field in schema
        if types.is_string(field.type) or types.is_large_string(field.type)
    ]
    return next((name for usual in URIS for name in texts if name.lower() == usual), None)


def _locations(path: str, rows: pa.RecordBatch, name: str | None, start: int) -> list[str]:
    """Return where each row's image lies: what the row says, else the row itself."""
    own = [f"{path}{MARK}{row:09d}" for row in range(start, start + len(rows))]
    if name is None:
        return own
    said = rows.column(rows.schema.get_field_index(name)).to_pylist()
    return [clean(text) if text else place for text, place in zip(said, own, strict=True)]
