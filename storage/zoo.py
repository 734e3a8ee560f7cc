"""The `zoo` table: the dual encoders that were scored on a benchmark, and how large they are.

Put here: the schema of `zoo`, its keys, its reads and writes.
Keep out: their scores (`storage.scores`); scoring them (`tasks.zoo`).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="zoo",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("entry", pa.string(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("spec", pa.string(), nullable=False),
            pa.field("model", pa.string()),
            pa.field("refused", pa.string()),
            pa.field("image_px", pa.int64()),
            pa.field("image_parameters", pa.int64()),
            pa.field("text_parameters", pa.int64()),
            pa.field("parameters", pa.int64()),
            pa.field("imagenet", pa.float64()),
            pa.field("imagenet_low", pa.float64()),
            pa.field("imagenet_high", pa.float64()),
            pa.field("imagenet_images", pa.int64()),
            pa.field("imagenet_source", pa.string()),
        ]
    ),
    keys=("mining", "entry"),
)

MEASURED: Final = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooRow:
    """A dual encoder on the benchmark of a mining, or on a published set.

    `entry` is its spec with what is set beside it, `name` what people call it, `model` the name of
    its vectors and of its rows in `scores`; that is null where the encoder was refused, and
    `refused` says why. `parameters` are those of the whole model, with what belongs to neither
    tower. `imagenet` is its zero-shot top-1 accuracy, a share from 0 to 1: measured here on
    `imagenet_images` images with a 95 % interval, or as `imagenet_source` has it; null if unknown.
    """

    mining: str
    entry: str
    name: str
    spec: str
    model: str | None = None
    refused: str | None = None
    image_px: int | None = None
    image_parameters: int | None = None
    text_parameters: int | None = None
    parameters: int | None = None
    imagenet: float | None = None
    imagenet_low: float | None = None
    imagenet_high: float | None = None
    imagenet_images: int | None = None
    imagenet_source: str | None = None


def upsert(db: Database, rows: Sequence[ZooRow]) -> None:
    """Write encoders beside the others of their benchmarks."""
    for mining in sorted({row.mining for row in rows}):
        mine = {row.entry: row for row in rows if row.mining == mining}
        kept = [row for row in read(db, mining) if row.entry not in mine]
        every = [asdict(row) for row in (*kept, *mine.values())]
        table = pa.Table.from_pylist(every, schema=SPEC.schema)
        db.replace(SPEC, table, where=any_of("mining", [mining]))


def read(
    db: Database, mining: str, entries: Collection[str] | None = None, *, version: int | None = None
) -> list[ZooRow]:
    """Return a benchmark's encoders by entry; those of some entries only, where these are given."""
    rows = db.read(SPEC, version=version, where=any_of("mining", [mining])).to_pylist()
    return [ZooRow(**row) for row in rows if entries is None or row["entry"] in entries]


def models(db: Database, mining: str) -> set[str]:
    """Return the names of the encoders that were scored on a benchmark."""
    return {row.model for row in read(db, mining) if row.model is not None}
