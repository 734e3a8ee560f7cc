"""The options of `mmvp questions`: who writes, who checks, and what servers may cost.

Put here: options and their help.
Keep out: what they do (`flows.commands`).
"""

import argparse

CHECKS = ("answers-differ", "form", "instructions", "leak", "visible", "text-only", "agree")


def add_terms(verb: argparse.ArgumentParser) -> None:
    """Add the options of what servers may cost and how hard they are asked."""
    verb.add_argument("--prices", metavar="FILE", help="what models on servers cost, as JSON")
    verb.add_argument("--budget", type=float, metavar="X", help="the most to spend, a stage")
    verb.add_argument("--timeout-s", type=float, metavar="S", help="for one answer (120)")
    verb.add_argument("--at-once", type=int, metavar="N", help="calls at once, at most (64)")
    verb.add_argument(
        "--own-decoding",
        action="store_true",
        help="leave temperature and seed to servers: some models take no others",
    )


def add_writing(verb: argparse.ArgumentParser) -> None:
    """Add the options of who writes questions and who checks them."""
    verb.add_argument(
        "--lot-pairs", type=int, metavar="N", help="pairs drawn by lot, an attribute (32)"
    )
    verb.add_argument(
        "--by",
        nargs="+",
        choices=("metadata", "model", "people"),
        help="whose questions are asked, in order of preference (metadata)",
    )
    verb.add_argument(
        "--writer",
        "--writers",
        dest="writers",
        nargs="+",
        metavar="SPEC",
        help="models that write: openai:NAME, openai:NAME@URL, anthropic:NAME, gemini:NAME",
    )
    verb.add_argument("--candidates", type=int, metavar="N", help="questions a writer and pair (1)")
    verb.add_argument(
        "--answerers", nargs="+", metavar="SPEC", help="models that answer questions to check them"
    )
    verb.add_argument(
        "--answers-each", type=int, metavar="N", help="so often on its own, each of them (5 in all)"
    )
    verb.add_argument(
        "--require", nargs="+", choices=CHECKS, help="checks to pass (all that can be made)"
    )
    verb.add_argument(
        "--pairs-per-pattern", type=int, metavar="N", help="the most pairs of a pattern (no limit)"
    )
    verb.add_argument(
        "--extra-pairs",
        type=int,
        metavar="N",
        help="the most pairs to ask about beyond the selected ones, while a pattern is short of "
        "pairs or questions are refused (with --pairs-per-pattern as many as selected, else none)",
    )


def add_patterns(verb: argparse.ArgumentParser) -> None:
    """Add the options of who says which patterns questions are about."""
    verb.add_argument(
        "--models", nargs="+", required=True, metavar="SPEC", help="models on servers to ask"
    )
    verb.add_argument(
        "--votes", type=int, default=3, metavar="N", help="on each question's pattern, odd (3)"
    )
    verb.add_argument(
        "--runs", type=int, default=3, metavar="N", help="looks for patterns at all questions (3)"
    )
    verb.add_argument(
        "--with-images", action="store_true", help="show the pictures to those who look"
    )
    add_terms(verb)
