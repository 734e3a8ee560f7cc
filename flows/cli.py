"""The command `mmvp`: one verb a flow, and what people ask of the store.

Put here: options, exit codes, what is printed.
Keep out: work; each verb is a few lines around one call. Heavy imports sit inside the verbs, so
that `mmvp --help` is instant.

Exit code 0: done. 1: failed, the reason on stderr. 2: wrong usage.
"""

import argparse
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from flows.asking_options import add_asking, add_benchmark
from flows.zoo_options import add_zoo

STAGES: Final[Mapping[str, str]] = {
    "ingest": "open what is new in a corpus, forget what is gone",
    "embed": "compute the vectors that are missing",
    "mine": "search all pairs of images for those that are CLIP-blind",
    "questions": "write two questions for each selected pair, from what the corpus knows",
    "probe": "fit linear probes to what each encoder sees",
    "train": "train small multimodal models on CLIP, SSL and mixed features",
    "evaluate": "ask the models what they were not asked before, and score them",
    "report": "write the page, figures and numbers of a mining",
}
THROUGH: Final = (
    *("ingest", "images", "embed", "mine", "pairs", "questions"),
    *("probe", "train", "evaluate", "scores", "report"),
)
FEATURES: Final = ("clip", "ssl", "additive", "interleaved", "clip-clip", "clip-control")
LAYOUTS: Final = ("mmvp", "mmvp-vlm", "lmms-eval", "vlmevalkit")
NEEDS: Final[Mapping[str, Collection[str]]] = {
    "ingest": {"ingest"},
    "embed": {"embed"},
    "mine": {"embed", "mine"},
    "questions": {"embed", "mine", "questions"},
    "probe": {"embed", "probe"},
    "train": {"embed", "mine", "train"},
    "evaluate": {"embed", "mine", "questions", "evaluate"},
    "report": {"embed", "mine", "report"},
}
"""The stages whose options a verb takes: its own, and those that name what it works on."""

