"""The figures of pair accuracy: the main models beside each other, and the sweep of SSL shares.

Put here: the two figures, each None where there is nothing to draw.
Keep out: accuracy by pattern (`radar`), probes (`probe_chart`), values (`results`), beside this
    file.

Source: Tong et al. 2024 (arXiv:2401.06209), "Mixture-of-Features", for the sweep.
"""

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.report.drawing import (
    DPI,
    LIGHT,
    Palette,
    font,
    look_color,
    look_marker,
    plain,
    short,
    style_axes,
)
from tasks.report.results import Results, Standing, standings

SIDES: Final = ("mined", "captioned")
"""The benchmarks of both figures: what CLIP is blind to, and the general ability."""

ROW: Final = 0.4
"""Height of a model, in inches."""

APART: Final = 1.24
"""Where Interleaved stands, right of the shares from 0 to 1."""


def draw_results(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw each variant's pair accuracy with its interval, benchmarks side by side."""
    names = SIDES if results.main in SIDES else (results.main,)
    sides = [(name, standings(results, name)) for name in names]
    sides = [(name, found) for name, found in sides if found]
    if not sides:
        return None
    rows = _rows([found for _, found in sides])
    height = 1.6 + ROW * len(rows)
    figure = Figure(figsize=(9.0, height), dpi=DPI, facecolor=palette.paper)
    width = 0.71 / len(sides)
    for n, (name, found) in enumerate(sides):
        place = (0.28 + n * width, 0.68 / height, width - 0.085, ROW * len(rows) / height)
        axes = figure.add_axes(place, facecolor=palette.paper)
        _draw_side(axes, results, name, found, rows, palette)
        if n == 0:
            _name_rows(axes, rows, palette)
    figure.text(0.02, 1 - 0.3 / height, "Pair accuracy, %", weight="bold", **font(palette.ink, 14))
    note = "share of pairs with both questions right, with 95 % interval; dashed: chance"
    if any(len(each.seeds) > 1 for each in rows):
        note += "; points: seeds"
    figure.text(0.02, 0.1 / height, note, **font(palette.muted, 9))
    return figure


def _rows(sides: Sequence[Sequence[Standing]]) -> list[Standing]:
    """Return the variants of all sides, each once, in the order of the first."""
    rows = {each.label: each for found in reversed(sides) for each in found}
    order = {each.label: None for found in sides for each in found}
    return [rows[label] for label in order]


def _draw_side(
    axes: Axes,
    results: Results,
    benchmark: str,
    found: Sequence[Standing],
    rows: Sequence[Standing],
    palette: Palette,
) -> None:
    places = {each.label: place for place, each in enumerate(rows)}
    share_axis(axes, palette, "x")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.axvline(found[0].seeds[0].chance, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
    for each in found:
        y, color = places[each.label], look_color(each.look, palette)
        axes.barh(y, each.accuracy, height=0.56, color=color, alpha=1 if each.is_trained else 0.55)
        axes.plot([each.low, each.high], [y, y], color=palette.paper, linewidth=4, zorder=3)
        axes.plot([each.low, each.high], [y, y], color=palette.ink, linewidth=1.6, zorder=4)
        for row in each.seeds if len(each.seeds) > 1 else ():
            axes.plot(row.pair_accuracy, y, ".", color=palette.ink, markersize=4, clip_on=False)
        axes.axhline(y, color=palette.line, linewidth=0.5, zorder=0)
        (end,) = axes.plot(each.accuracy, y, alpha=0)
        end.set_gid(f"{each.label}, {benchmark}: {said_interval(each)}")
        value = f"{100 * each.accuracy:.1f}"
        axes.text(1.17, y, value, ha="right", va="center", **font(palette.ink, 10))
    axes.set_title(_heading(results, benchmark, found), loc="left", **font(palette.ink, 10))


def said_interval(each: Standing) -> str:
    """Return a pair accuracy with its interval in percent."""
    return f"{100 * each.accuracy:.1f} ({100 * each.low:.1f} to {100 * each.high:.1f})"


def _heading(results: Results, benchmark: str, found: Sequence[Standing], joint: str = ": ") -> str:
    pairs = max(each.pairs for each in found)
    said = results.benchmarks.get(benchmark)
    name = f"{short(benchmark)}{joint}{short(said)}" if said else short(benchmark)
    return f"{name}\n{pairs:,} pairs"


def _name_rows(axes: Axes, rows: Sequence[Standing], palette: Palette) -> None:
    axes.set_yticks(range(len(rows)), [row_name(each.label) for each in rows])
    axes.tick_params(axis="y", length=0, pad=6)
    for label in axes.get_yticklabels():
        label.set(**font(palette.ink, 10))
    first = next((n for n, each in enumerate(rows) if not each.is_trained), 0)
    if first:  # encoders are asked otherwise than the models above them
        axes.axhline(
            first - 0.5, xmin=-0.9, clip_on=False, color=palette.line, linewidth=1, zorder=0
        )


def row_name(label: str) -> str:
    """Return a label in at most two lines that fit beside a chart."""
    return "\n".join(
        textwrap.wrap(plain(label), 29, max_lines=2, placeholder="...", break_long_words=True)
    )


def rows_axes(
    figure: Figure, labels: Sequence[str], palette: Palette, place: tuple[float, float, float]
) -> Axes:
    """Add axes with a named row a label, the first on top, and shares across.

    `place` is where they begin from the left and from below, and their width: the first and the
    last in parts of the figure's width, the second in inches.
    """
    left, below, width = place
    height = figure.get_figheight()
    size = (left, below / height, width, ROW * len(labels) / height)
    axes = figure.add_axes(size, facecolor=palette.paper)
    share_axis(axes, palette, "x")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.set_yticks(range(len(labels)), [row_name(label) for label in labels])
    axes.tick_params(axis="y", length=0, pad=6)
    for label in axes.get_yticklabels():
        label.set(**font(palette.ink, 10))
    return axes


def share_axis(axes: Axes, palette: Palette, which: str) -> None:
    """Make an axis run over all shares, so that no figure exaggerates."""
    style_axes(axes, palette)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    labels = [f"{100 * tick:.0f} %" for tick in ticks]
    if which == "x":
        axes.set_xlim(0, 1)
        axes.set_xticks(ticks, labels)
    else:
        axes.set_ylim(0, 1.02)
        axes.set_yticks(ticks, labels)
        axes.grid(axis="y", color=palette.line, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)


def draw_sweep(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw pair accuracy against the SSL encoder's share, with Interleaved beside it."""
    series = [(name, _swept(standings(results, name))) for name in SIDES]
    series = [(name, found) for name, found in series if len(found) > 1]
    if not series:
        return None
    figure = Figure(figsize=(9.0, 4.9), dpi=DPI, facecolor=palette.paper)
    axes = figure.add_axes((0.085, 0.2, 0.66, 0.68), facecolor=palette.paper)
    share_axis(axes, palette, "y")
    chance = series[0][1][0][1].seeds[0].chance
    axes.axhline(chance, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.625, chance - 0.015, "chance", ha="center", va="top", **font(palette.muted, 9))
    ends: list[tuple[float, str, str]] = []
    for n, (name, found) in enumerate(series):
        color = palette.accent if name == SIDES[0] else palette.looks["clip"]
        apart = next((e for e in standings(results, name) if e.look == "interleaved"), None)
        _draw_series(axes, found, apart, color, shift=(n - 0.5) * 0.02 * (len(series) - 1))
        at = (found[-1][1] if apart is None else apart).accuracy
        ends.append((at, _heading(results, name, [e for _, e in found], ":\n"), color))
    _name_series(axes, ends)
    _name_shares(axes, [found for _, found in series], palette)
    axes.set_title("Pair accuracy by the SSL encoder's share", loc="left", **_bold(palette))
    note = "95 % intervals" + (
        "; each small point is a seed, the line joins their means"
        if any(len(each.seeds) > 1 for _, found in series for _, each in found)
        else ""
    )
    figure.text(0.02, 0.03, note, **font(palette.muted, 9))
    return figure


def _bold(palette: Palette) -> dict[str, Any]:
    return {**font(palette.ink, 12), "weight": "bold", "pad": 14}


Swept = list[tuple[float, Standing]]


def _swept(found: Sequence[Standing]) -> Swept:
    """Return the variants that mix two encoders in one share or another, by share."""
    ends = {"clip": 0.0, "ssl": 1.0}
    shares = [
        (ends.get(each.look, each.ssl_share or 0.0), each)
        for each in found
        if each.is_trained and each.look in {"clip", "ssl", "additive"}
    ]
    return sorted(shares, key=lambda pair: pair[0])


def _draw_series(
    axes: Axes, found: Swept, apart: Standing | None, color: str, *, shift: float
) -> None:
    shares = [share + shift for share, _ in found]
    axes.plot(shares, [each.accuracy for _, each in found], color=color, linewidth=1.6, zorder=2)
    placed = [*zip(shares, (each for _, each in found), strict=True)]
    if apart is not None:
        placed.append((APART + shift, apart))
    for x, each in placed:
        axes.plot([x, x], [each.low, each.high], color=color, linewidth=1.4, zorder=2)
        marker = look_marker(each.look)
        axes.plot(x, each.accuracy, marker, color=color, markersize=7, zorder=3)
        for row in each.seeds if len(each.seeds) > 1 else ():
            axes.plot(x + 0.018, row.pair_accuracy, ".", color=color, markersize=4, zorder=3)


def _name_series(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write each series' name right of its end, apart from the others'."""
    room, above = 0.2, 2.0
    for at, said, color in sorted(ends, reverse=True):
        above = min(at, above - room)
        axes.text(
            1.03,
            above,
            said,
            va="center",
            linespacing=1.4,
            transform=axes.get_yaxis_transform(),
            **font(color, 10),
        )


def _name_shares(axes: Axes, series: Sequence[Swept], palette: Palette) -> None:
    shares = sorted({share for found in series for share, _ in found})
    words = {0.0: "\nCLIP only", 1.0: "\nSSL only"}
    labels = [f"{share:g}{words.get(share, '')}" for share in shares]
    is_apart = axes.get_xlim()[1] > APART
    if is_apart:
        shares, labels = [*shares, APART], [*labels, "both in turn\nInterleaved"]
        axes.axvline((1 + APART) / 2, color=palette.line, linewidth=1)
    axes.set_xlim(-0.06, APART + 0.12 if is_apart else 1.06)
    axes.set_xticks(shares, labels)
    axes.set_xlabel("SSL encoder's share of the additive mixture", **font(palette.ink, 10))
