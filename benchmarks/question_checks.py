"""Plant errors of six kinds among good questions, and count which the checks catch.

Run it with `python -m benchmarks.question_checks`; it needs the tests beside it, whose stub vision
model it takes. That model writes the planted questions over real HTTP, and answers questions from
the factors of the scenes that it recognises; as an answerer it errs in a share of what it is asked.

Stages, store, requests and prompts are those of `mmvp questions --by model`.
"""

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.measuring import parser_of, read_options, show
from storage.database import Database
from tasks.scores.statistics import wilson
from tests.cases import GOOD, KINDS, World
from tests.planted import Found, site_of, study


def measure(seed: int, options: argparse.Namespace) -> Found:
    """Plant and check the questions of one seed in a store of its own."""
    with tempfile.TemporaryDirectory() as place:
        site = site_of(Database(f"{place}/store"), Path(place, "home"))
        return study(
            site,
            Path(place, "photos"),
            World(seed, each=options.each, good=options.good, photos=options.photos),
            seed=seed,
            answerers=options.answerers,
            errs=options.errs,
        )


def rows_of(found: list[Found]) -> list[dict[str, Any]]:
    """Return a row for each kind of question, and one for all errors."""
    rows = []
    for kind in (*KINDS, "all errors", GOOD):
        kinds = KINDS if kind == "all errors" else (kind,)
        planted = sum(one.planted[name] for one in found for name in kinds)
        refused = sum(one.refused[name] for one in found for name in kinds)
        by: Counter[str] = Counter()
        for one in found:
            for name in kinds:
                by.update(one.by_check.get(name, {}))
        low, high = wilson(refused, planted)
        rows.append(
            {
                "questions": kind,
                "planted": planted,
                "refused": refused,
                "share": 100 * refused / planted,
                "low": 100 * low,
                "high": 100 * high,
                "first by": ", ".join(f"{name} {count}" for name, count in by.most_common()),
            }
        )
    return rows


def main() -> None:
    """Print what was caught over all seeds."""
    os.environ.pop("MMVP_API_KEY", None)
    parser = parser_of(__doc__, each=60, good=200, answerers=5, photos=200)
    parser.add_argument("--errs", type=float, default=0.1, metavar="X")
    parser.add_argument("--seeds", type=int, nargs="+", default=[401, 402, 403], metavar="S")
    options = read_options(parser)
    found = [measure(seed, options) for seed in options.seeds]
    show(
        f"{options.answerers} answerers, each wrong in {options.errs:.0%}", rows_of(found), options
    )
    for one in found:
        for case in one.taken:
            print(f"missed: {case.kind}: {case.said['question']}")


if __name__ == "__main__":
    main()
