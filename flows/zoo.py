"""The flow `zoo`: many dual encoders scored on MMVP-VLM, beside their sizes and ImageNet accuracy.

Run it by hand with `mmvp zoo --benchmark DIR`.
"""

import base64
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.benchmark import ASIDE
from flows.ingest import ingest
from flows.site import Run, open_run
from flows.stages import keep
from storage import paths, questions, runs
from storage import zoo as table
from storage.questions import MINED, QuestionRow
from storage.receipts import Receipt, digest_rows
from tasks import embed as embedding
from tasks import ingest as ingesting
from tasks.benchmarks import StatementSet
from tasks.evaluation import benchmark as published
from tasks.evaluation.asking import CONTRASTS
from tasks.evaluation.rows import label, set_name
from tasks.ingest import IngestConfig
from tasks.report.scaling_chart import counted
from tasks.report.zoo_page import write_zoo
from tasks.stage import Outcome, Receipts, StageResult, run_stage
from tasks.workers import WorkersConfig
from tasks.zoo import stage
from tasks.zoo.imagenet import ImagenetConfig, LabelledImages, label_images
from tasks.zoo.listing import SHIPPED, ZooEntry, read_list
from tasks.zoo.stage import IMAGENET, ROLE, OneEncoder
from tasks.zoo.standing import contents_of, is_mmvp_vlm, record_of, standing

log = logging.getLogger(__name__)

SHIPPED_LIST: Final[list[ZooEntry]] = []
REFUSED: Final = "refused"
CANNOT: Final = (ValueError, RuntimeError, MemoryError, ImportError)
"""What says that an encoder cannot be had here; the others go on."""


class Target(NamedTuple):
    """What encoders are scored on: questions of a mining or set, and where their images are."""

    mining: str
    benchmark: str
    rows: Sequence[QuestionRow]
    corpora: Sequence[str]
    receipts: Receipts


class ByClass(NamedTuple):
    """Images by class, and where they are."""

    labelled: LabelledImages
    corpora: Sequence[str]
    receipts: Receipts


