"""Options that several verbs share: corpora, encoders, mining, training, workers.

Put here: options and their help, by what they are about.
Keep out: which verbs there are (`flows.cli`), what options do (`flows.commands`, `parameters`).
"""

import argparse
from collections.abc import Collection
from typing import Any

from flows.writing_options import add_writing


def add_verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a verb with the options that all have."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    verb.add_argument("--home", metavar="H", help="folder of all data (MMVP_HOME, else .mmvp)")
    verb.add_argument("--json", action="store_true", help="end stdout with one JSON object")
    return verb


def add_corpus(
    verb: argparse.ArgumentParser, option: str = "--corpus", text: str | None = None
) -> None:
    """Add the option that names corpora."""
    verb.add_argument(
        option,
        action="append",
        metavar="CORPUS",
        help=text
        or "folder of images, Parquet, tars, a saved dataset or img2dataset's output, by path or "
        "uri (docs/corpora.md); may be given several times; scenes:N draws N scenes (default: "
        "the corpora of the latest run)",
    )


def add_mining(verb: argparse.ArgumentParser) -> None:
    """Add what makes a pair blind, and how many are selected."""
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


def add_training(verb: argparse.ArgumentParser) -> None:
    """Add what models are trained on what."""
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


def add_recipe(verb: argparse.ArgumentParser) -> None:
    """Add the recipe of large models."""
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


def add_reading(verb: argparse.ArgumentParser) -> None:
    """Add how the files of corpora are read."""
    verb.add_argument("--captions", metavar="FILE", help="CSV or JSONL: a path, a caption, ...")
    verb.add_argument("--image-column", metavar="C", help="column of images or their uris")
    verb.add_argument("--caption-column", metavar="C", help="column of captions")
    verb.add_argument("--label-column", metavar="C", help="column of labels")
    verb.add_argument("--licence", metavar="L", help="of images that tell of none themselves")
    verb.add_argument("--source", metavar="S", help="where they are from, likewise")
    verb.add_argument("--attribution", metavar="A", help="whom to name for them, likewise")
    verb.add_argument("--fetch-urls", action="store_true", help="fetch images named by http")
    verb.add_argument("--allow-missing", action="store_true", help="go on without lost shards")
    verb.add_argument("--max-pixels", type=int, metavar="N", help="refuse larger images")
    verb.add_argument("--rehash", action="store_true", help="open every file again")


def add_stage_options(verb: argparse.ArgumentParser, stages: Collection[str]) -> None:
    """Add the options of stages, and of workers."""
    verb.add_argument(
        "--config",
        metavar="FILE",
        help="YAML with corpora and settings (docs/extending.md); options go before it",
    )
    if "ingest" in stages:
        add_reading(verb)
    if "embed" in stages:
        add_encoders(verb)
    if "mine" in stages:
        add_mining(verb)
    if "probe" in stages or "train" in stages:
        add_corpus(
            verb,
            "--train-corpus",
            "corpus to train models and probes on; may be given several times",
        )
    if "train" in stages:
        add_training(verb)
        add_recipe(verb)
    if "questions" in stages:
        add_writing(verb)
    if "report" in stages:
        verb.add_argument("--cards", type=int, metavar="N", help="pairs on the page (200)")
    add_workers(verb)


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


def add_encoders(verb: argparse.ArgumentParser) -> None:
    """Add the three encoders."""
    _add_encoder(verb, "clip", "the encoder whose blindness is measured (tiny:clip)")
    _add_encoder(verb, "ssl", "the encoder that serves as the reference (tiny:ssl)")
    _add_encoder(verb, "control", "a third encoder to compare the first with (none)")
    add_trust(verb)


def add_trust(verb: argparse.ArgumentParser) -> None:
    """Add what is only done if the user asks for it."""
    verb.add_argument("--allow-pickle", action="store_true", help="read weights not safetensors")
    verb.add_argument(
        "--trust-remote-code", action="store_true", help="run code that comes with a model"
    )


def add_workers(verb: argparse.ArgumentParser) -> None:
    """Add where the work is done."""
    verb.add_argument("--workers", type=int, metavar="N", help="worker processes")
    verb.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler to use")
    verb.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where encoders run")
    verb.add_argument("--shard-images", type=int, metavar="N", help="images a worker gets at once")
    verb.add_argument(
        "--tile-images", type=int, metavar="N", help="images compared at once with as many (65536)"
    )
