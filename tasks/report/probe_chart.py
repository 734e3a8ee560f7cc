"""The figure of what each encoder sees: probe accuracy by attribute.

Put here: the chart, and the order of its attributes.
Keep out: values (`results`), other figures (`charts`), beside this file.
"""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.report.charts import share_axis
from tasks.report.drawing import DPI, FONT, LIGHT, Palette, font, look_color, look_marker, short
from tasks.report.results import ProbeScore, Results, encoder_label

LOOK_OF_ROLE: Final = {"clip": "clip", "ssl": "ssl", "control": "clip-control"}
ROW: Final = 0.37
MOST_ROWS: Final = 40
CAPTIONED, OMITTED = "captions often name it", "captions leave it out"


def probe_order(results: Results) -> list[str]:
    """Return the attributes: those that captions name first, then patterns, then others."""
    patterns = list(results.patterns)

    def rank(row: ProbeScore) -> tuple[bool, int, str]:
        place = patterns.index(row.pattern) if row.pattern in patterns else len(patterns)
        return not row.captioned, 0 if row.captioned else place, row.attribute

    return list(dict.fromkeys(row.attribute for row in sorted(results.probes, key=rank)))


def draw_probes(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw each encoder's probe accuracy by attribute, with intervals and chance."""
    names = probe_order(results)[:MOST_ROWS]
    if not names:
        return None
    rows = [row for row in results.probes if row.attribute in names]
    captioned = {row.attribute for row in rows if row.captioned}
    groups = [(CAPTIONED, [n for n in names if n in captioned])]
    groups.append((OMITTED, [n for n in names if n not in captioned]))
    places, heads = _places([(said, group) for said, group in groups if group])
    height = 1.6 + ROW * (max(places.values()) + 1)
    figure = Figure(figsize=(9.0, height), dpi=DPI, facecolor=palette.paper)
    box = (0.16, 0.68 / height, 0.80, (height - 1.6) / height)
    axes = figure.add_axes(box, facecolor=palette.paper)
    share_axis(axes, palette, "x")
    axes.set_ylim(max(places.values()) + 0.6, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _draw_rows(axes, rows, places, palette)
    _name_rows(axes, places, heads, palette)
    _draw_legend(figure, rows, palette, height)
    title = "What a linear probe reads from each encoder's vector of an image"
    figure.text(0.02, 1 - 0.32 / height, title, weight="bold", **font(palette.ink, 12))
    note = "share of test images, with 95 % interval; grey tick: chance (the commonest value)"
    figure.text(0.02, 0.12 / height, note, **font(palette.muted, 9))
    return figure


def _places(
    groups: Sequence[tuple[str, Sequence[str]]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Return where each attribute stands, and where each group's name."""
    places: dict[str, float] = {}
    heads: dict[str, float] = {}
    at = 0.0
    for said, group in groups:
        heads[said] = at
        for name in group:
            at += 1
            places[name] = at
        at += 1.4
    return places, heads


def _draw_rows(
    axes: Axes, rows: Sequence[ProbeScore], places: dict[str, float], palette: Palette
) -> None:
    roles = _roles(rows)
    for row in rows:
        at = places[row.attribute]
        y = at + 0.22 * (roles.index(row.role) - (len(roles) - 1) / 2)
        look = LOOK_OF_ROLE.get(row.role, row.role)
        color = look_color(look, palette)
        axes.plot([row.chance] * 2, [at - 0.36, at + 0.36], color=palette.muted, linewidth=2.2)
        axes.plot([row.low, row.high], [y, y], color=color, linewidth=1.6, clip_on=False)
        axes.plot(row.accuracy, y, look_marker(look), color=color, markersize=6, clip_on=False)


def _roles(rows: Sequence[ProbeScore]) -> list[str]:
    order = list(LOOK_OF_ROLE)
    found = {row.role for row in rows}
    return sorted(found, key=lambda r: (order.index(r) if r in order else len(order), r))


def _name_rows(
    axes: Axes, places: dict[str, float], heads: dict[str, float], palette: Palette
) -> None:
    for name, y in places.items():
        style = font(palette.ink, 10)
        axes.text(-0.02, y, short(name, 18), ha="right", va="center", **style)
        axes.axhline(y, color=palette.line, linewidth=0.5, zorder=0)
    for said, y in heads.items():
        axes.text(0.0, y, said, ha="left", va="center", **font(palette.muted, 9.5))


def _draw_legend(
    figure: Figure, rows: Sequence[ProbeScore], palette: Palette, height: float
) -> None:
    names = {row.role: encoder_label(row.encoder) for row in rows}
    handles = [
        Line2D(
            [],
            [],
            color=look_color(LOOK_OF_ROLE.get(role, role), palette),
            marker=look_marker(LOOK_OF_ROLE.get(role, role)),
            linewidth=1.6,
            label=short(names[role], 40),
        )
        for role in _roles(rows)
    ]
    legend = figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.008, 1 - 0.42 / height),
        ncols=len(handles),
        frameon=False,
        prop={"family": FONT, "size": 9.5},
    )
    for text in legend.get_texts():
        text.set_color(palette.ink)
        text.set_parse_math(False)
