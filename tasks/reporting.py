"""The stage `report`: a page, figures and numbers of one mining, as files under the home.

Put here: gathering what a report shows from the store, and its receipt.
Keep out: drawing and writing (`tasks.report`); Prefect artifacts (`flows.report`).

Shapes:
    N  images    P  pairs on the plane
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from storage import embeddings, pairs, paths, refused, runs
from storage.database import Database
from storage.pairs import PairRow
from storage.paths import PathRow
from storage.receipts import Receipt, digest_rows
from tasks.attributes import Knowledge, know
from tasks.benchmarks.keys import CORRECTED, KEYS
from tasks.corpora.corpus import REASONS as CORPUS_REASONS
from tasks.corpora.locations import read_location
from tasks.findings import Findings, find, results_of
from tasks.images import REASONS, RefusedImageError, decode
from tasks.mining.selection import LEFT_OUT
from tasks.mining.thresholds import Observed, observe
from tasks.questions import stage as asking
from tasks.report import PairCard, ReportContents, TableVersion, write_report
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "report"

RECEIPTS: Final[Mapping[str, str]] = {
    "questions": "questions",
    "probe": "probes",
    "train": "models",
    "evaluate": "scores",
}
"""Stages whose figures the page prints if there are any, and a receipt that each of them leaves."""

OTHER_REASONS = {
    "changed": "the file holds other bytes than when it was read; run again",
    "kills-worker": "every worker that was given it died",
    "duplicate": "a file with the same bytes as another; the image counts once",
    "caption-without-file": "a caption or a row of metadata for a file that the corpus lacks",
    "image-without-vector": "an image that could not be embedded",
    "unread": "a question to which a model's answer could not be read; it counts as wrong",
}


class ReportConfig(BaseModel):
    """What the report shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    plane_pairs: int = Field(default=200_000, ge=1)
    """Pairs drawn on the plane of the two cosines; a seeded sample if there are more."""

    cards: int = Field(default=200, ge=0)
    """Pairs shown as cards on the page; report.json has all of the benchmark."""

    key: str = CORRECTED
    """The answer key of figures and cards: original, corrected or excluded."""

    @field_validator("key")
    @classmethod
    def _known(cls, key: str) -> str:
        if key not in KEYS:
            message = f"no answer key is called {key!r}; known: {', '.join(KEYS)}"
            raise ValueError(message)
        return key


