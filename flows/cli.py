"""The command `mmvp`: one verb a flow, and what people ask of the store.

Put here: options, exit codes, what is printed.
Keep out: work; each verb is a few lines around one call. Heavy imports sit inside the verbs, so
that `mmvp --help` is instant.

Exit code 0: done. 1: failed, the reason on stderr. 2: wrong usage.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

STAGES: Final = ("ingest", "embed", "mine", "report")
THROUGH: Final = ("ingest", "images", "embed", "mine", "pairs", "report")
TABLES: Final = ("images", "paths", "refused", "pairs", "shards", "runs")


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
    demo.add_argument("--images", type=int, metavar="N", help="scenes to draw (default 1000)")
    _add_workers(demo)
    run = _verb(verbs, "run", "the pipeline on your own images")
    _add_corpus(run)
    run.add_argument("--through", choices=THROUGH, help="the last stage to run (default: report)")
    _add_stage_options(run, STAGES)
    described = {
        "ingest": "open what is new in a corpus, forget what is gone",
        "embed": "compute the vectors that are missing",
        "mine": "search all pairs of images for those that are CLIP-blind",
        "report": "write the page, figures and numbers of a mining",
    }
    for stage, text in described.items():
        verb = _verb(verbs, stage, text)
        _add_corpus(verb)
        _add_stage_options(verb, STAGES[: STAGES.index(stage) + 1], only=stage)
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
    _add_stage_options(status, STAGES)
    show = _verb(verbs, "show", "the rows of a table, in a stable order")
    show.add_argument("table", choices=TABLES)
    show.add_argument("--all", action="store_true", help="every row, not only the latest run's")
    return parser


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    verb.add_argument("--home", metavar="H", help="folder of all data (MMVP_HOME, else .mmvp)")
    verb.add_argument("--json", action="store_true", help="end stdout with one JSON object")
    return verb


def _add_corpus(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--corpus",
        action="append",
        metavar="DIR",
        help="folder of images, at any depth; may be given several times; scenes:N draws N scenes "
        "(default: the corpora of the latest run)",
    )


def _add_stage_options(
    verb: argparse.ArgumentParser, stages: Sequence[str], only: str | None = None
) -> None:
    if only in (None, "ingest"):
        verb.add_argument("--captions", metavar="FILE", help="CSV or JSONL: a path, a caption")
        verb.add_argument("--max-pixels", type=int, metavar="N", help="refuse larger images")
        verb.add_argument("--rehash", action="store_true", help="open every file again")
    if "embed" in stages:
        _add_encoder(verb, "clip", "the encoder whose blindness is measured (tiny:clip)")
        _add_encoder(verb, "ssl", "the encoder that serves as the reference (tiny:ssl)")
        verb.add_argument(
            "--allow-pickle", action="store_true", help="read weights not safetensors"
        )
        verb.add_argument(
            "--trust-remote-code", action="store_true", help="run code that comes with a model"
        )
    if "mine" in stages:
        for name, text in (
            ("clip-above", "a pair's CLIP cosine must be above this (0.95)"),
            ("ssl-below", "a pair's SSL cosine must be below this (0.6)"),
            ("clip-above-quantile", "... above this quantile of all CLIP cosines instead"),
            ("ssl-below-quantile", "... below this quantile of all SSL cosines instead"),
        ):
            verb.add_argument(f"--{name}", type=float, metavar="X", help=text)
        verb.add_argument("--benchmark-pairs", type=int, metavar="N", help="pairs to select (150)")
    if "report" in stages:
        verb.add_argument("--cards", type=int, metavar="N", help="pairs on the page (200)")
    _add_workers(verb)


def _add_encoder(verb: argparse.ArgumentParser, role: str, text: str) -> None:
    verb.add_argument(f"--{role}", metavar="SPEC", help=text)
    verb.add_argument(f"--{role}-px", type=int, metavar="N", help="side of its input in pixels")
    verb.add_argument(f"--{role}-pooling", metavar="P", help="default, cls or mean")
    verb.add_argument(
        f"--{role}-dtype", choices=("float32", "float16", "bfloat16"), help="its precision"
    )


def _add_workers(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--workers", type=int, metavar="N", help="worker processes")
    verb.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler to use")
    verb.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where encoders run")
    verb.add_argument("--shard-images", type=int, metavar="N", help="images a worker gets at once")


if __name__ == "__main__":
    main()
