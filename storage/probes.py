"""The `probes` table: what can be read from each encoder's vectors, attribute by attribute.

Put here: the schema of `probes`, its keys, its reads and writes.
Keep out: fitting probes (`tasks`); the vectors (`storage.embeddings`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="probes",
    schema=pa.schema(
        [
            pa.field("scope", pa.string(), nullable=False),
            pa.field("encoder", pa.string(), nullable=False),
            pa.field("role", pa.string(), nullable=False),
            pa.field("attribute", pa.string(), nullable=False),
            pa.field("classes", pa.int64(), nullable=False),
            pa.field("train_images", pa.int64(), nullable=False),
            pa.field("test_images", pa.int64(), nullable=False),
            pa.field("accuracy", pa.float64(), nullable=False),
            pa.field("low", pa.float64(), nullable=False),
            pa.field("high", pa.float64(), nullable=False),
            pa.field("chance", pa.float64(), nullable=False),
        ]
    ),
    keys=("scope", "encoder", "attribute"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """How well an attribute can be told from an encoder's frozen vectors.

    `scope` is the digest of the corpora and settings that the probe was fitted under; `role` is
    the encoder's, clip or ssl. `classes` counts the values that the attribute takes. `accuracy`
    is the share of the test images that the probe gets right, with a 95 % interval from `low` to
    `high`; `chance` is the share of the commonest class among them.
    """

    scope: str
    encoder: str
    role: str
    attribute: str
    classes: int
    train_images: int
    test_images: int
    accuracy: float
    low: float
    high: float
    chance: float


def replace(db: Database, scope: str, rows: Sequence[ProbeRow]) -> None:
    """Make `rows` all probes of a scope, in one commit."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema)
    db.replace(SPEC, table, where=any_of("scope", [scope]))


def read(db: Database, scope: str, *, version: int | None = None) -> list[ProbeRow]:
    """Return the probes of a scope by encoder and attribute."""
    rows = db.read(SPEC, version=version, where=any_of("scope", [scope]))
    return [ProbeRow(**row) for row in rows.to_pylist()]
