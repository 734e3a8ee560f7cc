"""Turn what `mmvp sweep` writes into the tables of `sweep.md` and the figure `sweep.png`.

Run `python docs/sweep.py`; the numbers in `sweep.md` come from nowhere else. With the arguments
`mixtures=FILE shares=FILE` it first takes over what two sweeps wrote.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

from matplotlib.figure import Figure
from scipy import stats

from tasks.report.drawing import LIGHT, font, look_color, look_marker, style_axes

HERE = Path(__file__).parent
BENCHMARKS: Final = {
    "mined": "CLIP-blind pairs",
    "random": "pairs drawn by lot",
    "captioned": "what captions name",
}
ORDER: Final = ("clip", "clip-clip", "ssl", "additive", "interleaved")
SAID: Final = {
    "clip": "CLIP only",
    "clip-clip": "CLIP twice, interleaved",
    "ssl": "SSL only",
    "additive": "Additive, SSL share {}",
    "interleaved": "Interleaved",
}
AGAINST: Final = (
    (("interleaved", None), ("additive", 0.5)),
    (("interleaved", None), ("additive", 0.75)),
    (("interleaved", None), ("clip-clip", None)),
    (("clip-clip", None), ("clip", None)),
    (("additive", 0.5), ("clip", None)),
    (("additive", 0.5), ("ssl", None)),
)

SHOWN: Final = {
    "pairs": ("encoder_seed", "pairs"),
    "scores": (
        *("encoder_seed", "benchmark", "model", "features", "ssl_share", "seed", "steps"),
        *("protocol", "pairs", "pair_accuracy"),
    ),
    "comparisons": (
        *("encoder_seed", "benchmark", "model_a", "model_b"),
        *("only_a", "only_b", "p_value"),
    ),
}
"""The columns that are kept, by table."""

Row = Mapping[str, Any]
Kind = tuple[str, float | None]


def kind_of(row: Row) -> Kind:
    """Return what a score's model sees."""
    return row["features"], row["ssl_share"]


def name_of(kind: Kind) -> str:
    """Return what people call it."""
    return SAID[kind[0]].format(kind[1])


def trained(rows: Sequence[Row], benchmark: str) -> list[Row]:
    """Return the scores of trained models on a benchmark."""
    return [
        row
        for row in rows
        if row["table"] == "scores" and row["seed"] is not None and row["benchmark"] == benchmark
    ]


def by_run(rows: Iterable[Row]) -> dict[tuple[Kind, int], dict[tuple[int, int], float]]:
    """Return pair accuracy by kind and steps, then by encoder seed and seed."""
    found: dict[tuple[Kind, int], dict[tuple[int, int], float]] = defaultdict(dict)
    for row in rows:
        run = (row["encoder_seed"], row["seed"])
        found[kind_of(row), row["steps"]][run] = row["pair_accuracy"]
    return found


def kinds_in(rows: Iterable[Row]) -> list[Kind]:
    """Return the kinds that were swept, in the order of tables."""
    return sorted({kind_of(row) for row in rows}, key=lambda k: (ORDER.index(k[0]), k[1] or 0))


