"""`mmvp import --layout TOOL FILE`: what people wrote with a tool of theirs, as proposals.

Put here: reading the file, refusing what belongs to no pair of the store, storing the rest.
Keep out: the tools' files (`tasks.exporting`); what becomes of proposals (the question stage).
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flows.settings import Settings
from flows.site import hold_store
from storage import pairs, proposals
from storage.database import Database
from storage.proposals import ProposalRow
from storage.tables import SPECS
from tasks.exporting.argilla import read_records
from tasks.exporting.forms import Filled, proposal_of
from tasks.exporting.label_studio import read_tasks

READERS: Final[Mapping[str, Callable[[Path], list[Filled]]]] = {
    "label-studio": read_tasks,
    "argilla": read_records,
}


def import_forms(settings: Settings, layout: str, file: Path) -> dict[str, Any]:
    """Store what people filled in as proposals; importing a file again changes nothing.

    Forms of pairs that the store does not hold are counted and passed over.

    Raises:
        ValueError: if the file is no export of the tool, or holds no filled form.
    """
    filled = READERS[layout](file.expanduser())
    if not filled:
        message = f"{str(file)!r} holds nothing that anybody filled in; expected annotations"
        raise ValueError(message)
    with hold_store(settings, "import"):
        db = Database(settings.store)
        db.make(SPECS.values())
        minings = {one.form.mining for one in filled}
        known = {(mining, pair) for mining in minings for pair in pairs.ids(db, mining)}
        kept = [one for one in filled if (one.form.mining, one.form.pair_id) in known]
        rows = number_forms(kept)
        proposals.upsert(db, rows)
    return {
        "layout": layout,
        "proposals": len(rows),
        "writers": sorted({row.writer for row in rows}),
        "left_out": {"pair-not-in-store": len(filled) - len(kept)}
        if len(filled) > len(kept)
        else {},
    }


def number_forms(filled: Sequence[Filled]) -> list[ProposalRow]:
    """Return forms as proposals; those of one writer about one pair are counted from 0.

    What a writer wrote twice is one.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    rows = []
    for writer, form in dict.fromkeys(filled):
        key = (form.mining, form.pair_id, writer)
        rows.append(proposal_of(form, writer, seen[key]))
        seen[key] += 1
    return rows


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Import what the options name, and print a line about it unless JSON is asked for."""
    found = import_forms(Settings.read(), options.layout, Path(options.file))
    if not options.json:
        left = "".join(f", {count} left out: {why}" for why, count in found["left_out"].items())
        print(f"{found['proposals']} proposals of {', '.join(found['writers'])}{left}")
    return found
