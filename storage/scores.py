"""The `scores` table: how each model did on each benchmark, overall and by visual pattern.

Put here: the schema of `scores`, its keys, its reads and writes.
Keep out: computing scores (`tasks.scores`); what models said (`storage.answers`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="scores",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("benchmark", pa.string(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("features", pa.string()),
            pa.field("ssl_share", pa.float64()),
            pa.field("seed", pa.int64()),
            pa.field("steps", pa.int64()),
            pa.field("protocol", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("pattern", pa.string()),
            pa.field("pairs", pa.int64(), nullable=False),
            pa.field("pair_accuracy", pa.float64(), nullable=False),
            pa.field("pair_low", pa.float64(), nullable=False),
            pa.field("pair_high", pa.float64(), nullable=False),
            pa.field("question_accuracy", pa.float64(), nullable=False),
            pa.field("question_low", pa.float64(), nullable=False),
            pa.field("question_high", pa.float64(), nullable=False),
            pa.field("both_right", pa.float64(), nullable=False),
            pa.field("same_answer", pa.float64(), nullable=False),
            pa.field("swapped", pa.float64(), nullable=False),
            pa.field("other", pa.float64(), nullable=False),
            pa.field("unread", pa.int64(), nullable=False),
            pa.field("chance", pa.float64(), nullable=False),
        ]
    ),
    keys=("mining", "benchmark", "model", "protocol", "key", "pattern"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One model on one benchmark under one protocol and answer key.

    `features`, `ssl_share`, `seed` and `steps` are those of `storage.models.ModelRow`, null for a
    model that was not trained here. `pattern` is null on the row of all pairs.

    `pair_accuracy` is the share of pairs with both questions right, with a 95 % interval from
    `pair_low` to `pair_high`; so for questions, whose unread answers count as wrong. `both_right`,
    `same_answer`, `swapped` and `other` are the shares of pairs by outcome, and sum to 1.
    `unread` counts questions without a readable choice; `chance` is the pair accuracy of guessing.
    """

    mining: str
    benchmark: str
    model: str
    features: str | None
    ssl_share: float | None
    seed: int | None
    steps: int | None
    protocol: str
    key: str
    pattern: str | None
    pairs: int
    pair_accuracy: float
    pair_low: float
    pair_high: float
    question_accuracy: float
    question_low: float
    question_high: float
    both_right: float
    same_answer: float
    swapped: float
    other: float
    unread: int
    chance: float


def replace(db: Database, mining: str, rows: Sequence[ScoreRow]) -> None:
    """Make `rows` all scores of a mining, in one commit."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema)
    db.replace(SPEC, table, where=any_of("mining", [mining]))


def upsert(db: Database, rows: Sequence[ScoreRow]) -> None:
    """Write scores beside those of other models, protocols and keys of their benchmarks."""
    for mining in sorted({row.mining for row in rows}):
        mine = [row for row in rows if row.mining == mining]
        names = {_way(row) for row in mine}
        kept = [row for row in read(db, mining) if _way(row) not in names]
        replace(db, mining, [*kept, *mine])


def _way(row: ScoreRow) -> tuple[str, str, str, str]:
    return row.benchmark, row.model, row.protocol, row.key


def read(db: Database, mining: str, *, version: int | None = None) -> list[ScoreRow]:
    """Return the scores of a mining by key; the row of all pairs follows those of its patterns."""
    rows = db.read(SPEC, version=version, where=any_of("mining", [mining]))
    return [ScoreRow(**row) for row in rows.to_pylist()]