TABLES: Final = (
    *("images", "paths", "refused", "pairs", "duplicates", "questions", "probes", "models", "zoo"),
    *("answers", "scores", "comparisons", "conversations", "grids", "overlaps", "shards", "runs"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.home is not None:
        os.environ["MMVP_HOME"] = options.home
    from flows import commands

    sys.exit(commands.run(options))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="mmvp", description="Find what vision encoders cannot see: CLIP-blind pairs."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    demo = _verb(verbs, "demo", "the whole pipeline on scenes drawn on the spot")
    demo.add_argument("--images", type=int, metavar="N", help="scenes to mine (default 4000)")
    demo.add_argument(
        "--train-images", type=int, metavar="N", help="scenes to train on (default 5000)"
    )
    _add_training(demo)
    _add_workers(demo)
    run = _verb(verbs, "run", "the pipeline on your own images")
    _add_corpus(run)
    run.add_argument("--through", choices=THROUGH, help="the last stage to run (default: report)")
    _add_stage_options(run, tuple(STAGES))
    for stage, text in STAGES.items():
        verb = _verb(verbs, stage, text)
        _add_corpus(verb)
        _add_stage_options(verb, NEEDS[stage])
    _add_grid(_verb(verbs, "grid", "mine every encoder against every other"))
    _add_zoo(_verb(verbs, "zoo", "score many CLIPs on MMVP-VLM, beside sizes and ImageNet"))
    _add_conversations(_verb(verbs, "conversations", "read what a file says about images"))
    _add_study(_verb(verbs, "encoders", "train the shipped tiny encoders anew"), arms=True)
    _add_study(_verb(verbs, "study", "compare CLIPs that differ in their captions alone"))
    sweep = _verb(verbs, "sweep", "train and score many mixtures of features on one benchmark")
    _add_corpus(sweep)
    _add_stage_options(sweep, ("embed", "mine", "questions", "train"))
    sweep.add_argument(
        "--encoder-seeds", type=int, nargs="+", metavar="S", help="train tiny encoders, too"
    )
    up = _verb(verbs, "up", "Prefect server, worker and all deployments, on loopback")
    up.add_argument("--port", type=int, default=4200, help="port of the server (default 4200)")
    up.add_argument(
        "--corpus",
        action="append",
        metavar="DIR",
        help="folder that mmvp/full runs on by schedule; may be given several times",
    )
    status = _verb(verbs, "status", "what is in the store, what is current, what a run would do")
    _add_corpus(status)
    _add_stage_options(status, tuple(STAGES))
    similar = _verb(verbs, "similar", "the stored images that encoders take for nearest to one")
    similar.add_argument("image", metavar="IMAGE", help="a file, or the id of a stored image")
    similar.add_argument("--count", type=int, default=10, metavar="N", help="how many (10)")
    _add_encoders(similar)
    similar.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where encoders run")
    _add_export(verbs)
    _add_convert(_verb(verbs, "convert", "the paper's released MoF checkpoint, for transformers"))
    _add_general(_verb(verbs, "general", "the general ability that stored answers show"))
    _add_plan(_verb(verbs, "plan", "time, memory and disk of a run, from this machine's rates"))
    show = _verb(verbs, "show", "the rows of a table, in a stable order")
    show.add_argument("table", choices=TABLES)
    show.add_argument("--all", action="store_true", help="every row, not only the latest run's")
    add_benchmark(verbs.choices["evaluate"])
    for name in ("run", "evaluate", "status"):
        add_asking(verbs.choices[name])
    return parser


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    verb.add_argument("--home", metavar="H", help="folder of all data (MMVP_HOME, else .mmvp)")
    verb.add_argument("--json", action="store_true", help="end stdout with one JSON object")
    return verb


def _add_corpus(
    verb: argparse.ArgumentParser, option: str = "--corpus", text: str | None = None
) -> None:
    verb.add_argument(
        option,
        action="append",
        metavar="CORPUS",
        help=text
        or "folder of images, Parquet, tars, a saved dataset or img2dataset's output, by path or "
        "uri (docs/corpora.md); may be given several times; scenes:N draws N scenes (default: "
        "the corpora of the latest run)",
    )


def _add_mining(verb: argparse.ArgumentParser) -> None:
    for name, text in (
        ("clip-above", "a pair's CLIP cosine must be above this (0.95)"),
        ("ssl-below", "a pair's SSL cosine must be below this (0.6)"),
        ("clip-above-quantile", "... above this quantile of all CLIP cosines instead"),
        ("ssl-below-quantile", "... below this quantile of all SSL cosines instead"),
    ):
        verb.add_argument(f"--{name}", type=float, metavar="X", help=text)
    verb.add_argument("--benchmark-pairs", type=int, metavar="N", help="pairs to select (150)")
    verb.add_argument(
        "--pairs-per-image", type=int, metavar="N", help="pairs kept of an image (1000)"
    )
    verb.add_argument(
        "--duplicate-above",
        type=float,
        metavar="X",
        help="list pairs as near-duplicates whose cosines both are above this (0.99)",
    )


def _add_training(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--features",
        nargs="+",
        metavar="F",
        help="what models see: clip ssl additive interleaved clip-control (all that can be), "
        "clip-clip",
    )
    verb.add_argument("--steps", type=int, metavar="N", help="steps of instruction training (600)")
    verb.add_argument(
        "--score-at",
        type=int,
        nargs="+",
        metavar="N",
        help="steps to keep and score models at, too",
    )
    verb.add_argument(
        "--seeds", type=int, nargs="+", metavar="S", help="train each model once a seed (0)"
    )
    verb.add_argument(
        "--ssl-shares", type=float, nargs="+", metavar="X", help="additive mixtures (.25 .5 .75)"
    )


def _add_recipe(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--recipe", metavar="R", help="train large models by this recipe (docs/training.md)"
    )
    for name, shape, text in (
        ("mixes", "STAGE=MIX", "conversations of each stage of the recipe"),
        ("places", "PART=PLACE", "folders or hub names of its parts: clip ssl control language"),
        ("set", "PATH=JSON", "other values of the recipe"),
    ):
        verb.add_argument(f"--{name}", nargs="+", metavar=shape, type=_assignment, help=text)
    verb.add_argument(
        "--gpu",
        choices=("a100", "h100", "h200"),
        help="what each has, to forecast hours and memory",
    )
    verb.add_argument(
        "--gpu-price", type=float, metavar="X", help="of one an hour, for the forecast"
    )
    verb.add_argument("--processes", type=int, metavar="N", help="that train together (the GPUs)")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        message = f"{text!r} is no NAME=VALUE"
        raise argparse.ArgumentTypeError(message)
    return name, value


def _add_reading(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--captions", metavar="FILE", help="CSV or JSONL: a path, a caption, ...")
    verb.add_argument("--image-column", metavar="C", help="column of images or their uris")
    verb.add_argument("--caption-column", metavar="C", help="column of captions")
    verb.add_argument("--label-column", metavar="C", help="column of labels")
    verb.add_argument("--fetch-urls", action="store_true", help="fetch images named by http")
    verb.add_argument("--allow-missing", action="store_true", help="go on without lost shards")
    verb.add_argument("--max-pixels", type=int, metavar="N", help="refuse larger images")
    verb.add_argument("--rehash", action="store_true", help="open every file again")


def _add_stage_options(verb: argparse.ArgumentParser, stages: Collection[str]) -> None:
    if "ingest" in stages:
        _add_reading(verb)
    if "embed" in stages:
        _add_encoders(verb)
    if "mine" in stages:
        _add_mining(verb)
    if "probe" in stages or "train" in stages:
        _add_corpus(
            verb,
            "--train-corpus",
            "corpus to train models and probes on; may be given several times",
        )
    if "train" in stages:
        _add_training(verb)
        _add_recipe(verb)
    for stage, option, text in (
        ("questions", "--lot-pairs", "pairs drawn by lot, an attribute (32)"),
        ("report", "--cards", "pairs on the page (200)"),
    ):
        if stage in stages:
            verb.add_argument(option, type=int, metavar="N", help=text)
    _add_workers(verb)


def _add_grid(verb: argparse.ArgumentParser) -> None:
    _add_corpus(verb)
    verb.add_argument("--encoders", nargs="+", metavar="SPEC", help="two or more (the shipped)")
    _add_reading(verb)
    _add_mining(verb)
    _add_trust(verb)
    _add_workers(verb)


def _add_zoo(verb: argparse.ArgumentParser) -> None:
    add_zoo(verb)
    _add_trust(verb)
    _add_workers(verb)


def _add_conversations(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--file", required=True, metavar="FILE", help="JSON, a list or a value a line, as LLaVA's"
    )
    _add_corpus(verb, "--images", "corpus of its images; may be given several times")
    _add_reading(verb)
    _add_workers(verb)


def _add_study(verb: argparse.ArgumentParser, *, arms: bool = False) -> None:
    if arms:
        verb.add_argument("--arms", nargs="+", metavar="ARM", help="which encoders (default: all)")
    verb.add_argument("--encoder-seeds", type=int, nargs="+", metavar="S", help="one each a seed")
    verb.add_argument("--encoder-steps", type=int, metavar="N", help="steps, for a try")
    _add_workers(verb)


def _add_encoder(verb: argparse.ArgumentParser, role: str, text: str) -> None:
    verb.add_argument(f"--{role}", metavar="SPEC", help=text)
    verb.add_argument(f"--{role}-px", type=int, metavar="N", help="side of its input in pixels")
    verb.add_argument(f"--{role}-pooling", metavar="P", help="default, cls or mean")
    verb.add_argument(
        f"--{role}-dtype", choices=("float32", "float16", "bfloat16"), help="its precision"
    )
    verb.add_argument(
        f"--{role}-backend", choices=("torch", "openvino"), help="what runs it; default torch"
    )


def _add_encoders(verb: argparse.ArgumentParser) -> None:
    _add_encoder(verb, "clip", "the encoder whose blindness is measured (tiny:clip)")
    _add_encoder(verb, "ssl", "the encoder that serves as the reference (tiny:ssl)")
    _add_encoder(verb, "control", "a third encoder to compare the first with (none)")
    _add_trust(verb)


def _add_trust(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--allow-pickle", action="store_true", help="read weights not safetensors")
    verb.add_argument(
        "--trust-remote-code", action="store_true", help="run code that comes with a model"
    )


def _add_export(verbs: Any) -> None:
    text = "a model or a benchmark as a folder that others can load"
    kinds = verbs.add_parser("export", help=text, description=text[0].upper() + text[1:] + ".")
    things = kinds.add_subparsers(dest="what", required=True, metavar="WHAT")
    model = _verb(things, "model", "a trained model as a folder that transformers can load")
    model.add_argument("--features", required=True, choices=FEATURES, help="what it sees")
    model.add_argument(
        "--ssl-share", type=float, metavar="X", help="of an additive model (if there are several)"
    )
    model.add_argument("--seed", type=int, metavar="N", help="of its training (if several)")
    model.add_argument("--to", required=True, metavar="DIR", help="new folder, or earlier export")
    model.add_argument(
        "--hub", metavar="ORG/NAME", help="put it in this repository on the hub too (a private one)"
    )
    _add_encoders(model)
    benchmark = _verb(things, "benchmark", "questions of the latest mining as others read them")
    benchmark.add_argument(
        "--layout", required=True, choices=LAYOUTS, help="whose form (docs/bridges.md)"
    )
    benchmark.add_argument(
        "--benchmark", default="mined", metavar="B", help="which questions (mined)"
    )
    benchmark.add_argument(
        "--to", required=True, metavar="DIR", help="new folder, or earlier export"
    )


def _add_plan(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--images",
        type=float,
        nargs="+",
        default=(1e6, 1e7, 1e8, 1e9),
        metavar="N",
        help="so many images (1e6 1e7 1e8 1e9)",
    )
    _add_encoders(verb)
    _add_mining(verb)
    _add_workers(verb)


def _add_general(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--bench", required=True, choices=("pope", "vqa"), help="what was asked")
    for name, text in (
        ("data", "its questions; POPE has a file a split (docs/bridges.md)"),
        ("answers", "what was said, a file for each file of questions, in the same order"),
    ):
        verb.add_argument(f"--{name}", nargs="+", required=True, metavar="FILE", help=text)
    verb.add_argument("--images", metavar="DIR", help="check that its images are there")


def _add_convert(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("checkpoint", metavar="DIR", help="its folder")
    for name, what in (("clip-tower", "CLIP"), ("ssl-tower", "DINOv2")):
        verb.add_argument(
            f"--{name}",
            required=True,
            metavar="PLACE",
            help=f"folder or hub name of the {what} that it was trained with",
        )
    verb.add_argument("--to", required=True, metavar="DIR", help="new folder, or earlier export")
    verb.add_argument("--allow-pickle", action="store_true", help="read weights not safetensors")
    verb.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        default="bfloat16",
        help="precision of what is written (bfloat16)",
    )


def _add_workers(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--workers", type=int, metavar="N", help="worker processes")
    verb.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler to use")
    verb.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where encoders run")
    verb.add_argument("--shard-images", type=int, metavar="N", help="images a worker gets at once")
    verb.add_argument(
        "--tile-images", type=int, metavar="N", help="images compared at once with as many (65536)"
    )


if __name__ == "__main__":
    main()
