"""The flow `grid`: every encoder mined against every other, in one pass over the corpus.

Run it by hand with `mmvp grid --corpus DIR --encoders SPEC SPEC SPEC`.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.ingest import ingest
from flows.site import open_run
from flows.stages import NO_CORPUS, keep, resolve_corpora
from storage import grids
from storage.embeddings import PREFIX
from storage.grids import GridRow
from tasks import embed as embedding
from tasks import grid as stage
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.ingest import IngestConfig
from tasks.mining.thresholds import MineConfig
from tasks.stage import run_stage
from tasks.workers import WorkersConfig

ENCODERS = [EncoderConfig(spec=spec) for spec in ("tiny:clip", "tiny:clip-control", "tiny:ssl")]


@flow(name="grid", flow_run_name="grid")
def grid(
    corpus: list[str] = NO_CORPUS,
    encoders: list[EncoderConfig] = ENCODERS,
    reading: IngestConfig = IngestConfig(),
    mine: MineConfig = MineConfig(),
    workers: WorkersConfig = WorkersConfig(),
    rehash: bool = False,
) -> dict[str, Any]:
    """Find which encoder is blind where another sees, for every ordered pair of encoders.

    Args:
        corpus: Folders of images, archives, or scenes:N; mined together.
        encoders: Two encoders or more; each plays both roles.
        reading: How the files of a corpus are read.
        mine: What makes a pair blind. The paper's cosines are made for its encoders; quantiles
            treat all alike.
        workers: Where the work is done; no result depends on it.
        rehash: Open every file again, changed or not.

    Raises:
        ValueError: if there are fewer than two encoders, or two are the same.
    """
    if len(encoders) < 2:
        message = f"a grid needs two encoders or more, found {len(encoders)}"
        raise ValueError(message)
    with open_run("grid", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        ingest(corpus=corpora, config=reading, workers=workers, rehash=rehash)
        config = EmbedConfig(clip=encoders[0], ssl=encoders[1], others=tuple(encoders[2:]))
        context = embedding.prepare(run.site, config, corpora, run.receipts)
        keep(run, run_stage(embedding.STAGE, context))
        labels = {role: one.spec for role, one in config.roles().items()}
        if len(set(labels.values())) < len(labels):  # one model with several settings
            labels = {role: identity.name for role, identity in context.given.items()}
        context = stage.prepare(run.site, mine, corpora, run.receipts, labels)
        keep(run, run_stage(stage.STAGE, context))
        rows = grids.read(run.site.db, context.facts["grid"])
        names = {
            run.receipts[role].table.removeprefix(PREFIX): label for role, label in labels.items()
        }
        table = table_of(rows, names)
        _publish(table, stage.folder(context) / "grid.png")
        return run.summary() | {"table": table, "figure": str(stage.folder(context) / "grid.png")}


def table_of(rows: Sequence[GridRow], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a row an encoder that is blind, with its pairs by the encoder that sees."""
    return [
        {"blind": names[clip]} | {names[row.ssl]: row.pairs for row in rows if row.clip == clip}
        for clip in names
    ]


def _publish(table: Sequence[Mapping[str, Any]], figure: Path) -> None:
    columns = list(dict.fromkeys(name for row in table for name in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(row.get(name, "")) for name in columns) + " |" for row in table]
    picture = base64.b64encode(figure.read_bytes()).decode()
    text = "\n".join([*lines, "", f"![grid](data:image/png;base64,{picture})", ""])
    create_markdown_artifact(text, key="grid", description="blind pairs by encoder")


def print_grid(found: Mapping[str, Any]) -> None:
    """Print the blind pairs by the encoder that is blind (rows) and the one that sees."""
    table = found["table"]
    names = [row["blind"] for row in table]
    print("\t".join(["blind \\ sees", *names]))
    for row in table:
        cells = ["-" if name == row["blind"] else f"{row[name]:,}" for name in names]
        print("\t".join([row["blind"], *cells]))
    print(f"figure {found['figure']}")
