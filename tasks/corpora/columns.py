"""Which columns of a table hold images and what is told of them, and reading a row's.

Put here: the usual names of columns, choosing among those that are there, a row to `Told`.
Keep out: opening Parquet and Arrow files (`tasks.corpora.tables`).

The JSON and the texts of a WebDataset sample count as columns too.
"""

import json
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyarrow import types

from tasks.corpora.corpus import MAX_CAPTION_CHARACTERS, Reading, Told
from tasks.corpora.rights import read_rights, rights_columns
from tasks.sidecars import short_text

BYTES: Final = (
    *("image", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "img_bytes", "bytes"),
    *("picture", "photo", "content", "data"),
)
URIS: Final = (
    *("uri", "image_uri", "url", "image_url", "image_path", "path", "file_name", "filename"),
    *("file", "image", "img"),
)
CAPTIONS: Final = ("caption", "text", "description", "txt", "captions")
LABELS: Final = ("label", "cls", "class")
BOOKKEEPING: Final = frozenset(
    (
        *("key", "__key__", "__url__", "status", "error_message", "url", "uri", "exif", "hash"),
        *("width", "height", "original_width", "original_height", "md5", "sha256", "phash"),
        *("similarity", "punsafe", "pwatermark", "aesthetic", "aesthetic_score", "nsfw"),
        *("path", "file_name", "filename", "file", "image_path", "image_url", "image_uri"),
    )
)
"""Columns by which downloads are managed; they are no attributes that images could differ in."""


UNASKED: Final = BOOKKEEPING | rights_columns({}).keys()
"""Columns that nothing is asked about."""


class Columns(NamedTuple):
    """The columns of a table that are read; `label_names` turn numbers of classes into words.

    `names` are what a user calls them otherwise.
    """

    image: str
    is_uri: bool
    caption: str | None
    label: str | None
    label_names: Sequence[str]
    attributes: Sequence[str]
    rights: Sequence[str]
    names: Mapping[str, str]

    def wanted(self) -> list[str]:
        """Return the names of all columns that are read."""
        read = (self.image, self.caption, self.label, *self.attributes, *self.rights)
        return [name for name in read if name is not None]


def choose(schema: pa.Schema, reading: Reading, where: str) -> Columns:
    """Choose the columns of a table: those asked for, else those of the usual names.

    Raises:
        ValueError: if one that is asked for is missing or of a wrong type, or none holds images.
    """
    image = _image_column(schema, reading.image_column, where)
    told = [field for field in _fields(schema) if field.name != image and _is_told(field.type)]
    names = [field.name for field in told]
    for option, asked in (
        ("--caption-column", reading.caption_column),
        ("--label-column", reading.label_column),
    ):
        if asked is not None and asked not in names:
            raise ValueError(_unknown(option, asked, schema, where, "a column of texts or numbers"))
    caption = reading.caption_column or _first(CAPTIONS, names)
    label = reading.label_column or _first(LABELS, [name for name in names if name != caption])
    others = [
        field.name
        for field in told
        if field.name not in (caption, label) and not _is_list(field.type)
    ]
    rights = [name for name in others if _is_of(name, rights_columns(reading.columns))]
    attributes = [name for name in others if name not in rights and not _is_of(name, BOOKKEEPING)]
    is_uri = not _holds_bytes(schema.field(image).type)
    classes = _class_names(schema, label)
    return Columns(image, is_uri, caption, label, classes, attributes, rights, reading.columns)


def image_column(schema: pa.Schema, asked: str | None, where: str) -> tuple[str, bool]:
    """Return the column of images and whether it holds uris.

    Raises:
        ValueError: if the one that is asked for is missing or of a wrong type, or there is none.
    """
    name = _image_column(schema, asked, where)
    return name, not _holds_bytes(schema.field(name).type)


def _image_column(schema: pa.Schema, asked: str | None, where: str) -> str:
    if asked is not None:
        if schema.get_field_index(asked) < 0 or not _can_hold(schema.field(asked).type):
            expected = "a column of bytes, of struct<bytes, path>, or of uris"
            raise ValueError(_unknown("--image-column", asked, schema, where, expected))
        return asked
    holding = [field.name for field in _fields(schema) if _holds_bytes(field.type)]
    texts = [field.name for field in _fields(schema) if _is_text(field.type)]
    found = _first(BYTES, holding) or _first(URIS, texts)
    if found is None and len(holding) == 1:
        return str(holding[0])
    if found is None:
        message = (
            f"{where}: no column holds images, found {_columns(schema)}; expected bytes, "
            f"struct<bytes, path>, or uris; name one with --image-column"
        )
        raise ValueError(message)
    return found


def _fields(schema: pa.Schema) -> list[pa.Field]:
    """Return the columns whose names are theirs alone."""
    return [field for field in schema if schema.get_field_index(field.name) >= 0]


