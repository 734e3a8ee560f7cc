"""The options of `mmvp annotate`.

Put here: options and their help.
Keep out: what they do (`flows.annotate`).
"""

import argparse


def add_annotate(verb: argparse.ArgumentParser) -> None:
    """Add who may enter, what is wanted of them, and where the page is served."""
    verb.add_argument(
        "--annotators", nargs="+", default=[], metavar="NAME", help="who may enter (all known)"
    )
    verb.add_argument(
        "--adjudicators", nargs="+", default=[], metavar="NAME", help="who settles disputes"
    )
    verb.add_argument("--new-links", action="store_true", help="make new links; old ones end")
    for name, metavar, text in (
        ("pairs", "N", "pairs with an accepted question that are wanted (those selected)"),
        ("overlap", "N", "people who write about the same pair (1)"),
        ("checks", "N", "people who check a question (2, or as many as there are)"),
        ("lease-minutes", "N", "how long a pair waits for a silent person (30)"),
        ("port", "N", "port of the page (4300); 0: any that is free"),
    ):
        verb.add_argument(f"--{name}", type=int, metavar=metavar, help=text)
    verb.add_argument(
        "--study", action="store_true", help="people take the test: the questions, one by one"
    )
    verb.add_argument(
        "--benchmark", metavar="DIR", help="with --study: a published benchmark (the mined one)"
    )
    verb.add_argument("--host", metavar="ADDRESS", help="address to listen at (127.0.0.1)")
    verb.add_argument(
        "--public-url",
        metavar="URL",
        help="what people type to come here from other machines, such as https://example.org",
    )
