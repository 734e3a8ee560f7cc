"""The flow `study`: are captions the cause? Encoders that differ in their captions alone, compared.

Run it by hand with `mmvp study --encoder-seeds 0 1 2`.

For each encoder seed the pairs are mined with the CLIP of web captions and that seed's
self-supervised encoder; then every other CLIP of the seed takes the role of the control on the same
pairs. Everything is what the pipeline does with any encoders, so the study is a list of its runs.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from prefect import flow

from flows.encoders import encoders as encoders_flow
from flows.mmvp import mmvp
from flows.site import Run, open_run
from flows.stages import mining_of, start_anew
from storage import probes, scores
from tasks.encoders import EncoderConfig
from tasks.evaluation.asking import MMVP_VLM
from tasks.files import write_whole
from tasks.mining.thresholds import MineConfig
from tasks.tiny_training.jobs import ARMS, BLIND, SSL
from tasks.training.recipe import TrainConfig
from tasks.workers import WorkersConfig

CORPUS: Final = ["scenes:4000@21"]
TRAIN_CORPUS: Final = ["scenes:5000@22"]
MINE: Final = MineConfig(benchmark_pairs=288)

PROBE_COLUMNS: Final = ("role", "attribute", "accuracy", "chance", "test_images")
SCORE_COLUMNS: Final = (
    *("benchmark", "features", "ssl_share", "seed", "steps", "protocol", "pattern", "pairs"),
    *("pair_accuracy", "pair_low", "pair_high", "question_accuracy", "same_answer"),
)

Rows = list[dict[str, Any]]


@flow(name="study", flow_run_name="study")
def study(
    corpus: list[str] = CORPUS,
    train_corpus: list[str] = TRAIN_CORPUS,
    seeds: Sequence[int] = (0, 1, 2),
    encoder_steps: int | None = None,
    mine: MineConfig = MINE,
    train: TrainConfig = TrainConfig(ssl_shares=(0.5,)),
    workers: WorkersConfig = WorkersConfig(),
) -> dict[str, Any]:
    """Train every arm and seed, then probe, mine, ask and train on each; write `study.json`.

    Args:
        corpus: Scenes to mine; no encoder was trained on them.
        train_corpus: Scenes to train models and probes on; no encoder was trained on them.
        seeds: Encoder seeds.
        encoder_steps: Steps of the encoders' training, for a try.
        mine: What makes a pair blind, and how many pairs to select.
        train: Which models are trained, and how.
        workers: Where the work is done; no result depends on it.
    """
    with open_run("study", workers, {"seeds": list(seeds)}) as run:
        trained = encoders_flow(arms=[*ARMS, SSL], seeds=seeds, steps=encoder_steps)["encoders"]
        found: Rows = []
        for seed in seeds:
            for arm in ARMS:
                if arm != BLIND:
                    start_anew(run)
                    mmvp(
                        corpus=corpus,
                        train_corpus=train_corpus,
                        clip=encoder_of(trained, BLIND, seed, "clip"),
                        ssl=encoder_of(trained, SSL, seed, "ssl"),
                        control=encoder_of(trained, arm, seed, "clip-control"),
                        through="evaluate",
                        mine=mine,
                        train=train,
                        workers=workers,
                    )
                    found += _collect(run, arm, seed)
        file = write_rows(run.site.home / "study.json", found)
        return {"stages": {}, "study": str(file), "rows": len(found)}


def encoder_of(trained: Mapping[str, str], arm: str, seed: int, kind: str) -> EncoderConfig:
    """Return an encoder that the flow `encoders` has trained."""
    return EncoderConfig(spec=f"tiny:{kind}@{trained[f'{arm}-seed{seed}']}")


def _collect(run: Run, arm: str, seed: int) -> Rows:
    """Return what the run found out about an arm: what it sees, and how models do on it.

    The rows of the encoders and models that all arms of a seed share come with each of them.
    """
    db, mining = run.site.db, mining_of(run)
    mark = {"control": arm, "encoder_seed": seed}
    scope = run.settings["figures"]["probe"]["scope"]
    return [
        {"table": "pairs", **mark, "pairs": run.receipts["pairs"].rows},
        *(
            {"table": "probes", **mark} | {name: getattr(row, name) for name in PROBE_COLUMNS}
            for row in probes.read(db, scope)
        ),
        *(
            {"table": "scores", **mark} | {name: getattr(row, name) for name in SCORE_COLUMNS}
            for row in scores.read(db, mining)
            if row.pattern is None or row.protocol == MMVP_VLM
        ),
    ]


def write_rows(file: Path, rows: Rows) -> Path:
    """Write all rows, one a line, at once or not at all."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_whole(file, f"[\n{lines}\n]\n".encode())
    return file