def _unknown(option: str, asked: str, schema: pa.Schema, where: str, expected: str) -> str:
    index = schema.get_field_index(asked)
    found = "no such column" if index < 0 else f"a column of type {schema.field(index).type}"
    return (
        f"{where}: {option} {asked!r} is {found}, expected {expected}; "
        f"the columns are {_columns(schema)}"
    )


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"


def _first(usual: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first usual name that is there, in whatever letters."""
    by_lower = {name.lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in usual if name in by_lower), None)


def _class_names(schema: pa.Schema, label: str | None) -> Sequence[str]:
    """Return the names of classes that `datasets` keeps beside the numbers."""
    try:
        info = json.loads((schema.metadata or {})[b"huggingface"])
        names = info["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()
    return [str(name) for name in names] if isinstance(names, list) else ()


def _value_type(kind: Any) -> Any:  # a pyarrow.DataType; the library has no types
    return kind.value_type if types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    value = _value_type(kind)
    return bool(
        types.is_string(value) or types.is_large_string(value) or types.is_string_view(value)
    )


def _is_bytes(kind: Any) -> bool:
    value = _value_type(kind)
    return bool(
        types.is_binary(value) or types.is_large_binary(value) or types.is_binary_view(value)
    )


def _holds_bytes(kind: Any) -> bool:
    if not types.is_struct(kind):
        return _is_bytes(kind)
    index = kind.get_field_index("bytes")
    return index >= 0 and _is_bytes(kind.field(index).type)


def _can_hold(kind: Any) -> bool:
    return _holds_bytes(kind) or _is_text(kind)


def _is_list(kind: Any) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind))


def _is_told(kind: Any) -> bool:
    value = _value_type(kind)
    if _is_list(value):
        return _is_text(value.value_type)
    is_number = types.is_integer(value) or types.is_floating(value) or types.is_boolean(value)
    return bool(_is_text(value) or is_number)


def content(value: Any) -> tuple[bytes | None, str | None]:
    """Return a row's bytes, or else its uri, from the scalar of its image column."""
    found = value.as_py()
    if isinstance(found, dict):
        data, uri = found.get("bytes"), found.get("path")
    else:
        data, uri = (found, None) if isinstance(found, bytes) else (None, found)
    return data or None, clean(uri) if isinstance(uri, str) and uri else None


def told_rows(batch: pa.RecordBatch, columns: Columns) -> Iterator[Told]:
    """Yield what each row of a batch tells."""
    names = [name for name in columns.wanted() if name != columns.image]
    values = [batch.column(batch.schema.get_field_index(name)).to_pylist() for name in names]
    reading = Reading(
        caption_column=columns.caption, label_column=columns.label, columns=columns.names
    )
    for row in zip(*values, strict=True) if names else ((),) * len(batch):
        told = tell(dict(zip(names, row, strict=True)), reading, "")
        yield told._replace(label=_named(told.label, columns.label_names))


def _named(label: str | None, names: Sequence[str]) -> str | None:
    if label is None or not names or not label.isdecimal():
        return label
    return names[int(label)] if int(label) < len(names) else label


def tell(fields: Mapping[str, object], reading: Reading, key: str) -> Told:
    """Return what named values tell of an image: label, caption, and short ones as attributes.

    A value that only repeats `key`, the name of the row, tells nothing.
    """
    caption = reading.caption_column or _first(CAPTIONS, _filled(fields))
    label = reading.label_column or _first(LABELS, _filled(fields))
    unasked = UNASKED | rights_columns(reading.columns).keys() if reading.columns else UNASKED
    attributes = {
        sys.intern(clean(reading.columns.get(name, str(name)))): sys.intern(text)
        for name, value in fields.items()
        if name and name not in (caption, label) and not _is_of(name, unasked)
        if (text := clean(short_text(value))) and text != key
    }
    return Told(
        clean(short_text(fields.get(label))) or None if label else None,
        _caption(fields.get(caption)) if caption else None,
        attributes,
        read_rights(fields, reading.columns),
    )


def _is_of(name: str, names: Container[str]) -> bool:
    return name in names or name.lower() in names


def _filled(fields: Mapping[str, object]) -> list[str]:
    return [name for name, value in fields.items() if value not in (None, "", [])]


def _caption(value: object) -> str | None:
    """Return a text that can be stored: of several captions of one image the first."""
    if isinstance(value, list):
        value = next((one for one in value if one), None)
    text = clean(str(value)).strip() if isinstance(value, str | int | float) else ""
    return text if 0 < len(text) <= MAX_CAPTION_CHARACTERS else None


def clean(text: str) -> str:
    """Return text that can be stored: halves of characters, as cut texts have, become ?."""
    return text.encode("utf-8", "replace").decode()
