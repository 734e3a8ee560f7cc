"""Show the rows of a table to people and programs.

Put here: which rows belong to the latest run, joined with what makes them readable.
Keep out: tables themselves (`storage`).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flows.settings import Settings
from storage import images, pairs, paths, refused, runs
from storage.database import Database, any_of
from storage.tables import SPECS

Row = dict[str, Any]


def rows_of(
    settings: Settings, table: str, *, every: bool = False
) -> tuple[Sequence[str], Iterable[Row]]:
    """Return the columns and rows of a table in a stable order: the latest run's, or every row.

    Raises:
        StoreError: if the table cannot be read.
    """
    db = Database(settings.store)
    shown: Mapping[str, Callable[[Database], list[Row]]] = {
        "images": _images,
        "paths": _paths,
        "refused": _refused,
        "pairs": _pairs,
    }
    spec = SPECS[table]
    if every or table not in shown:
        rows = db.read(spec).to_pylist()
        return spec.schema.names, [{k: _plain(v) for k, v in row.items()} for row in rows]
    rows = shown[table](db)
    return list(rows[0]) if rows else spec.schema.names, rows


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _images(db: Database) -> list[Row]:
    run = runs.latest(db, "images")
    if run is None:
        return []
    held = paths.images(db, run.settings["corpora"], version=run.receipts["paths"].version)
    version = run.receipts["images"].version
    rows = db.read(images.SPEC, version=version).to_pylist()
    return [
        {"image": row["image"], "path": held[row["image"]][0]} | row
        for row in rows
        if row["image"] in held
    ]


def _paths(db: Database) -> list[Row]:
    run = runs.latest(db, "paths")
    if run is None:
        return []
    where = any_of("corpus", run.settings["corpora"])
    rows = db.read(paths.SPEC, version=run.receipts["paths"].version, where=where)
    return list(rows.to_pylist())


def _refused(db: Database) -> list[Row]:
    run = next((run for run in reversed(runs.read(db)) if "corpora" in run.settings), None)
    if run is None:
        return []
    rows: list[Row] = []
    for stage, name in (("ingest", "refused"), ("embed", "unembedded")):
        version = run.receipts[name].version if name in run.receipts else None
        where = f"stage = '{stage}' AND {any_of('corpus', run.settings['corpora'])}"
        rows += db.read(refused.SPEC, version=version, where=where).to_pylist()
    return [{"path": row["path"], "reason": row["reason"]} | row for row in rows]


def _pairs(db: Database) -> list[Row]:
    run = runs.latest(db, "pairs")
    if run is None:
        return []
    held = paths.images(db, run.settings["corpora"], version=run.receipts["paths"].version)
    mining = run.settings["figures"]["mine"]["mining"]
    found = pairs.read(db, mining, version=run.receipts["pairs"].version)
    return [
        {
            "pair_id": row.pair_id,
            "image_a": row.image_a,
            "image_b": row.image_b,
            "path_a": held[row.image_a][0],
            "path_b": held[row.image_b][0],
            "clip_cosine": row.clip_cosine,
            "ssl_cosine": row.ssl_cosine,
            "selected": row.selected,
            "left_out": row.left_out,
        }
        for row in found
    ]


def print_rows(columns: Sequence[str], rows: Iterable[Row], *, as_json: bool) -> None:
    """Print rows: one JSON object a line, or tab-separated columns under their names."""
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    print("\t".join(columns))
    for row in rows:
        print("\t".join(_cell(row[column]) for column in columns))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text.replace("\t", " ").replace("\n", " ")
