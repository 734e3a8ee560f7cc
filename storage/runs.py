"""The `runs` table: every run that ended, with its settings and the receipts of its stages.

Put here: the schema of `runs`, its key, its reads and writes.
Keep out: running anything (`flows`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from storage.database import Database, TableSpec
from storage.receipts import Receipt

SPEC: Final = TableSpec(
    name="runs",
    schema=pa.schema(
        [
            pa.field("run", pa.string(), nullable=False),
            pa.field("finished", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("flow", pa.string(), nullable=False),
            pa.field("state", pa.string(), nullable=False),
            pa.field("settings", pa.string(), nullable=False),
            pa.field("receipts", pa.string(), nullable=False),
        ]
    ),
    keys=("run",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run that ended: `state` is done or failed; `finished` is seconds since the epoch."""

    run: str
    finished: float
    flow: str
    state: str
    settings: Mapping[str, Any]
    receipts: Mapping[str, Receipt]

    @property
    def is_published(self) -> bool:
        """Whether the run was about a published benchmark, and not about mined pairs."""
        return "set" in self.settings

    @property
    def mining(self) -> str:
        """The mining that the run was about, or the set of a published benchmark."""
        if self.is_published:
            return str(self.settings["set"])
        return str(self.settings["figures"]["mine"]["mining"])


def add(db: Database, row: RunRow) -> None:
    """Record a run."""
    values = {
        "run": row.run,
        "finished": int(row.finished * 1e6),
        "flow": row.flow,
        "state": row.state,
        "settings": json.dumps(row.settings, sort_keys=True),
        "receipts": json.dumps(
            {name: receipt.to_json() for name, receipt in row.receipts.items()}, sort_keys=True
        ),
    }
    db.upsert(SPEC, pa.Table.from_pylist([values], schema=SPEC.schema))


def read(db: Database) -> list[RunRow]:
    """Return all runs, oldest first."""
    rows = [
        RunRow(
            run=row["run"],
            finished=row["finished"].timestamp(),
            flow=row["flow"],
            state=row["state"],
            settings=json.loads(row["settings"]),
            receipts={k: Receipt(**v) for k, v in json.loads(row["receipts"]).items()},
        )
        for row in db.read(SPEC).to_pylist()
    ]
    return sorted(rows, key=lambda row: row.finished)


def latest(
    db: Database,
    receipt: str,
    corpora: Sequence[str] | None = None,
    *,
    mined: bool = False,
) -> RunRow | None:
    """Return the last run, of these corpora, that left a receipt of this name; None if none did.

    With `mined`, runs on published benchmarks do not count.
    """
    return next(
        (
            run
            for run in reversed(read(db))
            if receipt in run.receipts
            and corpora in (None, run.settings.get("corpora"))
            and not (mined and run.is_published)
        ),
        None,
    )


def latest_corpora(db: Database) -> list[str]:
    """Return the corpora of the last run that ingested; none when there is no such run."""
    run = latest(db, "images")
    return list(run.settings["corpora"]) if run is not None else []
