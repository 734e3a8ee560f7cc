"""The `comparisons` table: whether two models differ on a benchmark, pair by pair.

Put here: the schema of `comparisons`, its keys, its reads and writes.
Keep out: the tests themselves (`tasks.scores`); scores of one model (`storage.scores`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="comparisons",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("benchmark", pa.string(), nullable=False),
            pa.field("protocol", pa.string(), nullable=False),
            pa.field("model_a", pa.string(), nullable=False),
            pa.field("model_b", pa.string(), nullable=False),
            pa.field("pairs", pa.int64(), nullable=False),
            pa.field("only_a", pa.int64(), nullable=False),
            pa.field("only_b", pa.int64(), nullable=False),
            pa.field("p_value", pa.float64(), nullable=False),
            pa.field("p_holm", pa.float64(), nullable=False),
        ]
    ),
    keys=("mining", "benchmark", "protocol", "model_a", "model_b"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """Two models on the pairs of a benchmark that both were asked, under one protocol.

    `only_a` and `only_b` count the pairs, of `pairs`, that only one of them gets right.
    `p_value` is McNemar's exact two-sided test, `p_holm` the same after Holm's correction for
    all comparisons of the benchmark under the protocol.
    """

    mining: str
    benchmark: str
    protocol: str
    model_a: str
    model_b: str
    pairs: int
    only_a: int
    only_b: int
    p_value: float
    p_holm: float


def replace(db: Database, mining: str, rows: Sequence[ComparisonRow]) -> None:
    """Make `rows` all comparisons of a mining, in one commit."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema)
    db.replace(SPEC, table, where=any_of("mining", [mining]))


def read(db: Database, mining: str, *, version: int | None = None) -> list[ComparisonRow]:
    """Return the comparisons of a mining by benchmark, protocol and the two models."""
    rows = db.read(SPEC, version=version, where=any_of("mining", [mining]))
    return [ComparisonRow(**row) for row in rows.to_pylist()]
