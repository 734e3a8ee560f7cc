"""The figure of protocols: how far one model's scores lie apart, asked and read in several ways.

Put here: the rows and their points.
Keep out: values (`results`, `evidence`), colours (`drawing`), beside this file.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.report.charts import ROW, rows_axes
from tasks.report.drawing import DPI, FONT, LIGHT, Palette, font, told_apart
from tasks.report.results import Results

MOST: Final = 24


class Reading(NamedTuple):
    """A pair accuracy under a protocol; `is_again` is one of answers to another protocol."""

    protocol: str
    accuracy: float
    is_again: bool


def readings(results: Results) -> dict[str, list[Reading]]:
    """Return by model its pair accuracies on the main benchmark, if there are several.

    They are of every protocol it was asked under, and of the same answers read under the others
    that send the same words.
    """
    found: dict[str, list[Reading]] = {}
    for row in results.scores:
        if (row.benchmark, row.pattern) == (results.main, None) and _is_plain(row.protocol):
            asked = Reading(row.protocol, row.pair_accuracy, is_again=False)
            found.setdefault(row.model, []).append(asked)
    for beside in results.evidence.beside:
        if beside.benchmark == results.main and _is_plain(beside.protocol) and beside.spread:
            again: Mapping[str, Mapping[str, float]] = beside.spread["protocols"]
            found.setdefault(beside.model, []).extend(
                Reading(name, told["pair_accuracy"], is_again=True)
                for name, told in again.items()
                if name != beside.protocol and "pair_accuracy" in told
            )
    labels = {row.model: row.label for row in results.scores}
    several = {m: sorted(rows, key=lambda r: r.accuracy) for m, rows in found.items() if rows[1:]}
    widest = sorted(several, key=lambda m: (several[m][0].accuracy - several[m][-1].accuracy, m))
    return {
        name: several[model]
        for model in widest
        for name in [labels[model] if _is_one(labels, model) else model]
    }


def _is_plain(protocol: str) -> bool:
    """Whether a way to ask is no control and no repeat."""
    return "+" not in protocol and "#" not in protocol


def _is_one(labels: Mapping[str, str], model: str) -> bool:
    """Whether no other model is called the same, as seeds are."""
    return list(labels.values()).count(labels[model]) == 1


def draw_spread(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw a row a model, a point a protocol, the widest apart first; None of one protocol."""
    found = dict(list(readings(results).items())[:MOST])
    if not found:
        return None
    names = sorted({reading.protocol for rows in found.values() for reading in rows})
    height = 1.95 + ROW * len(found)
    figure = Figure(figsize=(9.0, height), dpi=DPI, facecolor=palette.paper)
    axes = rows_axes(figure, list(found), palette, (0.28, 1.1, 0.6))
    axes.axvline(0.25, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
    for y, (model, rows) in enumerate(found.items()):
        _draw_row(axes, y, model, rows, names, palette)
    title = "The same models under several protocols: pair accuracy, %"
    figure.text(0.02, 1 - 0.36 / height, title, weight="bold", **font(palette.ink, 13))
    figure.legend(
        handles=[_handle(place, name, palette) for place, name in enumerate(names)],
        loc="lower left",
        bbox_to_anchor=(0.02, 0.3 / height),
        ncols=min(len(names), 5),
        frameon=False,
        labelcolor=palette.ink,
        prop={"family": FONT, "size": 9},
    )
    note = "filled: asked and read so; hollow: the same answers, read by another; dashed: chance"
    figure.text(0.02, 0.1 / height, note, **font(palette.muted, 9))
    return figure


def _draw_row(
    axes: Axes,
    y: int,
    model: str,
    rows: Sequence[Reading],
    names: Sequence[str],
    palette: Palette,
) -> None:
    axes.axhline(y, color=palette.line, linewidth=0.5, zorder=0)
    low, high = rows[0].accuracy, rows[-1].accuracy
    axes.plot([low, high], [y, y], color=palette.muted, linewidth=2, zorder=1)
    for reading in rows:
        color, marker = told_apart(names.index(reading.protocol), palette)
        (point,) = axes.plot(
            reading.accuracy,
            y,
            marker,
            color=color,
            markerfacecolor="none" if reading.is_again else color,
            markersize=11 if reading.is_again else 7,  # both are seen where they meet
            clip_on=False,
            zorder=3,
        )
        how = "read as" if reading.is_again else "asked by"
        point.set_gid(f"{model}, {how} {reading.protocol}: {100 * reading.accuracy:.1f}")
    said = f"{100 * (high - low):.1f} points"
    axes.text(1.17, y, said, ha="right", va="center", **font(palette.ink, 10))


def _handle(place: int, name: str, palette: Palette) -> Line2D:
    color, marker = told_apart(place, palette)
    return Line2D([], [], color=color, marker=marker, linestyle="", label=name)
