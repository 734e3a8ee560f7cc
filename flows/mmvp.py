"""The flow `mmvp`: every stage in order, each a subflow that is cached on its own.

Run it by hand with `mmvp run --corpus DIR`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from prefect import flow

from flows.embed import CLIP, SSL, embed
from flows.evaluate import evaluate as evaluate_flow
from flows.ingest import ingest
from flows.mine import mine as mine_flow
from flows.probe import probe
from flows.questions import questions as questions_flow
from flows.report import report as report_flow
from flows.site import Run, open_run
from flows.stages import NO_CORPUS, THROUGH, TRAINING, resolve_corpora, resolve_training
from flows.train import train as train_flow
from flows.waiting import suspend, wait_for_people
from tasks.embed import EmbedConfig, identify_encoders
from tasks.encoders import EncoderConfig, check_tokens
from tasks.evaluation.candidates import EvaluateConfig
from tasks.ingest import IngestConfig
from tasks.mining.thresholds import MineConfig
from tasks.questions.config import QuestionConfig
from tasks.reporting import ReportConfig
from tasks.stage import Site
from tasks.training.recipe import TrainConfig
from tasks.workers import WorkersConfig

log = logging.getLogger(__name__)

Through = Literal[
    "ingest",
    "images",
    "embed",
    "mine",
    "pairs",
    "questions",
    "probe",
    "train",
    "evaluate",
    "scores",
    "report",
]


@flow(name="mmvp", flow_run_name="mmvp-through-{through}")
def mmvp(
    corpus: list[str] = NO_CORPUS,
    train_corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    control: EncoderConfig | None = None,
    through: Through = "report",
    reading: IngestConfig = IngestConfig(),
    mine: MineConfig = MineConfig(),
    questions: QuestionConfig = QuestionConfig(),
    train: TrainConfig = TrainConfig(),
    evaluate: EvaluateConfig = EvaluateConfig(),
    report: ReportConfig = ReportConfig(),
    workers: WorkersConfig = WorkersConfig(),
    rehash: bool = False,
) -> dict[str, Any]:
    """Run the pipeline on the corpora: only what is new is read, embedded, compared and asked.

    Where the corpora tell nothing that a question could be about, and neither models nor people
    write any, the run ends after the pairs, with their report. Where people write questions, it
    waits for them after the pairs.

    Args:
        corpus: Folders of images, Parquet, tars, saved datasets, img2dataset's output, by path or
            uri, mined together; scenes:N stands for N scenes that are drawn on the spot,
            scenes:N@SEED for others.
        train_corpus: Corpora to train models on; none: no model is trained.
        clip: The encoder whose blindness is measured.
        ssl: The encoder that serves as the reference.
        control: A third encoder to compare the first with, if any.
        through: The last stage to run; pairs is another name for mine, images for ingest, scores
            for evaluate.
        reading: How the files of a corpus are read.
        mine: What makes a pair blind, and how many pairs to select.
        questions: Who writes questions, who checks them, and which pairs are asked about.
        train: Which models are trained, and how.
        evaluate: How models are asked.
        report: What the report shows.
        workers: Where the work is done; no result depends on it.
        rehash: Open every file again, changed or not.

    Raises:
        ValueError: if no corpus is set, or a setting cannot be used.
    """
    stages = list(dict.fromkeys(THROUGH.values()))
    wanted = stages[: stages.index(THROUGH[through]) + 1]
    encoders = (clip, ssl, control)
    with open_run("mmvp", workers, {"corpus": corpus}) as run:
        corpora = resolve_corpora(run, corpus)
        teachers = resolve_training(run, train_corpus) if train_corpus else []
        run.settings["train_corpora"] = teachers
        run.settings["parameters"] = {
            name: value.model_dump(mode="json")
            for name, value in {
                "clip": clip,
                "ssl": ssl,
                "control": control,
                "reading": reading,
                "mine": mine,
                "questions": questions,
                "train": train,
                "evaluate": evaluate,
                "report": report,
            }.items()
            if value is not None
        }
        if "embed" in wanted:  # an encoder that cannot be had is better known before hours of work
            asked = EmbedConfig(clip=clip, ssl=ssl, control=control)
            _check_encoders(
                run.site, asked, trains=bool(teachers) and train.large is None and "train" in wanted
            )

        def teach() -> None:
            with run.aside(TRAINING):
                ingest(teachers, reading, workers, rehash)
                embed(teachers, *encoders, workers)

        run_stage: Mapping[str, Callable[[], object]] = {
            "ingest": lambda: ingest(corpora, reading, workers, rehash),
            "embed": lambda: embed(corpora, *encoders, workers),
            "mine": lambda: mine_flow(corpora, clip, ssl, mine, workers),
            "questions": lambda: questions_flow(corpora, clip, ssl, mine, questions, workers),
            "teach": teach,
            "probe": lambda: probe(corpora, teachers, *encoders, workers),
            "train": lambda: train_flow(corpora, teachers, *encoders, mine, train, workers),
            "evaluate": lambda: evaluate_flow(
                corpora, *encoders, mine, questions, evaluate, workers
            ),
            "report": lambda: report_flow(corpora, clip, ssl, mine, report, workers),
        }
        if "probe" in wanted:
            wanted.insert(wanted.index("probe"), "teach")
        skipped = set() if teachers else {"teach"}
        if not teachers and train.large is None:
            skipped.add("train")
        waiting = _run_stages(
            run, [name for name in wanted if name not in skipped], run_stage, questions
        )
    if waiting is None:
        return run.summary()
    suspend(run)
    return run.summary() | {"waiting": waiting}


def _run_stages(
    run: Run,
    wanted: Sequence[str],
    run_stage: Mapping[str, Callable[[], object]],
    questions: QuestionConfig,
) -> dict[str, Any] | None:
    """Run stages in order; return what is said of the wait if one has to wait for people."""
    skipped: set[str] = set()
    for name in wanted:
        if name in skipped:
            continue
        if name == "questions" and (waiting := wait_for_people(run, questions)) is not None:
            return waiting
        run_stage[name]()
        if name == "mine" and run.settings["figures"]["mine"]["source"] == "none":
            skipped |= _without_facts(questions)
    return None


def _without_facts(questions: QuestionConfig) -> set[str]:
    """Return the stages that a run leaves out on corpora that say nothing of their images."""
    if questions.proposes:
        return {"teach", "probe", "train"}
    log.warning(
        "no questions: the corpora have no labels, captions or attributes; "
        "the run ends after the pairs"
    )
    return {"questions", "teach", "probe", "train", "evaluate"}


def _check_encoders(site: Site, asked: EmbedConfig, *, trains: bool) -> None:
    identify_encoders(site, asked)
    for encoder in asked.roles().values() if trains else ():
        check_tokens(encoder)
