"""The `conversations` table: what is said about images, to train multimodal models on.

Put here: the schema of `conversations`, its key, its reads and writes, rows by their number.
Keep out: reading files of conversations (`tasks.conversations`); tokens (`tasks.training`).

A mix is what one file holds, read with its images. Its rows are written part by part, each part
in one commit; a part that is there as it should be is left alone.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage import fragments
from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="conversations",
    schema=pa.schema(
        [
            pa.field("name", pa.string(), nullable=False),
            pa.field("mix", pa.string(), nullable=False),
            pa.field("position", pa.int64(), nullable=False),
            pa.field("id", pa.string()),
            pa.field("system", pa.string()),
            pa.field("images", pa.list_(pa.string()), nullable=False),
            pa.field(
                "turns",
                pa.list_(
                    pa.struct(
                        [
                            pa.field("user", pa.string(), nullable=False),
                            pa.field("assistant", pa.string(), nullable=False),
                        ]
                    )
                ),
                nullable=False,
            ),
            pa.field("words", pa.int32(), nullable=False),
            pa.field("text_only", pa.bool_(), nullable=False),
            pa.field("content", pa.string(), nullable=False),
        ]
    ),
    keys=("name",),
)

FIELDS: Final = ["mix", "position", "id", "system", "images", "turns"]
"""The columns that say all; the others follow from them."""


class Turn(NamedTuple):
    """What a person said, and the answer to it."""

    user: str
    assistant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRow:
    """One conversation: the one at `position`, from 0, in the file that `mix` was read from.

    `id` is what the file calls it; several may have one. `images` are ids of `storage.images`. The
    users' texts hold one `<image>` for each, in order.
    """

    mix: str
    position: int
    id: str | None
    system: str | None
    images: tuple[str, ...]
    turns: tuple[Turn, ...]

    @property
    def name(self) -> str:
        """The key: names sort as positions do."""
        return f"{self.mix}/{self.position:09d}"

    @property
    def words(self) -> int:
        """Words of all its texts."""
        texts = [self.system or "", *(text for turn in self.turns for text in turn)]
        return sum(len(text.split()) for text in texts)

    @property
    def content(self) -> str:
        """The sha256 (64 hex digits) of all that the row says."""
        said = [self.id, self.system, self.images, self.turns]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _table(rows: Sequence[ConversationRow]) -> pa.Table:
    values = [
        {
            "name": row.name,
            "mix": row.mix,
            "position": row.position,
            "id": row.id,
            "system": row.system,
            "images": row.images,
            "turns": [turn._asdict() for turn in row.turns],
            "words": row.words,
            "text_only": not row.images,
            "content": row.content,
        }
        for row in rows
    ]
    return pa.Table.from_pylist(values, schema=SPEC.schema)


def replace(
    db: Database, mix: str, rows: Sequence[ConversationRow], *, start: int, stop: int | None = None
) -> int:
    """Make `rows` all that a mix holds from position `start` up to `stop`, in one commit.

    Returns how many of them were not there before, or said something else.
    """
    where = f"{any_of('mix', [mix])} AND position >= {start}"
    where += "" if stop is None else f" AND position < {stop}"
    held = db.read(SPEC, where=where, columns=["name", "content"])
    known = dict(zip(*(column.to_pylist() for column in held.columns), strict=True))
    table = _table(rows)
    found = dict(zip(table["name"].to_pylist(), table["content"].to_pylist(), strict=True))
    if found != known:
        db.replace(SPEC, table, where=where)
    return sum(known.get(name) != content for name, content in found.items())


def read(db: Database, mix: str, *, version: int | None = None) -> list[ConversationRow]:
    """Return the conversations of a mix by position."""
    rows = db.read(SPEC, version=version, where=any_of("mix", [mix]), columns=FIELDS)
    return _rows(rows)


def contents(db: Database, mix: str, *, version: int | None = None) -> list[tuple[int, str]]:
    """Return position and content of every conversation of a mix, by position."""
    columns = ["position", "content"]
    rows = db.read(SPEC, version=version, where=any_of("mix", [mix]), columns=columns)
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def images(db: Database, mix: str, *, version: int | None = None) -> set[str]:
    """Return the ids of all images that a mix is about."""
    rows = db.read(SPEC, version=version, where=any_of("mix", [mix]), columns=["images"])
    return set(pc.unique(pc.list_flatten(rows["images"])).to_pylist())


def sizes(db: Database, mix: str, *, version: int | None = None) -> list[tuple[int, int]]:
    """Return how many words and how many images each conversation of a mix has."""
    columns = ["words", "images"]
    rows = db.read(SPEC, version=version, where=any_of("mix", [mix]), columns=columns)
    counts = pc.list_value_length(rows["images"]).to_pylist()
    return list(zip(rows["words"].to_pylist(), counts, strict=True))


def mixes(db: Database, *, version: int | None = None) -> list[str]:
    """Return the names of all mixes, sorted."""
    return sorted(db.read(SPEC, version=version, columns=["mix"])["mix"].unique().to_pylist())


def _rows(table: pa.Table) -> list[ConversationRow]:
    return [
        ConversationRow(
            **row
            | {
                "images": tuple(row["images"]),
                "turns": tuple(Turn(**turn) for turn in row["turns"]),
            }
        )
        for row in table.select(FIELDS).to_pylist()
    ]


class Numbered:
    """The conversations of a mix at one version of the table, by number, in their order.

    Nothing that is written later changes it. It can be sent to another process, which opens the
    store for itself when it first reads. Lance does not work in a forked process; start others
    with spawn or forkserver.

    Args:
        uri: of the store.
        mix: the name of the mix.
        version: of the table.
        without: ids of images; conversations about them are left out.

    Raises:
        StoreError: if the version is gone.
        ValueError: if the mix has no conversation at that version.
    """

    def __init__(self, uri: str, mix: str, version: int, *, without: Collection[str] = ()) -> None:
        self._uri = uri
        self._version = version
        self._dataset: lance.LanceDataset | None = None
        columns = ["mix", "position", "images", "words", "text_only"]
        rows = self._open().to_table(columns=columns)
        rows = rows.append_column("offset", pa.array(np.arange(len(rows))))
        rows = rows.filter(pc.equal(rows["mix"], mix)).sort_by("position")
        if not len(rows):
            message = (
                f"mix {mix!r} has no conversation in version {version} of table {SPEC.name!r} at "
                f"{uri}; run `mmvp conversations` first"
            )
            raise ValueError(message)
        kept = rows.filter(~_about(rows["images"], without))
        self.left_out = len(rows) - len(kept)
        """Conversations that are about an image of `without`."""
        self.words: list[int] = kept["words"].to_pylist()
        """Words of each conversation."""
        self.text_only: list[bool] = kept["text_only"].to_pylist()
        """Whether each is about no image."""
        self._offsets = kept["offset"].to_numpy()

    def __len__(self) -> int:
        return len(self._offsets)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_dataset": None}

    def read(self, numbers: Sequence[int]) -> list[ConversationRow]:
        """Return the conversations with these numbers, in the order asked for, in one read.

        Raises:
            IndexError: if there is no such number.
        """
        asked = self._offsets[list(numbers)]
        return _rows(self._open().take(asked, columns=FIELDS))

    def _open(self) -> lance.LanceDataset:
        if self._dataset is None:
            self._dataset = fragments.open_rows(Database(self._uri), SPEC, self._version)
        return self._dataset


def _about(
    images: pa.ChunkedArray, ids: Collection[str]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say of each row whether one of its images is among these."""
    about = np.zeros(len(images), dtype=np.bool_)
    if ids:
        lists = images.combine_chunks()
        hit = pc.is_in(pc.list_flatten(lists), value_set=pa.array(sorted(ids), pa.string()))
        about[pc.filter(pc.list_parent_indices(lists), hit).to_numpy()] = True
    return about
