"""The flow `sweep`: many mixtures of features, over seeds and steps, on the same benchmark.

Run it by hand with `mmvp sweep --features clip clip-clip interleaved --seeds 0 1 2`.

It is a list of runs of the pipeline, so what is there is not done again. With encoder seeds, tiny
encoders are trained anew and each seed's pairs are mined with its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from prefect import flow

from flows.embed import CLIP, SSL
from flows.encoders import encoders as encoders_flow
from flows.mmvp import mmvp
from flows.site import Run, open_run
from flows.stages import NO_CORPUS, mining_of, start_anew
from flows.study import encoder_of, write_rows
from storage import comparisons, models, scores
from tasks.encoders import EncoderConfig
from tasks.evaluation.asking import OPTION_LOGPROB
from tasks.evaluation.candidates import EvaluateConfig
from tasks.mining.thresholds import MineConfig
from tasks.questions.config import QuestionConfig
from tasks.tiny_training.jobs import BLIND
from tasks.tiny_training.jobs import SSL as SELF_SUPERVISED
from tasks.training.recipe import TrainConfig
from tasks.workers import WorkersConfig

PAPER_SHARES: Final = (0.0, 0.25, 0.5, 0.625, 0.75, 0.875, 1.0)
"""The SSL encoder's shares of the paper's Table 2."""

SWEPT: Final = TrainConfig(
    features=("clip", "ssl", "clip-clip", "additive", "interleaved"), ssl_shares=PAPER_SHARES
)
ASKED: Final = EvaluateConfig(protocols=(OPTION_LOGPROB,))
NO_SEEDS: Final[list[int]] = []


@flow(name="sweep", flow_run_name="sweep")
def sweep(
    corpus: list[str] = NO_CORPUS,
    train_corpus: list[str] = NO_CORPUS,
    clip: EncoderConfig = CLIP,
    ssl: EncoderConfig = SSL,
    encoder_seeds: list[int] = NO_SEEDS,
    mine: MineConfig = MineConfig(),
    questions: QuestionConfig = QuestionConfig(),
    train: TrainConfig = SWEPT,
    evaluate: EvaluateConfig = ASKED,
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Train and score every mixture that is asked for; write `sweep.json`.

    Args:
        corpus: Corpora whose mined pairs are the benchmark.
        train_corpus: Corpora to learn from.
        clip: The encoder whose blindness is measured; left aside when there are encoder seeds.
        ssl: The encoder that serves as the reference; left aside as well.
        encoder_seeds: Seeds of tiny encoders to train; each mines pairs of its own.
        mine: What makes a pair blind, and how many pairs to select.
        questions: Who writes questions, who checks them, and which pairs are asked about.
        train: Which models are trained, and how.
        evaluate: How models are asked.
        workers: Where the work is done; no result depends on it.

    Raises:
        ValueError: if there is no corpus to learn from.
    """
    if not train_corpus and train.large is None:
        message = "no corpus to learn from; name one with --train-corpus, or a --recipe"
        raise ValueError(message)
    with open_run("sweep", workers, {"corpus": corpus}) as run:
        found: list[dict[str, Any]] = []
        for seed, own_clip, own_ssl in _worlds(encoder_seeds, clip, ssl):
            start_anew(run)
            mmvp(
                corpus=corpus,
                train_corpus=train_corpus,
                clip=own_clip,
                ssl=own_ssl,
                through="evaluate",
                mine=mine,
                questions=questions,
                train=train,
                evaluate=evaluate,
                workers=workers,
            )
            found += _collect(run, seed)
        file = write_rows(run.site.home / "sweep.json", found)
        return {"stages": {}, "sweep": str(file), "rows": len(found)}


def _worlds(
    seeds: Sequence[int], clip: EncoderConfig, ssl: EncoderConfig
) -> Iterable[tuple[int | None, EncoderConfig, EncoderConfig]]:
    """Return the encoders of each world, trained if need be, and the seed of that training."""
    if not seeds:
        return [(None, clip, ssl)]
    trained = encoders_flow(arms=[BLIND, SELF_SUPERVISED], seeds=seeds)["encoders"]
    return [
        (
            seed,
            encoder_of(trained, BLIND, seed, "clip"),
            encoder_of(trained, SELF_SUPERVISED, seed, "ssl"),
        )
        for seed in seeds
    ]


def _collect(run: Run, seed: int | None) -> list[dict[str, Any]]:
    """Return the rows of `sweep.json` that a world adds.

    Scores over all pairs, and comparisons of models of one seed after as many steps; the store has
    the others.
    """
    db, mining = run.site.db, mining_of(run)
    mark = {"encoder_seed": seed}
    trained = models.read(db, run.settings["figures"]["train"]["models"])
    alike = {row.model: (row.seed, row.steps) for row in trained}
    return [
        {"table": "pairs", **mark, "pairs": run.receipts["pairs"].rows},
        *(
            {"table": "models", **mark, "model": row.model, "losses": row.figures}
            for row in trained
        ),
        *(
            {"table": "scores", **mark} | _told(row)
            for row in scores.read(db, mining)
            if row.pattern is None
        ),
        *(
            {"table": "comparisons", **mark} | _told(row)
            for row in comparisons.read(db, mining)
            if row.model_a in alike and alike[row.model_a] == alike.get(row.model_b)
        ),
    ]


def _told(row: Any) -> dict[str, Any]:
    """Return a row without the mining, which other machines call otherwise."""
    return {name: value for name, value in asdict(row).items() if name != "mining"}
