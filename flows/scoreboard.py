"""Scores in the terminal: a line a model, with intervals, outcomes, and what to beware of.

Put here: lines on stdout, and the score that a command names first.
Keep out: computing scores (`tasks.scores`), the page (`tasks.report`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasks.evaluation.stored import FEW_PAIRS

Score = Mapping[str, Any]

OUTCOMES: Final = ("both_right", "same_answer", "swapped", "other")


def headline(scores: Sequence[Score], key: str | None = None) -> dict[str, Any]:
    """Return the score of all pairs if there is one model in one way, with those by pattern.

    With several there is no single figure: nothing is returned.
    """
    rows = [row for row in scores if key in (None, row["key"])]
    overall = [row for row in rows if row["pattern"] is None]
    if len({(row["benchmark"], row["model"], row["protocol"]) for row in overall}) != 1:
        return {}
    first = overall[0]
    patterns = [r for r in rows if r["pattern"] is not None and r["key"] == first["key"]]
    marked = [dict(row) | {"few": row["pairs"] < FEW_PAIRS} for row in patterns]
    return dict(first) | {"patterns": marked}


def print_scores(scores: Sequence[Score], key: str | None = None) -> None:
    """Print all pairs' scores, a line a benchmark, model, way and key; then the patterns of one."""
    rows = [row for row in scores if row["pattern"] is None and key in (None, row["key"])]
    if not rows:
        print("no scores")
        return
    print("pair accuracy in %, 95 % interval (guessing: 25); question accuracy in % (guessing: 50)")
    width = max(len(row["model"]) for row in rows)
    for row in sorted(rows, key=lambda row: (row["benchmark"], -row["pair_accuracy"])):
        low, high = 100 * row["pair_low"], 100 * row["pair_high"]
        outcomes = "  ".join(f"{name} {100 * row[name]:.1f}" for name in OUTCOMES)
        print(
            f"{row['benchmark']}  {row['model']:{width}}  {row['protocol']}  key {row['key']}  "
            f"{row['pairs']} pairs: {100 * row['pair_accuracy']:.1f} ({low:.1f} to {high:.1f})  "
            f"questions {100 * row['question_accuracy']:.1f}  {outcomes}  unread {row['unread']}"
        )
    one = headline(scores, key)
    for row in one.get("patterns", ()):
        print_pattern(row)


def print_pattern(row: Score) -> None:
    """Print a pattern's score; few pairs are marked."""
    few = f"  fewer than {FEW_PAIRS} pairs: beware" if row["pairs"] < FEW_PAIRS else ""
    print(
        f"  {row['pattern']}: {row['pairs']} pairs: {100 * row['pair_accuracy']:.1f} "
        f"({100 * row['pair_low']:.1f} to {100 * row['pair_high']:.1f}){few}"
    )


def print_stored(found: Score) -> None:
    """Print the score of stored answers, under every key and every protocol that asks alike."""
    print_scores([{**found, "pattern": None}])
    for row in found["patterns"]:
        print_pattern(row)
    for key, row in found["keys"].items():
        print(
            f"  key {key}: {row['pairs']} pairs: {100 * row['pair_accuracy']:.1f}, questions "
            f"{100 * row['question_accuracy']:.1f}"
        )
    harness = found["harness"]
    print(f"  as {found['protocol']} counts: {harness['right']:g} of {harness['total']:g}")
    if found["spread"]:
        print("the same answers under every protocol that sends the same words:")
        for name, row in found["spread"]["protocols"].items():
            said = (
                row["refused"]
                if "refused" in row
                else f"pairs {100 * row['pair_accuracy']:.1f}, questions "
                f"{100 * row['question_accuracy']:.1f}, unread {row['unread']}"
            )
            print(f"  {name}: {said}")
    for note in found["notes"]:
        print(f"  note: {note}")
