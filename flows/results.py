"""What a run tells people in the terminal: its stages, its results, where the page lies.

Put here: lines and tables on stdout.
Keep out: the report itself (`tasks.report`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ORDER: Final = ("clip", "ssl", "additive", "interleaved", "clip-clip", None, "clip-control")
PROTOCOLS: Final = ("option-logprob", "mmvp-vlm")
"""Free words are on the page; for small models they tell the same."""


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print the summary of a run."""
    if "encoders" in summary:
        print("\n".join(summary["encoders"].values()))
    for name in ("study", "sweep"):
        if name in summary:
            print(summary[name])
    for name, stage in summary["stages"].items():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in stage["reasons"].items())
        counts = f"{stage['rows']:>10,} rows {stage['new']:>10,} new"
        print(f"{name:8} {stage['state']:8} {counts}  {reasons}".rstrip())
    mined = summary["stages"].get("mine")
    if mined is not None:
        figures = mined["figures"]
        print(
            f"{mined['rows']:,} CLIP-blind pairs among {figures['images']:,} images "
            f"(CLIP cosine > {figures['clip_above']:.4g}, "
            f"SSL cosine < {figures['ssl_below']:.4g}), "
            f"{figures['selected']:,} selected"
        )
    if "report" in summary["stages"]:
        page = Path(summary["stages"]["report"]["figures"]["page"])
        print_results(json.loads(page.with_name("report.json").read_text()).get("scores", []))
        if page.with_name("pairs.png").is_file():
            print(f"pair sheet: {page.with_name('pairs.png')}")
        print(f"page: {page}")


def print_results(scores: Sequence[Mapping[str, Any]]) -> None:
    """Print pair accuracies, a line a model, a column a benchmark; nothing if there are none."""
    from storage.questions import BENCHMARKS

    rows = [row for row in scores if row["pattern"] is None and row["protocol"] in PROTOCOLS]
    found = {(_name(row), row["benchmark"]): row for row in rows}
    asked = [name for name in BENCHMARKS if any(row["benchmark"] == name for row in rows)]
    if not asked:
        return
    print("\npair accuracy in %, with 95 % intervals; guessing gets 25")
    labels = dict.fromkeys(_name(row) for row in sorted(rows, key=_place))
    width = max(map(len, labels))
    print("  ".join([f"{'model':{width}}", *(f"{name:21}" for name in asked)]).rstrip())
    for label in labels:
        cells = [f"{_cell(found.get((label, name))):21}" for name in asked]
        print("  ".join([f"{label:{width}}", *cells]).rstrip())
    print("; ".join(f"{name}: {BENCHMARKS[name]}" for name in asked) + "\n")


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    is_clip = row["protocol"] == PROTOCOLS[1]
    return is_clip, ORDER.index(row["features"]), row["ssl_share"] or 0, row["seed"] or 0


def _name(row: Mapping[str, Any]) -> str:
    trained = "" if row["steps"] is None else f", seed {row['seed']}, {row['steps']} steps"
    return f"{row['label']}{trained}"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    share, low, high = (100 * row[name] for name in ("pair_accuracy", "pair_low", "pair_high"))
    return f"{share:.1f} ({low:.1f} to {high:.1f})"
