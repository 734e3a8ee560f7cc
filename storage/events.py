"""The `events` table: all that people did on the annotation page, one row an act, never changed.

Put here: the schema of `events`, its key, its reads and writes.
Keep out: what events add up to, and how they come here (`tasks.annotation`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from storage import fragments
from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="events",
    schema=pa.schema(
        [
            pa.field("event_id", pa.string(), nullable=False),
            pa.field("mining", pa.string(), nullable=False),
            pa.field("at", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("who", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("subject", pa.string(), nullable=False),
            pa.field("body", pa.string(), nullable=False),
        ]
    ),
    keys=("event_id",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One act of one person.

    `event_id` (32 hex digits) is made where the act happened, so that an act that is sent twice
    counts once. `mining` names the pairs, or the set of a published benchmark. `at` is microseconds
    since the epoch, given by the server: no two events of a mining have the same, and later ones
    have more. `kind` is a key of `tasks.annotation.acts.ACTS`; `subject` is the pair, question or
    proposal that it is about, or ''; `body` holds JSON values.
    """

    event_id: str
    mining: str
    at: int
    who: str
    kind: str
    subject: str
    body: Mapping[str, Any]

    def to_line(self) -> str:
        """Return the event as one line of JSON, the same text for the same event."""
        values = {name: getattr(self, name) for name in SPEC.schema.names}
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def of_line(line: str) -> EventRow:
    """Return the event that `EventRow.to_line` wrote."""
    return EventRow(**json.loads(line))


def add(db: Database, rows: Iterable[EventRow]) -> None:
    """Add events in one commit; those that are there stay as they are."""
    values = [
        {name: getattr(row, name) for name in SPEC.schema.names}
        | {"body": json.dumps(row.body, sort_keys=True, ensure_ascii=False)}
        for row in {row.event_id: row for row in rows}.values()
    ]
    if values:
        db.insert(SPEC, pa.Table.from_pylist(values, schema=SPEC.schema))


def clean(db: Database) -> None:
    """Remove versions before the latest, and join the small files that commits leave."""
    fragments.clean(db, SPEC, alone=False)


def read(db: Database, mining: str) -> list[EventRow]:
    """Return the events of a mining in the order in which they happened."""
    rows = db.read(SPEC, where=any_of("mining", [mining]))
    rows = rows.set_column(SPEC.schema.get_field_index("at"), "at", rows["at"].cast(pa.int64()))
    found = [EventRow(**row | {"body": json.loads(row["body"])}) for row in rows.to_pylist()]
    return sorted(found, key=lambda row: (row.at, row.event_id))
