"""The figure of outcomes: how the pairs came out, a bar a model.

Put here: the bars.
Keep out: what an outcome is (`tasks.scores.outcomes`), values (`results`), colours (`drawing`).
"""

import math
from typing import Final

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tasks.report.charts import ROW, rows_axes
from tasks.report.drawing import DPI, FONT, LIGHT, Palette, font, short
from tasks.report.results import SHARES, Results, Standing, standings

MOST: Final = 24
"""Models in the figure, the best; the page has all."""

HATCHES: Final = {"same_answer": "////", "swapped": "||||"}
"""Told apart without colour too."""


def draw_outcomes(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw the outcomes of the main benchmark's pairs for each model; None where there is none."""
    found = sorted(standings(results, results.main), key=lambda each: -each.accuracy)[:MOST]
    if not found:
        return None
    height = 1.75 + ROW * len(found)
    figure = Figure(figsize=(9.0, height), dpi=DPI, facecolor=palette.paper)
    axes = rows_axes(figure, [each.label for each in found], palette, (0.28, 0.95, 0.68))
    colors = _colors(palette)
    for y, each in enumerate(found):
        left = 0.0
        for name in SHARES:
            share = _share(each, name)
            axes.barh(
                y,
                share,
                left=left,
                height=0.6,
                color=colors[name],
                hatch=HATCHES.get(name),
                edgecolor=palette.paper,
                linewidth=0.6,
            )
            (middle,) = axes.plot(left + share / 2, y, alpha=0)
            middle.set_gid(f"{each.label}, {name.replace('_', ' ')}: {100 * share:.1f} %")
            left += share
    title = f"How the pairs of {short(results.main)} came out, %"
    figure.text(0.02, 1 - 0.36 / height, title, weight="bold", **font(palette.ink, 13))
    figure.legend(
        handles=[
            Patch(
                facecolor=colors[name],
                edgecolor=palette.paper,
                hatch=HATCHES.get(name),
                label=name.replace("_", " "),
            )
            for name in SHARES
        ],
        loc="lower left",
        bbox_to_anchor=(0.27, 0.08 / height),
        ncols=len(SHARES),
        frameon=False,
        labelcolor=palette.ink,
        prop={"family": FONT, "size": 9.5},
    )
    return figure


def _colors(palette: Palette) -> dict[str, str]:
    return {
        "both_right": palette.looks["clip"],
        "same_answer": palette.looks["clip-control"],
        "swapped": palette.accent,
        "other": palette.line,
    }


def _share(standing: Standing, name: str) -> float:
    """Return the mean share of an outcome over seeds."""
    return math.fsum(getattr(row, name) for row in standing.seeds) / len(standing.seeds)
