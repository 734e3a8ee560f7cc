"""What the flows of all stages share: their corpora, and the receipts of earlier runs.

Put here: names of corpora and stages, finding what an earlier stage left.
Keep out: the flows themselves, one module each; what stages do (`tasks`).
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flows.site import Run
from storage import runs
from tasks import embed, ingest, scenes
from tasks.corpora import resolve_corpus
from tasks.embed import EmbedConfig
from tasks.mining import stage as mining
from tasks.mining.thresholds import MineConfig
from tasks.stage import StageResult, is_current

log = logging.getLogger(__name__)

SCENES: Final = "scenes:"

THROUGH: Final = {
    "ingest": "ingest",
    "images": "ingest",
    "embed": "embed",
    "mine": "mine",
    "pairs": "mine",
    "report": "report",
}
"""Names for the last stage to run: the stages, and the tables that people know them by."""

NO_CORPUS: Final[list[str]] = []


def check_corpora(corpus: Sequence[str]) -> None:
    """Check names of corpora before anything is started for them.

    Raises:
        ValueError: if one is neither a folder nor scenes:N.
    """
    for name in corpus:
        if not name.startswith(SCENES):
            resolve_corpus(name)
            continue
        count = name.removeprefix(SCENES)
        if not count.isdecimal() or int(count) < 2:
            message = f"corpus {name!r} must be scenes:N with N at least 2, e.g. scenes:1000"
            raise ValueError(message)


def folder_of(name: str, home: Path) -> str:
    """Return the folder of a corpus, which for scenes:N lies under the home."""
    return str(home / "corpora" / name.replace(":", "-")) if name.startswith(SCENES) else name


def resolve_corpora(run: Run, corpus: Sequence[str]) -> list[str]:
    """Return the corpora's full names, after drawing the scenes that are asked for.

    Without a name they are the corpora of the latest run.

    Raises:
        ValueError: if there is none, or one is not a folder.
    """
    check_corpora(corpus)
    folders = runs.latest_corpora(run.site.db) if not corpus else []
    for name in corpus:
        folder = folder_of(name, run.site.home)
        if name.startswith(SCENES):
            scenes.write_scenes(Path(folder), int(name.removeprefix(SCENES)))
        folders.append(folder)
    corpora = ingest.resolve_corpora(folders)
    run.settings["corpora"] = corpora
    return corpora


def find_ingested(run: Run, corpora: Sequence[str]) -> None:
    """Make sure that the run has the receipts of `ingest`: its own, else from the store.

    Raises:
        ValueError: if the corpora were not ingested yet.
    """
    if "images" not in run.receipts:
        run.receipts.update(ingest.held(run.site, corpora))


def find_embedded(run: Run, corpora: Sequence[str], config: EmbedConfig) -> None:
    """Make sure that the run has the receipts of `ingest` and `embed`.

    Raises:
        ValueError: if images lack a vector.
    """
    find_ingested(run, corpora)
    if "clip" not in run.receipts:
        context = embed.prepare(run.site, config, corpora, run.receipts)
        receipts = embed.look(context)
        if receipts is None:
            message = f"images of {', '.join(corpora)} have no vector; run `mmvp embed` first"
            raise ValueError(message)
        run.receipts.update(receipts)


def find_mined(run: Run, corpora: Sequence[str], config: EmbedConfig, mine: MineConfig) -> None:
    """Make sure that the run has the receipts of `ingest`, `embed` and `mine`.

    Raises:
        ValueError: if the pairs in the store are not those of today's images and settings.
    """
    find_embedded(run, corpora, config)
    if "pairs" not in run.receipts:
        context = mining.prepare(run.site, mine, corpora, run.receipts)
        result = is_current(mining.STAGE, context)
        if result is None:
            message = f"the pairs of {', '.join(corpora)} are not current; run `mmvp mine` first"
            raise ValueError(message)
        run.receipts.update(result.receipts)
        run.settings.setdefault("figures", {})["mine"] = dict(result.outcome.figures)


def keep(run: Run, result: StageResult) -> None:
    """Take note of a stage's result and tell it in one line."""
    run.keep(result)
    outcome = result.outcome
    words = f"{result.name}: {result.state}, {outcome.rows:,} rows, {outcome.new:,} new"
    if outcome.reasons:
        words += "; " + ", ".join(
            f"{count:,} {reason}" for reason, count in outcome.reasons.items()
        )
    log.info("%s", words)
