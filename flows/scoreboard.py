"""Scores in the terminal: a line a model, with intervals, outcomes, and what to beware of.

Put here: lines on stdout, and the score that a command names first.
Keep out: computing scores (`tasks.scores`), the page (`tasks.report`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tasks.evaluation.stored import FEW_PAIRS

Score = Mapping[str, Any]

OUTCOMES: Final = ("both_right", "same_answer", "swapped", "other")
SURE: Final = 0.05
SHOWN: Final = 12
"""Comparisons that are printed, the surest first; --json has all."""


def headline(scores: Sequence[Score], key: str | None = None) -> dict[str, Any]:
    """Return the score of all pairs if there is one model in one way, with those by pattern.

    Controls do not count: they stand beside it. With several there is no single figure: nothing is
    returned.
    """
    rows = [row for row in scores if key in (None, row["key"]) and "+" not in row["protocol"]]
    overall = [row for row in rows if row["pattern"] is None]
    if len({(row["benchmark"], row["model"], row["protocol"]) for row in overall}) != 1:
        return {}
    first = overall[0]
    patterns = [r for r in rows if r["pattern"] is not None and r["key"] == first["key"]]
    return dict(first) | {"patterns": patterns}


def print_found(found: Score, key: str | None = None) -> None:
    """Print what `mmvp evaluate` found: scores, what stands beside them, comparisons, labels."""
    rows = [row for row in found["scores"] if row["pattern"] is None and key in (None, row["key"])]
    if not rows:
        print("no scores")
        return
    print_scores(found["scores"], key)
    print_guessers(found["chance"])
    print_comparisons(found["comparisons"])
    print_labels(found["labels"])


def print_scores(scores: Sequence[Score], key: str | None = None) -> None:
    """Print all pairs' scores, a line a benchmark, model, way and key; then the patterns of one."""
    rows = [row for row in scores if row["pattern"] is None and key in (None, row["key"])]
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
        for line in _beside(row.get("beside") or {}):
            print(f"    {line}")
    for row in headline(scores, key).get("patterns", ()):
        print_pattern(row)


def _beside(found: Score) -> Iterator[str]:
    """Yield the lines that stand under a score."""
    if text := found.get("text_only"):
        yield (
            f"text alone: pairs {100 * text['pair_accuracy']:.1f} ({100 * text['pair_low']:.1f} to "
            f"{100 * text['pair_high']:.1f}), questions {100 * text['question_accuracy']:.1f}; "
            f"{text['only_with_image']} pairs right only with the image, {text['only_with_text']} "
            f"only without, {_p(text['p_value'])}"
        )
    for name, said, otherwise in (
        ("first_option", "the option shown first is taken", "without a bias: 50"),
        ("same_when_turned", "the same option is taken when both change places", "by place: 0"),
    ):
        share = found.get(name)
        if share and share["share"] is not None:
            yield (
                f"{said}: {100 * share['share']:.1f} ({100 * share['low']:.1f} to "
                f"{100 * share['high']:.1f}) of {share['pairs']} pairs' questions; {otherwise}"
            )
    if found.get("detectable") is not None:
        yield (
            f"a model that errs independently is told from it, four times in five, if it differs "
            f"by {100 * found['detectable']:.1f} points or more"
        )
    if found.get("spread"):
        yield from _spread(found["spread"])


def _spread(found: Score) -> Iterator[str]:
    yield "the same answers under every protocol that sends the same words:"
    for name, row in found["protocols"].items():
        said = (
            row["refused"]
            if "refused" in row
            else f"pairs {100 * row['pair_accuracy']:.1f}, questions "
            f"{100 * row['question_accuracy']:.1f}, unread {row['unread']}"
        )
        yield f"  {name}: {said}"


def print_pattern(row: Score) -> None:
    """Print a pattern's score; few pairs are marked."""
    few = f"  fewer than {FEW_PAIRS} pairs: beware" if row["few"] else ""
    print(
        f"  {row['pattern']}: {row['pairs']} pairs: {100 * row['pair_accuracy']:.1f} "
        f"({100 * row['pair_low']:.1f} to {100 * row['pair_high']:.1f}){few}"
    )


def print_guessers(chance: Mapping[str, Score]) -> None:
    """Print what guessers get that do not look at the images."""
    print("guessers that do not look, in %:")
    for row in chance.values():
        pairs, asked = (f"{100 * row[name]:.0f}" for name in ("pair_accuracy", "question_accuracy"))
        print(f"  one that {row['what']}: pairs {pairs}, questions {asked}")


def print_comparisons(rows: Sequence[Score]) -> None:
    """Print which models differ on the same pairs, the surest first."""
    rows = [row for row in rows if "+" not in row["protocol"]]  # controls are no contest
    if not rows:
        return
    print("models on the same pairs: McNemar's exact test, p after Holm's correction")
    ordered = sorted(rows, key=lambda row: (row["p_holm"], row["p_value"]))
    for row in ordered[:SHOWN]:
        points = 100 * (row["only_a"] - row["only_b"]) / row["pairs"]
        sure = "differ" if row["p_holm"] < SURE else "not told apart"
        print(
            f"  {row['benchmark']}  {row['protocol']}  {row['model_a']} - {row['model_b']}: "
            f"{points:+.1f} points ({row['only_a']} against {row['only_b']} of {row['pairs']} "
            f"pairs), {_p(row['p_holm'])}: {sure}"
        )
    if len(rows) > SHOWN:
        print(f"  and {len(rows) - SHOWN} more, with --json")


def print_labels(labels: Score) -> None:
    """Print the pairs whose labels several strong models contradict."""
    for benchmark, heard in labels["heard"].items():
        rows = [row for row in labels["suspects"] if row["benchmark"] == benchmark]
        if heard > 1:
            print(
                f"labels of {benchmark} that most of {heard} strong models have the wrong way "
                f"round: {len(rows) or 'none'}"
            )
        for row in rows:
            print(
                f"  {row['pair']}: {row['swapped']} of {row['models']} swap it, {row['right']} "
                f"have it right, {_p(row['p_holm'])}: {row['question']}"
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
    print_guessers(found["chance"])
    print_comparisons(found["comparisons"])
    print_labels(found["labels"])
    for note in found["notes"]:
        print(f"  note: {note}")


def _p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"
