"""The `paths` table: which file of which corpus holds which image, and what is told of it.

Put here: the schema of `paths`, its keys, its reads and writes.
Keep out: walking folders (`tasks.corpora`); files that hold no image (`storage.refused`).
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="paths",
    schema=pa.schema(
        [
            pa.field("corpus", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("image", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("caption", pa.string()),
            pa.field("attributes", pa.string()),
            pa.field("size_bytes", pa.int64(), nullable=False),
            pa.field("mtime_ns", pa.int64(), nullable=False),
            pa.field("made_by", pa.string(), nullable=False),
            pa.field("licence", pa.string()),
            pa.field("source", pa.string()),
            pa.field("attribution", pa.string()),
        ]
    ),
    keys=("corpus", "path"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """One file of a corpus, or one row of an archive; those of equal content have a row each.

    `corpus` and `path` are absolute; `mtime_ns` is the file's time of change in nanoseconds;
    `made_by` is the fingerprint of the code that read the file; `attributes` is the text that
    `attributes_json` returns. `licence` is what the image may be used under, `source` where it is
    from, `attribution` whom to name; null: not told.
    """

    corpus: str
    path: str
    image: str
    label: str | None
    caption: str | None
    attributes: str | None
    size_bytes: int
    mtime_ns: int
    made_by: str
    licence: str | None = None
    source: str | None = None
    attribution: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the files of an image tell of it; attributes are name -> text."""

    label: str | None
    caption: str | None
    attributes: Mapping[str, str]


def attributes_json(attributes: Mapping[str, str]) -> str | None:
    """Return attributes as they are stored: canonical JSON, so equal ones are equal texts."""
    if not attributes:
        return None
    return json.dumps(dict(attributes), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def upsert(db: Database, rows: Sequence[PathRow]) -> None:
    """Write files by corpus and path."""
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(
    db: Database,
    corpora: Sequence[str],
    *,
    version: int | None = None,
    of: Sequence[str] | None = None,
) -> list[PathRow]:
    """Return the files of these corpora by corpus and path: all, or those `of` these images."""
    where = any_of("corpus", corpora)
    if of is not None:
        where += f" AND {any_of('image', of)}"
    rows = db.read(SPEC, version=version, where=where)
    return [PathRow(**row) for row in rows.to_pylist()]


def remove(db: Database, corpus: str, paths: Sequence[str]) -> None:
    """Forget files of a corpus; their images and vectors stay for whoever else holds them."""
    if paths:
        db.delete(SPEC, where=f"{any_of('corpus', [corpus])} AND {any_of('path', paths)}")


def images(
    db: Database,
    corpora: Sequence[str],
    *,
    version: int | None = None,
    only: Sequence[str] | None = None,
) -> dict[str, list[str]]:
    """Return the distinct images of these corpora, or `only` these: id -> paths, sorted by id."""
    rows = db.read(SPEC, version=version, where=_where(corpora, only), columns=["image", "path"])
    held: dict[str, list[str]] = {}
    for image, path in zip(rows["image"].to_pylist(), rows["path"].to_pylist(), strict=True):
        held.setdefault(image, []).append(path)
    return dict(sorted(held.items()))


def ids(db: Database, corpora: Sequence[str], *, version: int | None = None) -> pa.StringArray:
    """Return the ids of the distinct images of these corpora, sorted, as an Arrow array."""
    where = any_of("corpus", corpora)
    found = db.read(SPEC, version=version, where=where, columns=["image"])["image"].unique()
    return found.take(pc.array_sort_indices(found))


def corpora(db: Database) -> list[str]:
    """Return the names of all corpora in the store, sorted."""
    return sorted(db.read(SPEC, columns=["corpus"])["corpus"].unique().to_pylist())


def metadata(
    db: Database,
    corpora: Sequence[str],
    *,
    version: int | None = None,
    only: Sequence[str] | None = None,
) -> dict[str, Metadata]:
    """Return what is told of the distinct images of these corpora: id -> metadata, sorted by id.

    With `only`, of these images alone.

    Of an image with several files, a label or an attribute counts if all files that state it
    agree; the caption is that of the first file by corpus and path that has one.
    """
    told = ["image", "label", "caption", "attributes"]
    rows = db.read(SPEC, version=version, where=_where(corpora, only), columns=told)
    files: dict[str, list[_Told]] = {}
    for image, *said in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        files.setdefault(image, []).append(_Told(*said))
    return {image: _metadata(held) for image, held in sorted(files.items())}


def _where(corpora: Sequence[str], only: Sequence[str] | None) -> str:
    where = any_of("corpus", corpora)
    return where if only is None else f"{where} AND {any_of('image', only)}"


class _Told(NamedTuple):
    label: str | None
    caption: str | None
    attributes: str | None


def _metadata(files: Sequence[_Told]) -> Metadata:
    texts = dict.fromkeys(file.attributes for file in files if file.attributes is not None)
    stated = [_DECODER.decode(text) for text in texts]
    labels = {file.label for file in files if file.label is not None}
    return Metadata(
        label=labels.pop() if len(labels) == 1 else None,
        caption=next((file.caption for file in files if file.caption is not None), None),
        attributes=stated[0] if len(stated) == 1 else _agreed(stated),
    )


def _agreed(stated: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {
        name: value
        for attributes in stated
        for name, value in attributes.items()
        if all(other.get(name, value) == value for other in stated)
    }


def _interned(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return a dict; names and texts repeat from image to image, so memory holds each once."""
    return {sys.intern(name): sys.intern(text) for name, text in pairs}


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_interned)