def shown(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return those of a run's figures that the page prints."""
    return {name: figures[name] for name in ("mine", *RECEIPTS) if name in figures}


def prepare(
    site: Site,
    config: ReportConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    figures: Mapping[str, Mapping[str, Any]],
) -> Context:
    """Take along the figures (by stage) that the page prints, and what is known of models.

    Of stages without figures here, those of the latest run that worked on the same count.
    """
    figures = _figures(site.db, corpora, inputs, figures)
    found = find(site.db, figures["mine"]["mining"], figures.get("probe", {}).get("scope"))
    return Context(
        site=site,
        config=config,
        facts={
            "config": config.model_dump(mode="json"),
            "corpora": list(corpora),
            "figures": _without_others(figures, found),
            "findings": {table.table: table.digest for table in found.tables()},
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=found,
    )


def _figures(
    db: Database,
    corpora: Sequence[str],
    inputs: Receipts,
    given: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Add the figures of earlier runs: of the same mining, or probes of the same encoders."""
    figures = {name: dict(values) for name, values in given.items()}
    for run in reversed(runs.read(db)):
        if run.settings.get("corpora") != list(corpora):
            continue
        found = run.settings.get("figures", {})
        is_same = found.get("mine", {}).get("mining") == figures["mine"]["mining"]
        is_alike = all(
            role in run.receipts and run.receipts[role].table == inputs[role].table
            for role in ("clip", "ssl")
        )
        for name, receipt in RECEIPTS.items():
            fits = is_alike if name == "probe" else is_same
            if fits and receipt in run.receipts and name in found:
                figures.setdefault(name, dict(found[name]))
    return figures


def _without_others(
    figures: Mapping[str, Mapping[str, Any]], found: Findings
) -> dict[str, Mapping[str, Any]]:
    """Leave out the figures of a training whose models were not asked."""
    asked = {row.model for row in found.models}
    trained = set(figures.get("train", {}).get("models", []))
    return {name: values for name, values in figures.items() if name != "train" or trained & asked}


def folder(context: Context) -> Path:
    """Return where the mining's report lies."""
    return context.site.home / "reports" / str(context.facts["figures"]["mine"]["mining"])


def run(context: Context) -> Outcome:
    """Write the report."""
    contents = gather(context)
    written = write_report(
        folder(context), contents, read_image=read_image, cards_shown=context.config.cards
    )
    return Outcome(
        new=1,
        rows=contents.cards_total,
        figures={"page": str(written[0]), "files": len(written)},
    )


def gather(context: Context) -> ReportContents:
    """Read everything that the report shows, each table at the version of its receipt."""
    db, inputs, corpora = context.db, context.inputs, context.facts["corpora"]
    mined = context.facts["figures"]["mine"]
    files = paths.read(db, corpora, version=inputs["paths"].version)
    rows = pairs.read(db, mined["mining"], version=inputs["pairs"].version)
    bad = refused.read(db, "ingest", corpora, version=inputs["refused"].version)
    bad += refused.read(db, "embed", corpora, version=inputs["unembedded"].version)
    observed = _plane(context, [row.image for row in files])
    drawn = len(observed.clip_P)
    cards = _cards(rows, files)
    return ReportContents(
        corpora=corpora,
        clip=inputs["clip"].table.removeprefix(embeddings.PREFIX),
        ssl=inputs["ssl"].table.removeprefix(embeddings.PREFIX),
        clip_above=mined["clip_above"],
        ssl_below=mined["ssl_below"],
        images=inputs["images"].rows,
        files=len(files),
        refused=Counter(row.reason for row in bad),
        mined=len(rows),
        selected=len(cards),
        left_out=Counter(row.left_out for row in rows if row.left_out is not None),
        cards=cards,
        cards_total=len(cards),
        clip_cosines_P=observed.clip_P,
        ssl_cosines_P=observed.ssl_P,
        plane_note=(
            f"all {drawn:,} pairs"
            if drawn == observed.pairs
            else f"a seeded sample of {drawn:,} of {observed.pairs:,} pairs"
        ),
        mined_clip_M=np.array([row.clip_cosine for row in rows]),
        mined_ssl_M=np.array([row.ssl_cosine for row in rows]),
        versions=_versions(inputs, context.given),
        settings=_settings(context.facts["figures"]),
        reasons_explained=_reasons(),
        results=results_of(context.given, _knowledge(context), key=context.config.key),
    )


def _knowledge(context: Context) -> Knowledge:
    """Return what the corpora tell of attributes, where there are probes of them."""
    if not context.given.probes:
        return Knowledge(facts={})
    version = context.inputs["paths"].version
    return know(paths.metadata(context.db, context.facts["corpora"], version=version))


def _versions(inputs: Receipts, found: Findings) -> list[TableVersion]:
    read = {
        name: TableVersion(
            stage=name,
            table=receipt.table,
            version=receipt.version,
            rows=receipt.rows,
            digest=receipt.digest,
        )
        for name, receipt in inputs.items()
    }
    others = {table.stage: table for table in found.tables()}
    return [table for _, table in sorted((others | read).items())]


def _settings(figures: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return figures of stages as names and texts."""
    settings: dict[str, str] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            settings |= _settings(value, f"{before}{name}.")
        elif name != "removed":
            is_list = isinstance(value, list | tuple)
            settings[before + name] = ", ".join(map(str, value)) if is_list else str(value)
    return settings


def _plane(context: Context, images: Sequence[str]) -> Observed:
    limit = context.config.plane_pairs
    clip, ssl = context.inputs["clip"], context.inputs["ssl"]
    _, clip_ND, ssl_NE = embeddings.read_both(context.db, clip, ssl, sorted(set(images)))
    return observe(clip_ND, ssl_NE, all_pairs=limit, sampled_pairs=limit)


def _cards(rows: Sequence[PairRow], files: Sequence[PathRow]) -> list[PairCard]:
    first: dict[str, PathRow] = {}
    for file in files:
        first.setdefault(file.image, file)
    selected = [row for row in rows if row.selected]
    selected.sort(key=lambda row: (row.ssl_cosine - row.clip_cosine, row.image_a, row.image_b))
    return [
        PairCard(
            pair_id=row.pair_id,
            image_a=row.image_a,
            image_b=row.image_b,
            path_a=first[row.image_a].path,
            path_b=first[row.image_b].path,
            label_a=first[row.image_a].label,
            label_b=first[row.image_b].label,
            caption_a=first[row.image_a].caption,
            caption_b=first[row.image_b].caption,
            clip_cosine=row.clip_cosine,
            ssl_cosine=row.ssl_cosine,
        )
        for row in selected
    ]


def _reasons() -> dict[str, str]:
    return {**REASONS, **CORPUS_REASONS, **OTHER_REASONS, **LEFT_OUT, **asking.REASONS}


def read_image(path: str) -> NDArray[np.uint8] | str:
    """Return the pixels (H, W, 3) of a file, or why there are none."""
    try:
        return decode(read_location(path)).pixels_HWC
    except RefusedImageError as error:
        return error.reason


def look(context: Context) -> Receipts | None:
    """Measure the receipt `report`: the files of the mining's report by name and content."""
    return look_at(folder(context), context.made_by)


def look_at(place: Path, made_by: str) -> Receipts | None:
    """Measure the receipt `report` of a folder; None if there is no report."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    if not (place / "index.html").is_file():
        return None
    keys = [
        f"{path.relative_to(place).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
    ]
    receipt = Receipt(table=NAME, version=1, rows=len(keys), digest=digest_rows([made_by], keys))
    return {"report": receipt}


STAGE = Stage(
    name=NAME,
    module=__name__,
    reads=("images", "paths", "refused", "clip", "ssl", "unembedded", "pairs"),
    run=run,
    look=look,
)
