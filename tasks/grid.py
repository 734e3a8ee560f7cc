"""The stage `grid`: every encoder mined against every other, and how their blind pairs compare.

Put here: which minings make a grid, the figures that compare them, the receipts.
Keep out: mining (`tasks.mining.stage`); drawing (`tasks.report.grid_chart`).

Each ordered pair of encoders is a mining like any other, so `mine` finds it current afterwards, and
a grid compares nothing again that was mined before.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage import duplicates, embeddings, grids, pairs
from storage.grids import GridRow, OverlapRow
from storage.receipts import Receipt, digest_rows
from tasks.files import write_whole
from tasks.fingerprints import digest
from tasks.mining import stage as mining
from tasks.mining.storing import LONG_LIST
from tasks.mining.thresholds import MineConfig
from tasks.report.drawing import png_bytes
from tasks.report.grid_chart import draw_grid
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "grid"


def prepare(
    site: Site,
    config: MineConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    encoders: Mapping[str, str],
) -> Context:
    """Name the minings; `encoders` says by role (a receipt of `inputs`) what people call it.

    Raises:
        ValueError: if there are fewer than two encoders, or two are the same.
    """
    tables = [inputs[role].table for role in encoders]
    if len(tables) < 2 or len(set(tables)) < len(tables):
        message = f"a grid needs two encoders or more that differ, found {list(encoders.values())}"
        raise ValueError(message)
    minings: list[Context] = []
    for clip in encoders:
        for ssl in encoders:
            if clip != ssl:
                played = {"clip": inputs[clip], "ssl": inputs[ssl], "paths": inputs["paths"]}
                minings.append(_mining(site, config, corpora, played, minings))
    names = [one.facts["mining"] for one in minings]
    return Context(
        site=site,
        config=config,
        facts={
            "grid": digest(sorted(names))[:16],
            "minings": names,
            "corpora": list(corpora),
            "knowledge": minings[0].facts["knowledge"],
            "benchmark_pairs": config.benchmark_pairs,
            "vectors": {role: inputs[role].digest for role in encoders},
            "labels": {inputs[role].table: label for role, label in encoders.items()},
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=minings,
    )


def _mining(
    site: Site,
    config: MineConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    before: Sequence[Context],
) -> Context:
    if before:  # what is known of the corpora is known already
        return mining.with_encoders(before[0], inputs)
    return mining.prepare(site, config, corpora, inputs)


def run(context: Context) -> Outcome:
    """Mine every ordered pair of encoders in one pass an encoder, and compare what was found."""
    db, grid = context.db, context.facts["grid"]
    minings: Sequence[Context] = context.given
    outcomes = []
    for _, group in groupby(minings, key=lambda one: one.inputs["clip"].table):
        outcomes += mining.run_together(list(group))  # in memory at once: one encoder's minings
    found = [pairs.table(db, one.facts["mining"]) for one in minings]
    rows = [
        GridRow(
            grid=grid,
            clip=one.inputs["clip"].table.removeprefix(embeddings.PREFIX),
            ssl=one.inputs["ssl"].table.removeprefix(embeddings.PREFIX),
            mining=one.facts["mining"],
            clip_above=outcome.figures["clip_above"],
            ssl_below=outcome.figures["ssl_below"],
            images=outcome.figures["images"],
            pairs=outcome.rows + outcome.reasons.get(LONG_LIST, 0),
            images_in_pairs=_images(table),
        )
        for one, outcome, table in zip(minings, outcomes, found, strict=True)
    ]
    overlaps = _overlaps(grid, [one.facts["mining"] for one in minings], found)
    grids.replace(
        db, grid, _table(rows, grids.SPEC.schema), _table(overlaps, grids.OVERLAPS.schema)
    )
    write_grid(folder(context), rows, overlaps, context.facts["labels"])
    reasons = {
        name: most(outcome.reasons.get(name, 0) for outcome in outcomes)
        for name, most in (("image-without-vector", max), (LONG_LIST, sum))
    }
    return Outcome(
        new=sum(outcome.new for outcome in outcomes),
        rows=len(rows),
        reasons={name: count for name, count in reasons.items() if count},
        figures={
            "grid": grid,
            "folder": str(folder(context)),
            "compared_anew": sum(outcome.figures["compared_anew"] for outcome in outcomes),
        },
    )


def _images(table: pa.Table) -> int:
    both = pa.chunked_array([*table["image_a"].chunks, *table["image_b"].chunks], pa.string())
    return int(pc.count_distinct(both).as_py())


def _overlaps(grid: str, names: Sequence[str], tables: Sequence[pa.Table]) -> list[OverlapRow]:
    """Return the overlap of each two minings; each two stand once, in the order of their names."""
    held = {
        name: set(table["pair_id"].to_pylist()) for name, table in zip(names, tables, strict=True)
    }
    rows = []
    for a in sorted(held):
        for b in sorted(held):
            if a < b:
                common, either = len(held[a] & held[b]), len(held[a] | held[b])
                share = common / either if either else None
                rows.append(
                    OverlapRow(grid=grid, mining_a=a, mining_b=b, common=common, jaccard=share)
                )
    return rows


def _table(rows: Sequence[GridRow | OverlapRow], schema: pa.Schema) -> pa.Table:
    listed = [{name: getattr(row, name) for name in schema.names} for row in rows]
    return pa.Table.from_pylist(listed, schema=schema)


def folder(context: Context) -> Path:
    """Return where the figure of the grid and its numbers lie."""
    return context.site.home / "reports" / f"grid-{context.facts['grid']}"


def write_grid(
    place: Path,
    rows: Sequence[GridRow],
    overlaps: Sequence[OverlapRow],
    labels: Mapping[str, str],
) -> None:
    """Write grid.json and grid.png."""
    named = {table.removeprefix(embeddings.PREFIX): label for table, label in labels.items()}
    pair_counts = {(named[row.clip], named[row.ssl]): row.pairs for row in rows}
    sides = {row.mining: (named[row.clip], named[row.ssl]) for row in rows}
    shared = {(sides[row.mining_a], sides[row.mining_b]): row.jaccard for row in overlaps}
    content: dict[str, Any] = {
        "minings": [{name: getattr(row, name) for name in GridRow.__slots__} for row in rows],
        "overlaps": [
            {name: getattr(row, name) for name in OverlapRow.__slots__} for row in overlaps
        ],
        "labels": named,
    }
    write_whole(place / "grid.json", json.dumps(content, indent=1, sort_keys=True).encode())
    write_whole(place / "grid.png", png_bytes(draw_grid(list(named.values()), pair_counts, shared)))


def look(context: Context) -> Receipts | None:
    """Measure the receipts `grid` and `overlaps`; None unless all minings are as they were left."""
    db, grid = context.db, context.facts["grid"]
    versions = {spec.name: db.version(spec) for spec in (grids.SPEC, grids.OVERLAPS)}
    rows = grids.read(db, grid, version=versions["grids"])
    overlaps = grids.read_overlaps(db, grid, version=versions["overlaps"])
    if len(rows) != len(context.given) or not (folder(context) / "grid.png").is_file():
        return None
    minings = [mining.look(one) or {} for one in context.given]
    held = [
        f"{one[table].digest}"
        for one in minings
        for table in (pairs.SPEC.name, duplicates.SPEC.name)
    ]
    keys = {
        "grids": [f"{row.mining} {row.pairs} {row.images_in_pairs}" for row in rows] + held,
        "overlaps": [f"{row.mining_a} {row.mining_b} {row.common}" for row in overlaps],
    }
    return {
        name: Receipt(
            table=name,
            version=versions[name],
            rows=len(rows) if name == "grids" else len(overlaps),
            digest=digest_rows([context.made_by, grid], keys[name]),
        )
        for name in keys
    }


STAGE = Stage(name=NAME, module=__name__, reads=("images", "paths"), run=run, look=look)
