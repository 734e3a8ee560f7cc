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
from tasks.corpora.opening import resolve_corpus
from tasks.embed import EmbedConfig
from tasks.mining import stage as mining
from tasks.mining.thresholds import MineConfig
from tasks.questions import stage as asking
from tasks.questions.config import QuestionConfig
from tasks.stage import Context, Stage, StageResult, is_current

log = logging.getLogger(__name__)

SCENES: Final = "scenes:"
SCENE_SEED: Final = 31
"""Which scenes scenes:N stands for; no choice in this project was made on them."""

TRAINING: Final = "train-"
"""What the names of stages and receipts of the training corpora begin with."""

THROUGH: Final = {
    "ingest": "ingest",
    "images": "ingest",
    "embed": "embed",
    "mine": "mine",
    "pairs": "mine",
    "questions": "questions",
    "probe": "probe",
    "train": "train",
    "evaluate": "evaluate",
    "scores": "evaluate",
    "report": "report",
}
"""Names for the last stage to run: the stages, and the tables that people know them by."""

NO_CORPUS: Final[list[str]] = []


def start_anew(run: Run) -> None:
    """Let another run of the pipeline start within a run that has done one."""
    run.receipts, run.results = {}, []
    run.settings.pop("train_corpora", None)


def check_corpora(corpus: Sequence[str]) -> None:
    """Check names of corpora before anything is started for them.

    Raises:
        ValueError: if one is neither there nor scenes:N or scenes:N@SEED.
    """
    for name in corpus:
        if not name.startswith(SCENES):
            resolve_corpus(name)
            continue
        _scenes_of(name)


def _scenes_of(name: str) -> tuple[int, int]:
    """Return how many scenes a name asks for, and of which seed."""
    count, at, seed = name.removeprefix(SCENES).partition("@")
    if not count.isdecimal() or int(count) < 2 or (at and not seed.isdecimal()):
        message = (
            f"corpus {name!r} must be scenes:N with N at least 2, or scenes:N@SEED, "
            f"e.g. scenes:1000"
        )
        raise ValueError(message)
    return int(count), int(seed or SCENE_SEED)


def folder_of(name: str, home: Path) -> str:
    """Return the folder of a corpus, which for scenes:N lies under the home."""
    return str(home / "corpora" / name.replace(":", "-")) if name.startswith(SCENES) else name


def resolve_corpora(run: Run, corpus: Sequence[str]) -> list[str]:
    """Return the corpora's full names, after drawing the scenes that are asked for.

    Without a name they are the corpora of the latest run.

    Raises:
        ValueError: if there is none, or one is not there.
    """
    check_corpora(corpus)
    corpora = _full_names(run, corpus or runs.latest_corpora(run.site.db))
    run.settings["corpora"] = corpora
    return corpora


def _full_names(run: Run, corpus: Sequence[str]) -> list[str]:
    """Return the corpora's full names, after drawing the scenes that are asked for."""
    folders = []
    for name in corpus:
        folder = folder_of(name, run.site.home)
        if name.startswith(SCENES):
            count, seed = _scenes_of(name)
            scenes.write_scenes(Path(folder), count, seed=seed)
        folders.append(folder)
    return ingest.resolve_corpora(folders)


def resolve_training(run: Run, corpus: Sequence[str]) -> list[str]:
    """Return the full names of the training corpora, which may be none.

    Without a name they are those of the latest run that trained on the same corpora.

    Raises:
        ValueError: if one is not there.
    """
    if "train_corpora" in run.settings:  # a run of all stages has settled it
        settled: list[str] = run.settings["train_corpora"]
        return settled
    if not corpus:
        latest = runs.latest(run.site.db, "models", run.settings["corpora"])
        found: list[str] = latest.settings.get("train_corpora", []) if latest else []
    else:
        check_corpora(corpus)
        found = _full_names(run, corpus)
    run.settings["train_corpora"] = found
    return found


def trained_models(run: Run) -> list[str]:
    """Return the names of the run's models, else of those that the latest training left."""
    figures = run.settings.get("figures", {})
    if "train" not in figures and run.flow != "mmvp":
        latest = runs.latest(run.site.db, "models", run.settings["corpora"])
        figures = latest.settings["figures"] if latest else {}
    names: list[str] = figures.get("train", {}).get("models", [])
    return names


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
        take_current(run, mining.STAGE, context, "pairs")


def find_asked(run: Run, corpora: Sequence[str], config: QuestionConfig) -> None:
    """Make sure that the run has the receipt of `questions`, after that of `mine`.

    Raises:
        ValueError: if the questions in the store are not those of today's pairs and settings.
    """
    if "questions" not in run.receipts:
        context = asking.prepare(run.site, config, corpora, run.receipts, mining_of(run))
        take_current(run, asking.STAGE, context, "questions")


def take_current(run: Run, stage: Stage, context: Context, table: str) -> None:
    """Take the receipts of a stage from an earlier run.

    Raises:
        ValueError: if what that run left is not current.
    """
    result = is_current(stage, context)
    if result is None:
        message = f"the {table} in the store are not current; run `mmvp {stage.name}` first"
        raise ValueError(message)
    run.receipts.update(result.receipts)
    run.settings.setdefault("figures", {})[stage.name] = dict(result.outcome.figures)


def mining_of(run: Run) -> str:
    """Return the name of the run's mining."""
    return str(run.settings["figures"]["mine"]["mining"])


def keep(run: Run, result: StageResult) -> None:
    """Take note of a stage's result and tell it in one line."""
    result = run.keep(result)
    outcome = result.outcome
    words = f"{result.name}: {result.state}, {outcome.rows:,} rows, {outcome.new:,} new"
    if outcome.reasons:
        words += "; " + ", ".join(
            f"{count:,} {reason}" for reason, count in outcome.reasons.items()
        )
    log.info("%s", words)
