"""The options of `mmvp evaluate`: who is asked what, and how; and of a report about it.

Put here: options and their help.
Keep out: what they do (`flows.commands`).
"""

import argparse

from flows.writing_options import add_terms

KEYS = ("original", "corrected", "excluded")


def add_asking(verb: argparse.ArgumentParser) -> None:
    """Add the options of how models are asked."""
    _add_models(verb)
    verb.add_argument(
        "--protocol",
        "--protocols",
        dest="protocols",
        nargs="+",
        metavar="NAME",
        help="how they are asked and read (docs/evaluate.md)",
    )
    verb.add_argument(
        "--controls",
        nargs="+",
        metavar="C",
        help="ask again with: text-only blank-image other-image swapped-options numbered",
    )
    verb.add_argument("--repeats", type=int, metavar="N", help="ask each question N times (1)")
    add_terms(verb)
    verb.add_argument(
        "--allow-incomplete", action="store_true", help="score although answers are missing"
    )


def add_benchmark(verb: argparse.ArgumentParser) -> None:
    """Add the options of what they are asked, and of answers that are stored already."""
    verb.add_argument(
        "--benchmark",
        metavar="DIR",
        help="a published benchmark's folder or CSV, as MMVP's and MMVP-VLM's (default: the mined)",
    )
    verb.add_argument("--answers", metavar="FILE", help="score the answers in this file instead")
    verb.add_argument("--key", choices=KEYS, help="the answer key to print")
    verb.add_argument("--name", metavar="MODEL", help="what to call the model of --answers")
    verb.add_argument(
        "--draw-seed",
        type=int,
        metavar="N",
        help="with --answers: draw lots where the protocol's harness does",
    )


def add_grading(verb: argparse.ArgumentParser) -> None:
    """Add the options of who grades replies, and where disagreements go."""
    verb.add_argument(
        "--grader",
        nargs="+",
        default=[],
        metavar="NAME",
        help="graders that other packages add (docs/extending.md), beside the protocols' own rules",
    )
    verb.add_argument(
        "--judge",
        nargs="+",
        default=[],
        metavar="SPEC",
        help="language models that grade: openai:NAME, openai:NAME@URL, anthropic:NAME, ...",
    )
    verb.add_argument(
        "--votes", type=int, default=3, metavar="N", help="of a judge on each reply, odd (3)"
    )
    add_terms(verb)
    verb.add_argument(
        "--to", metavar="FILE", help="a CSV of the replies that a grader takes otherwise than rules"
    )


def add_general(verb: argparse.ArgumentParser) -> None:
    """Add the options of general ability: what is asked, and who answers or has answered."""
    verb.add_argument(
        "--bench", required=True, choices=("pope", "vqa", "judged"), help="what is asked"
    )
    verb.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="FILE",
        help="its questions; POPE has a file a split (docs/bridges.md)",
    )
    verb.add_argument(
        "--answers",
        nargs="+",
        metavar="FILE",
        help="what was said, a file for each file of questions, in the same order",
    )
    verb.add_argument("--images", metavar="DIR", help="the folder of its images")
    _add_models(verb)
    verb.add_argument(
        "--reference", nargs="+", metavar="FILE", help="answers to judge the model's beside"
    )
    verb.add_argument("--judge", metavar="SPEC", help="the server whose model judges them")
    add_terms(verb)
    verb.add_argument("--trust-remote-code", action="store_true", help="run a model's own code")
    verb.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where models run"
    )


def _add_models(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--model",
        "--models",
        dest="models",
        nargs="+",
        metavar="MODEL",
        help="models to ask: folders, hub names, openai:NAME, openai:NAME@URL, anthropic:NAME, "
        "gemini:NAME",
    )


def add_reported(verb: argparse.ArgumentParser) -> None:
    """Add the options of what a report is about."""
    verb.add_argument(
        "--benchmark",
        metavar="NAME",
        help="a published benchmark that models were scored on, by its name or folder (default: "
        "the mining)",
    )
    verb.add_argument("--key", choices=KEYS, help="the answer key of figures and cards (corrected)")