@flow(name="zoo", flow_run_name="zoo")
def zoo(
    models: list[ZooEntry] = SHIPPED_LIST,
    benchmark: str | None = None,
    imagenet: ImagenetConfig | None = None,
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Score dual encoders on the statements of a benchmark by three rules; one that fails is told.

    Args:
        models: Encoders, by spec or with settings; none: the paper's ten and newer ones.
        benchmark: Folder of MMVP-VLM, or its CSV; empty: the mined benchmark of the latest run.
        imagenet: A folder of images by class to measure zero-shot accuracy on; empty: published
            accuracies, where they are known.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if there is nothing to score on, or not one encoder could be scored.
    """
    entries = models or read_list(SHIPPED)
    with open_run("zoo", workers, {}) as run:
        target = _mined(run) if benchmark is None else _published(run, benchmark, workers)
        by_class = _by_class(run, imagenet, workers) if imagenet else None
        embedded, scored, refused = [], [], []
        for entry in entries:
            try:
                images, result = _score(run, entry, target, by_class)
            except CANNOT as error:
                log.warning("%s is refused: %s", entry.label, error)
                refused.append(stage.refusal(target.mining, entry, str(error)))
                continue
            embedded += images
            scored.append(result)
            log.info("%s: %s", entry.label, result.state)
        table.upsert(run.site.db, refused)
        keep(run, _together("embed", embedded))
        keep(run, _together(stage.NAME, scored, len(refused)))
        found = _tell(run, target, entries)
        if not scored:
            message = (
                f"not one of {len(entries)} encoders could be scored; the first, "
                f"{refused[0].name}: {refused[0].refused}"
            )
            raise ValueError(message)
        return run.summary() | found


def _published(run: Run, place: str, workers: WorkersConfig) -> Target:
    found = published.read_benchmark(Path(place).expanduser())
    folder = published.images_folder(found)
    if not isinstance(found, StatementSet) or folder is None:
        lacks = "no images" if isinstance(found, StatementSet) else "questions and no statements"
        message = (
            f"benchmark {place!r} has {lacks}, so no encoder can match them; expected MMVP-VLM's "
            f"folder: Questions.csv with the column Statement, and images by type"
        )
        raise ValueError(message)
    run.settings["set"] = set_name(found)
    corpora, receipts = _ingest(run, ASIDE, folder, workers)
    context = published.prepare(run.site, found, corpora, {"paths": receipts["paths"]})
    keep(run, run_stage(published.STAGE, context))
    rows = questions.read(run.site.db, set_name(found))
    return Target(set_name(found), label(found.name), rows, corpora, receipts)


def _ingest(
    run: Run, prefix: str, folder: Path, workers: WorkersConfig
) -> tuple[list[str], Receipts]:
    """Ingest a folder beside the run's own corpora."""
    corpora = ingesting.resolve_corpora([str(folder.resolve())])
    with run.aside(prefix):
        ingest(corpora, IngestConfig(), workers, False)  # noqa: FBT003 # Prefect takes them by place
        receipts = dict(run.receipts)
    run.settings.pop("corpora")  # what the next command works on stays what it was
    return corpora, receipts


def _mined(run: Run) -> Target:
    latest = runs.latest(run.site.db, "questions", mined=True)
    if latest is None:
        message = (
            "no questions were written yet; run `mmvp run --corpus DIR`, or give MMVP-VLM's folder "
            "with --benchmark DIR"
        )
        raise ValueError(message)
    version = latest.receipts["questions"].version
    rows = questions.read(run.site.db, latest.mining, version=version)
    corpora = list(latest.settings["corpora"])
    if not any(row.benchmark == MINED for row in stage.asked_of(rows)):
        message = (
            "the questions of the latest mining have no statements to match; write some, or give "
            "MMVP-VLM's folder with --benchmark DIR"
        )
        raise ValueError(message)
    return Target(latest.mining, MINED, rows, corpora, ingesting.held(run.site, corpora))


def _by_class(run: Run, config: ImagenetConfig, workers: WorkersConfig) -> ByClass:
    config = config.model_copy(update={"folder": config.folder.expanduser().resolve()})
    corpora, receipts = _ingest(run, f"{IMAGENET}-", config.folder, workers)
    files = {row.path: row.image for row in paths.read(run.site.db, corpora)}
    return ByClass(label_images(config, files), corpora, receipts)


def _score(
    run: Run, entry: ZooEntry, target: Target, by_class: ByClass | None
) -> tuple[list[StageResult], StageResult]:
    """Embed what an encoder has not embedded, and score it."""
    site = run.site
    identity = stage.name(site, entry)  # before anything is embedded in vain
    encoder = OneEncoder(clip=entry.encoder)
    asked = {row.image for row in stage.asked_of(target.rows)}
    context = embedding.prepare(site, encoder, target.corpora, target.receipts, only=asked)
    images = [run_stage(embedding.STAGE, context)]
    inputs = {ROLE: images[0].receipts[ROLE]}
    if by_class is not None:
        context = embedding.prepare(site, encoder, by_class.corpora, by_class.receipts)
        images.append(run_stage(embedding.STAGE, context))
        inputs[IMAGENET] = images[1].receipts[ROLE]
    labelled = by_class.labelled if by_class else None
    context = stage.prepare(site, entry, identity, target.mining, target.rows, inputs, labelled)
    return images, run_stage(stage.STAGE, context)


def _together(name: str, results: Sequence[StageResult], refused: int = 0) -> StageResult:
    """Return the results of one stage for each encoder as one."""
    reasons: Counter[str] = Counter()
    for result in results:
        reasons.update(result.outcome.reasons)
    if refused:
        reasons[REFUSED] = refused
    receipts = {}
    if found := [one.receipts[name] for one in results if name in one.receipts]:
        receipts[name] = Receipt(
            table=found[0].table,
            version=max(receipt.version for receipt in found),
            rows=len(found),
            digest=digest_rows([name], [receipt.digest for receipt in found]),
        )
    return StageResult(
        name=name,
        state="current" if all(one.state == "current" for one in results) else "done",
        outcome=Outcome(
            new=sum(one.outcome.new for one in results),
            rows=sum(one.outcome.rows for one in results),
            reasons=dict(reasons),
        ),
        receipts=receipts,
    )


def _tell(run: Run, target: Target, entries: Sequence[ZooEntry]) -> dict[str, Any]:
    """Write the page of these encoders, and return what it shows."""
    found = standing(
        run.site.db,
        target.mining,
        target.benchmark,
        {entry.key for entry in entries},
        beside_published=is_mmvp_vlm(target.benchmark, target.rows),
    )
    record = record_of(target.mining, target.benchmark, found)
    folder = run.site.home / "reports" / f"zoo-{target.mining}"
    written = write_zoo(folder, contents_of(target.benchmark, found), record)
    _publish(record, folder)
    return record | {"page": str(written[0]), "folder": str(folder)}


def lines_of(found: Mapping[str, Any]) -> list[list[str]]:
    """Return the scaling table, its head first, a line an encoder; accuracies in percent."""
    names = ("encoder", "px", "images", "texts", "all", "ImageNet", *CONTRASTS, "published")
    lines = [list(names)]
    for model in found["models"]:
        sizes = (model[f"{side}parameters"] for side in ("image_", "text_", ""))
        imagenet = "" if model["imagenet"] is None else f"{100 * model['imagenet']:.1f}"
        imagenet += "*" if model["imagenet_source"] == table.MEASURED else ""
        lines.append(
            [
                model["name"],
                str(model["image_px"] or ""),
                *("" if size is None else counted(size) for size in sizes),
                imagenet,
                *(_cell(model["scores"].get(protocol)) for protocol in CONTRASTS),
                "" if model["published"] is None else f"{model['published']:.1f}",
            ]
        )
    return lines


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return ""
    share, low, high = (100 * score[name] for name in ("pair_accuracy", "pair_low", "pair_high"))
    return f"{share:.1f} ({low:.1f} to {high:.1f})"


def _publish(found: Mapping[str, Any], folder: Path) -> None:
    head, *rows = [[cell.replace("|", "\\|") for cell in line] for line in lines_of(found)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    figure = folder / "scaling.png"
    if figure.is_file():
        picture = base64.b64encode(figure.read_bytes()).decode()
        lines += ["", f"![scaling](data:image/png;base64,{picture})"]
    text = "\n".join([*lines, ""])
    create_markdown_artifact(text, key="zoo", description="dual encoders and their scale")


def print_zoo(found: Mapping[str, Any]) -> None:
    """Print the scaling table, what was refused, and where the page lies."""
    print(f"pair accuracy on {found['benchmark']} in %, with 95 % intervals; guessing gets 25, in")
    print("mmvp-vlm-group 17; parameters of the images' tower, of the texts', of all")
    shown = [model for model in found["models"] if model["refused"] is None]
    lines = lines_of({"models": shown})
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    if any("*" in line[5] for line in lines[1:]):
        print("* measured here")
    print(f"with ImageNet accuracy: {found['imagenet_said']}")
    for model in found["models"]:
        if model["refused"] is not None:
            print(f"refused: {model['name']}: {model['refused']}")
    print(f"page {found['page']}")
