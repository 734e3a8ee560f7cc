"""The figure of the leaderboard: models measured here, and published ones beside them.

Put here: the rows, at the level of pairs alone.
Keep out: which rows stand beside each other (`boards`), colours (`drawing`).
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.report.boards import boards
from tasks.report.charts import ROW, rows_axes
from tasks.report.drawing import DPI, LIGHT, Palette, font, short
from tasks.report.evidence import PAIR, RankedRow
from tasks.report.results import Results

MOST: Final = 36


def ranked_pairs(results: Results) -> list[RankedRow]:
    """Return the rows of the figure: measured under the shown key, published ones of reference."""
    keys = {row.key for row in results.scores if row.benchmark == results.main}
    found = next((each for name, each in boards(results) if name == results.main), [])
    rows = next((board.rows for board in found if board.level == PAIR), ())
    return [row for row in rows if row.is_reference or _is_plain(row, keys)][:MOST]


def _is_plain(row: RankedRow, keys: Collection[str]) -> bool:
    """Whether a row was measured here under one of the keys, without a control."""
    return row.key in keys and "+" not in (row.protocol or "")


def draw_board(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw each row's pair accuracy with its interval, best first; None where there is none."""
    rows = ranked_pairs(results)
    if not rows:
        return None
    height = 1.6 + ROW * len(rows)
    figure = Figure(figsize=(9.0, height), dpi=DPI, facecolor=palette.paper)
    axes = rows_axes(figure, _names(rows), palette, (0.4, 0.78, 0.5))
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(**font(palette.ink if row.is_measured else palette.muted, 9.5))
    for guesser in results.evidence.guessers:
        if guesser.pair_accuracy:
            axes.axvline(
                guesser.pair_accuracy, color=palette.muted, linewidth=1, linestyle=(0, (4, 3))
            )
            axes.text(
                guesser.pair_accuracy,
                -0.75,
                guesser.name,
                ha="center",
                va="bottom",
                **font(palette.muted, 8),
            )
    for y, row in enumerate(rows):
        _draw_row(axes, y, row, palette)
    title = f"Pair accuracy on {short(results.main)}, %"
    figure.text(0.02, 1 - 0.36 / height, title, weight="bold", **font(palette.ink, 13))
    note = "with 95 % interval by Wilson; dashed: what guessers get"
    if not all(row.is_measured for row in rows):
        note += "; hollow: published by Tong et al. 2024, not measured here"
    figure.text(0.02, 0.12 / height, note, **font(palette.muted, 9))
    return figure


def _names(rows: Sequence[RankedRow]) -> list[str]:
    """Return what rows are called: one that was asked in several ways with each of them."""
    counts = Counter(row.label for row in rows if row.is_measured)
    return [
        f"{row.label} ({row.protocol})" if counts[row.label] > 1 and row.is_measured else row.label
        for row in rows
    ]


def _draw_row(axes: Axes, y: int, row: RankedRow, palette: Palette) -> None:
    color = palette.looks["clip"]
    axes.axhline(y, color=palette.line, linewidth=0.5, zorder=0)
    said = f"{row.label}: {row.value:.1f}"
    if row.low is not None and row.high is not None:
        axes.plot([row.low / 100, row.high / 100], [y, y], color=color, linewidth=1.8, alpha=0.6)
        said += f" ({row.low:.1f} to {row.high:.1f})"
    (point,) = axes.plot(
        row.value / 100,
        y,
        "o" if row.is_measured else "D",
        color=color if row.is_measured else palette.muted,
        markerfacecolor=color if row.is_measured else palette.paper,
        markersize=7 if row.is_measured else 5.5,
        clip_on=False,
        zorder=3,
    )
    where = f"{row.protocol or 'protocol unknown'}{', published' if not row.is_measured else ''}"
    point.set_gid(f"{said}, {where}")
    axes.text(1.2, y, f"{row.value:.1f}", ha="right", va="center", **font(palette.ink, 10))
