"""Show the rows of a table to people and programs.

Put here: which rows belong to the latest run, joined with what makes them readable.
Keep out: tables themselves (`storage`).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from flows.settings import Settings
from storage import (
    answers,
    comparisons,
    conversations,
    duplicates,
    images,
    models,
    pairs,
    paths,
    probes,
    questions,
    refused,
    runs,
    scores,
)
from storage.database import Database, any_of
from storage.questions import MINED
from storage.runs import RunRow
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
        "duplicates": _duplicates,
        "questions": _questions,
        "answers": _answers,
        "models": _models,
        "scores": lambda db: _of_mining(db, "scores", scores.read),
        "comparisons": lambda db: _of_mining(db, "comparisons", comparisons.read),
        "probes": _probes,
        "conversations": _conversations,
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
    found = pairs.read(db, run.mining, version=run.receipts["pairs"].version)
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
            "attribute": row.attribute,
        }
        for row in found
    ]


def _duplicates(db: Database) -> list[Row]:
    run = runs.latest(db, "duplicates")
    if run is None:
        return []
    held = paths.images(db, run.settings["corpora"], version=run.receipts["paths"].version)
    found = duplicates.read(db, run.mining, version=run.receipts["duplicates"].version)
    return [
        _ordered(asdict(row), ("pair_id", "image_a", "image_b"))
        | {"path_a": held[row.image_a][0], "path_b": held[row.image_b][0]}
        for row in found
    ]


def _benchmark(run: RunRow) -> str | None:
    return None if run.is_published else MINED


def _questions(db: Database) -> list[Row]:
    """Return the questions about mined pairs; those of the other benchmarks are in `--all`."""
    run = runs.latest(db, "questions")
    if run is None:
        return []
    version = run.receipts["questions"].version
    found = questions.read(db, run.mining, version=version, benchmark=_benchmark(run))
    first = (
        "question_id",
        "pair_id",
        "image",
        "question",
        "options",
        "answer",
        "pattern",
        "source",
    )
    return [_ordered(asdict(row), first) for row in found]


def _answers(db: Database) -> list[Row]:
    """Return what the models of the latest scores said to the questions about mined pairs."""
    run = runs.latest(db, "answers")
    if run is None:
        return []
    rows = questions.read(db, run.mining, benchmark=_benchmark(run))
    asked = {row.question_id for row in rows}
    found = scores.read(db, run.mining, version=run.receipts["scores"].version)
    ways = {(row.model, row.protocol) for row in found}
    given = answers.read(
        db,
        question_ids=asked,
        models=sorted({model for model, _ in ways}),
        version=run.receipts["answers"].version,
    )
    first = ("question_id", "model", "protocol", "response", "choice")
    return [_ordered(asdict(row), first) for row in given if (row.model, row.protocol) in ways]


def _models(db: Database) -> list[Row]:
    run = runs.latest(db, "models")
    if run is None:
        return []
    names = run.settings["figures"]["train"]["models"]
    return [asdict(row) for row in models.read(db, names, version=run.receipts["models"].version)]


def _of_mining(db: Database, table: str, read: Callable[..., Sequence[Any]]) -> list[Row]:
    run = runs.latest(db, table)
    if run is None:
        return []
    found = read(db, run.mining, version=run.receipts[table].version)
    return [
        {name: value for name, value in asdict(row).items() if name != "mining"} for row in found
    ]


def _probes(db: Database) -> list[Row]:
    run = runs.latest(db, "probes")
    if run is None:
        return []
    scope = run.settings["figures"]["probe"]["scope"]
    return [asdict(row) for row in probes.read(db, scope, version=run.receipts["probes"].version)]


def _conversations(db: Database) -> list[Row]:
    run = runs.latest(db, "conversations")
    if run is None:
        return []
    version = run.receipts["conversations"].version
    rows = conversations.read(db, run.settings["mix"], version=version)
    return [{"name": row.name} | asdict(row) | {"text_only": not row.images} for row in rows]


def _ordered(row: Row, first: Sequence[str]) -> Row:
    return {name: row[name] for name in (*first, *(name for name in row if name not in first))}


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
    if isinstance(value, tuple | list):
        return " | ".join(map(_cell, value))
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text.replace("\t", " ").replace("\n", " ")
