"""The `models` table: every multimodal model that was trained here, and where its files lie.

Put here: the schema of `models`, its key, its reads and writes.
Keep out: training (`tasks`); the weights, which are files; answers (`storage.answers`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="models",
    schema=pa.schema(
        [
            pa.field("model", pa.string(), nullable=False),
            pa.field("features", pa.string(), nullable=False),
            pa.field("ssl_share", pa.float64()),
            pa.field("seed", pa.int64(), nullable=False),
            pa.field("steps", pa.int64(), nullable=False),
            pa.field("folder", pa.string(), nullable=False),
            pa.field("weights", pa.string(), nullable=False),
            pa.field("facts", pa.string(), nullable=False),
            pa.field("figures", pa.string(), nullable=False),
            pa.field("trained_images", pa.int64(), nullable=False),
        ]
    ),
    keys=("model",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One trained model.

    `features` says what the language model sees: clip, ssl, additive, interleaved, or
    clip-control; `ssl_share` is the SSL encoder's part of an additive mix (null for the others).
    `folder` holds the model's files, and `weights` is the sha256 (64 hex digits) of the one with
    its weights. `facts` is all that the model depends on, `figures` what training measured, such
    as losses but no seconds: the same training leaves the same row. Both are JSON values, kept as
    JSON strings. `trained_images` counts the distinct images that it was trained on.
    """

    model: str
    features: str
    ssl_share: float | None
    seed: int
    steps: int
    folder: str
    weights: str
    facts: Mapping[str, Any]
    figures: Mapping[str, Any]
    trained_images: int


def upsert(db: Database, rows: Sequence[ModelRow]) -> None:
    """Write models by name in one commit.

    Raises:
        ValueError: if facts or figures hold a NaN or an infinity, which JSON cannot say.
    """
    values = [
        asdict(row) | {"facts": _json(row.facts), "figures": _json(row.figures)} for row in rows
    ]
    db.upsert(SPEC, pa.Table.from_pylist(values, schema=SPEC.schema))


def read(
    db: Database, names: Sequence[str] | None = None, *, version: int | None = None
) -> list[ModelRow]:
    """Return models by name: all, or those of these names that there are."""
    where = None if names is None else any_of("model", names)
    return [
        ModelRow(**row | {"facts": json.loads(row["facts"]), "figures": json.loads(row["figures"])})
        for row in db.read(SPEC, version=version, where=where).to_pylist()
    ]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
