"""The options of `mmvp export` and `mmvp import`.

Put here: options and their help.
Keep out: what they do (`flows.export_benchmark`, `flows.import_forms`).
"""

import argparse
from typing import Final

BENCHMARKS: Final = ("mmvp", "mmvp-vlm", "lmms-eval", "vlmevalkit")
DATASETS: Final = ("hf", "label-studio", "argilla", "fiftyone")
FORMS: Final = ("label-studio", "argilla")


def add_questions(verb: argparse.ArgumentParser, *, dataset: bool) -> None:
    """Add the options of an export of questions: for harnesses, or as a dataset."""
    if dataset:
        verb.add_argument(
            "--layout", choices=DATASETS, default="hf", help="whose form (hf; docs/bridges.md)"
        )
    else:
        verb.add_argument(
            "--layout", required=True, choices=BENCHMARKS, help="whose form (docs/bridges.md)"
        )
    verb.add_argument("--benchmark", default="mined", metavar="B", help="which questions (mined)")
    verb.add_argument("--to", required=True, metavar="DIR", help="new folder, or earlier export")
    verb.add_argument(
        "--licences",
        nargs="+",
        default=("any",),
        metavar="L",
        help="export images of these licences only, such as CC0-1.0 CC-BY-4.0; known: of any that "
        "their corpus tells (any)",
    )
    verb.add_argument(
        "--against",
        action="append",
        metavar="CORPUS",
        help="leave out pairs of which an image is, or nearly is, in this training set or "
        "benchmark; may be given several times",
    )
    verb.add_argument(
        "--duplicate-above",
        type=float,
        metavar="X",
        help="with --against: images are nearly the same if both cosines are above this (0.99)",
    )
    verb.add_argument(
        "--keep-held", action="store_true", help="with --against: list such pairs, but export them"
    )
    verb.add_argument(
        "--mirrored", action="store_true", help="with --against: also mirrored left to right"
    )
    verb.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where encoders run")


def add_import(verb: argparse.ArgumentParser) -> None:
    """Add the options of an import of what people wrote elsewhere."""
    verb.add_argument("file", metavar="FILE", help="what the tool exported")
    verb.add_argument("--layout", required=True, choices=FORMS, help="the tool")


def add_logs(verb: argparse.ArgumentParser) -> None:
    """Add the options of logs of what models were asked and said."""
    verb.add_argument("--to", required=True, metavar="DIR", help="folder for the logs")
    verb.add_argument("--benchmark", metavar="NAME", help="only of this one (all)")
    verb.add_argument("--with-images", action="store_true", help="put pictures into them, too")