def interval(runs: Mapping[tuple[int, int], float]) -> tuple[float, float, float]:
    """Return mean and 95 % t-interval over encoder seeds, whose runs share pairs and encoders."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for (encoder_seed, _), value in runs.items():
        by_seed[encoder_seed].append(value)
    means = [mean(values) for values in by_seed.values()]
    middle = mean(means)
    if len(means) < 2:
        return middle, float("nan"), float("nan")
    half = stats.sem(means) * stats.t.ppf(0.975, len(means) - 1)
    return middle, middle - half, middle + half


def told(runs: Mapping[tuple[int, int], float]) -> str:
    """Return a mean in per cent, with the least and the most of all runs."""
    if not runs:
        return ""
    values = list(runs.values())
    return f"{100 * mean(values):.1f} ({100 * min(values):.0f}-{100 * max(values):.0f})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rows = [list(head), ["---"] * len(head), *map(list, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def curve_lines(rows: Sequence[Row], benchmark: str) -> Iterable[list[str]]:
    """Yield a line a kind: its accuracy after each number of steps."""
    own = trained(rows, benchmark)
    found, steps = by_run(own), sorted({row["steps"] for row in own})
    for kind in kinds_in(own):
        yield [name_of(kind), *(told(found.get((kind, step), {})) for step in steps)]


def steps_in(rows: Sequence[Row]) -> list[int]:
    """Return the steps after which models were scored."""
    return sorted({row["steps"] for row in trained(rows, "mined")})


def against_lines(rows: Sequence[Row], benchmark: str, steps: int) -> Iterable[list[str]]:
    """Yield a line for each comparison: the difference by run, and the pairs that decide it."""
    own = trained(rows, benchmark)
    found = by_run(own)
    names = {row["model"]: kind_of(row) for row in own if row["steps"] == steps}
    discordant = [
        row
        for row in rows
        if row["table"] == "comparisons"
        and row["benchmark"] == benchmark
        and row["model_a"] in names
        and row["model_b"] in names
    ]
    for one, other in AGAINST:
        runs_a, runs_b = found.get((one, steps), {}), found.get((other, steps), {})
        differences = {run: runs_a[run] - runs_b[run] for run in runs_a.keys() & runs_b.keys()}
        if not differences:
            continue
        middle, low, high = interval(differences)
        only_a, only_b, significant = _discordant(discordant, names, one, other)
        ahead = sum(value > 0 for value in differences.values())
        yield [
            f"{name_of(one)} - {name_of(other)}",
            f"{100 * middle:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
            f"{ahead} of {len(differences)}",
            f"{only_a} : {only_b}",
            f"{significant} of {len(differences)}",
        ]


def _discordant(
    rows: Iterable[Row], names: Mapping[str, Kind], one: Kind, other: Kind
) -> tuple[int, int, int]:
    """Return the pairs that only one and only the other got right, and the tests below 0.05."""
    only_a = only_b = significant = 0
    for row in rows:
        kinds = (names[row["model_a"]], names[row["model_b"]])
        if kinds == (one, other):
            only_a, only_b = only_a + row["only_a"], only_b + row["only_b"]
        elif kinds == (other, one):
            only_a, only_b = only_a + row["only_b"], only_b + row["only_a"]
        else:
            continue
        significant += row["p_value"] < 0.05
    return only_a, only_b, significant


def draw(rows: Sequence[Row]) -> Figure:
    """Draw accuracy against steps, a panel a benchmark."""
    figure = Figure(figsize=(11, 4.2), dpi=150, facecolor=LIGHT.paper)
    panels = figure.subplots(1, len(BENCHMARKS), sharey=True)
    shown = [kind for kind in kinds_in(trained(rows, "mined")) if kind[1] in (None, 0.5, 0.75)]
    for axes, (benchmark, said) in zip(panels, BENCHMARKS.items(), strict=True):
        style_axes(axes, LIGHT)
        found = by_run(trained(rows, benchmark))
        for kind in shown:
            steps = [step for step in steps_in(rows) if (kind, step) in found]
            means = [mean(found[kind, step].values()) for step in steps]
            axes.plot(
                steps,
                means,
                color=look_color(kind[0], LIGHT),
                marker=look_marker(kind[0]),
                linestyle="--" if kind[1] == 0.75 else "-",
                linewidth=1.7,
                markersize=5,
                label=name_of(kind),
            )
        axes.axhline(0.25, color=LIGHT.muted, linewidth=1, linestyle=":")
        axes.set_ylim(0, 1)
        axes.set_title(said, loc="left", **font(LIGHT.ink, 11))
        axes.set_xlabel("steps", **font(LIGHT.muted, 9))
    panels[0].set_ylabel("pair accuracy", **font(LIGHT.muted, 9))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False, fontsize=9)
    figure.subplots_adjust(left=0.06, right=0.99, top=0.9, bottom=0.28, wspace=0.08)
    return figure


def _runs(rows: Sequence[Row]) -> str:
    own = trained(rows, "mined")
    counts = [len({row[name] for row in own}) for name in ("encoder_seed", "seed")]
    return f"{counts[0]} encoder seeds, {counts[1]} training seeds with each."


def render(rows: Sequence[Row]) -> str:
    """Return the page."""
    main = [row for row in rows if row["sweep"] == "mixtures"]
    shares = [row for row in rows if row["sweep"] == "shares"]
    steps = steps_in(main)
    head = ["model", *(f"{step:,} steps" for step in steps)]
    parts = [
        "# The sweep: figures",
        "",
        "Generated by docs/sweep.py from docs/sweep.json, which `mmvp sweep` wrote; do not edit.",
        "What it means: [the miniature](miniature.md).",
        "",
        f"{_runs(main)} Pair accuracy in % by likelihood of the options, mean of the runs;",
        "in brackets the least and the most. Guessing gets 25.",
        "",
    ]
    for benchmark, said in BENCHMARKS.items():
        parts += [f"## {said[0].upper()}{said[1:]} (`{benchmark}`)", ""]
        parts += [table(head, curve_lines(main, benchmark)), ""]
    parts += ["## Compared run by run", ""]
    parts += [
        "Differences in points of pair accuracy, with 95 % t-intervals over the encoder seeds; in",
        "how many runs the first is ahead; pairs that only the first : only the second got right;",
        "runs whose McNemar test is below 0.05.",
        "",
    ]
    for benchmark in ("mined", "captioned"):
        for step in steps[1:] or steps:
            lines = list(against_lines(main, benchmark, step))
            columns = [f"{BENCHMARKS[benchmark]}, {step:,} steps", "difference", "ahead"]
            parts += [table([*columns, "only : only", "p < 0.05"], lines), ""]
    if shares:
        parts += ["## The paper's shares, one encoder seed", ""]
        for benchmark, said in BENCHMARKS.items():
            head = [f"{said}", *(f"{step:,} steps" for step in steps_in(shares))]
            parts += [table(head, curve_lines(shares, benchmark)), ""]
    return "\n".join(parts)


def take_over(files: Mapping[str, Path]) -> None:
    """Write `sweep.json` from what sweeps wrote, without what the page does not show."""
    rows = []
    for sweep, file in files.items():
        for row in json.loads(file.read_text()):
            compared_by_lot = row["table"] == "comparisons" and row["benchmark"] == "random"
            if row["table"] in SHOWN and not compared_by_lot:
                told = {name: value for name, value in row.items() if name in SHOWN[row["table"]]}
                rows.append({"sweep": sweep, "table": row["table"], **told})
    lines = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "sweep.json").write_text(f"[\n{lines}\n]\n")


def main(arguments: Sequence[str]) -> None:
    """Write the page and the figure."""
    if arguments:
        take_over({name: Path(file) for name, file in (each.split("=") for each in arguments)})
    rows = json.loads((HERE / "sweep.json").read_text())
    (HERE / "sweep.md").write_text(render(rows))
    draw([row for row in rows if row["sweep"] == "mixtures"]).savefig(HERE / "sweep.png")


if __name__ == "__main__":
    main(sys.argv[1:])
