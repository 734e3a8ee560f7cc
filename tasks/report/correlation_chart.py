"""The figure of correlations: a panel a multimodal model, a point a visual pattern.

Put here: the panels.
Keep out: correlations (`tasks.correlation`); colours (`drawing`) and places of labels (`labels`).
Source: Tong et al. 2024 (arXiv:2401.06209), Fig. 6, which draws the same numbers as lines.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.report.drawing import DPI, LIGHT, Palette, font, short, style_axes
from tasks.report.labels import label_places

COLUMNS: Final = 2
SIDE: Final = 3.55
"""Side of a panel, in inches."""

LEFT: Final = 0.75
APART: Final = 0.55
ABOVE: Final = 0.62
BELOW: Final = 0.5
HEAD: Final = 0.62
FOOT: Final = 0.42
MARGIN: Final = 4.0
"""Room around the points, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationPanel:
    """A CLIP against a model: accuracies in percent by what is compared, the CLIP's first.

    `said` is written under the title, for instance the correlation with its interval. `numbers`
    are those of `tasks.correlation.Correlation`, for a table; `stated` is what its source says.
    """

    title: str
    said: str
    points: Mapping[str, tuple[float, float]]
    clip: str = ""
    """What the CLIP is called, if the figure has several."""
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    stated: float | None = None


def draw_correlations(
    panels: Sequence[CorrelationPanel],
    *,
    title: str = "Pair accuracy by visual pattern, %",
    across: str = "CLIP, %",
    up: str = "model, %",
    note: str = "",
    palette: Palette = LIGHT,
) -> Figure | None:
    """Draw the panels, two in a row, all with the same axes; None where there is none."""
    if not panels:
        return None
    columns = min(COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    width = max(LEFT + columns * (SIDE + APART), 8.6 if columns > 1 else 5.2)
    height = HEAD + lines * (ABOVE + SIDE + BELOW) + FOOT
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=palette.paper)
    ends = _ends(panels)
    for number, panel in enumerate(panels):
        line, column = divmod(number, columns)
        left = LEFT + column * (SIDE + APART)
        bottom = height - HEAD - line * (ABOVE + SIDE + BELOW) - ABOVE - SIDE
        place = (left / width, bottom / height, SIDE / width, SIDE / height)
        axes = figure.add_axes(place, facecolor=palette.paper)
        _draw_panel(axes, panel, ends, palette)
        named = f"{short(panel.clip, 44)}, %" if panel.clip else across
        axes.set_xlabel(named, **font(palette.muted, 9))
        if column == 0:
            axes.set_ylabel(up, **font(palette.muted, 9))
    figure.text(0.02, 1 - 0.34 / height, title, weight="bold", **font(palette.ink, 13))
    figure.text(0.02, 0.14 / height, note, **font(palette.muted, 9))
    return figure


def _ends(panels: Sequence[CorrelationPanel]) -> tuple[float, float, float, float]:
    """Return where the axes begin and end, across and up, the same for all panels."""
    found = [point for panel in panels for point in panel.points.values()]
    across, up = ([point[side] for point in found] for side in (0, 1))
    return (
        max(min(across, default=0) - MARGIN, -MARGIN),
        min(max(across, default=100) + MARGIN, 100 + MARGIN),
        max(min(up, default=0) - MARGIN, -MARGIN),
        min(max(up, default=100) + MARGIN, 100 + MARGIN),
    )


def _draw_panel(
    axes: Axes,
    panel: CorrelationPanel,
    ends: tuple[float, float, float, float],
    palette: Palette,
) -> None:
    style_axes(axes, palette)
    left, right, low, high = ends
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    axes.grid(color=palette.line, linewidth=0.5)
    axes.set_axisbelow(True)
    color = palette.looks["clip"]
    axes.text(0, 1.12, short(panel.title, 40), transform=axes.transAxes, **font(palette.ink, 10.5))
    axes.text(0, 1.035, short(panel.said, 56), transform=axes.transAxes, **font(palette.muted, 9))
    scale = (right - left, high - low)
    relative = {
        name: (100 * (x - left) / scale[0], 100 * (y - low) / scale[1])
        for name, (x, y) in panel.points.items()
    }
    for name, (x, y, anchor) in label_places(relative).items():
        (point,) = axes.plot(*panel.points[name], "o", color=color, markersize=6, clip_on=False)
        across, up = panel.points[name]
        point.set_gid(f"{name}: {across:.1f}, {up:.1f}")
        axes.text(
            x / 100,
            y / 100,
            short(name, 18),
            ha=anchor,
            va="center",
            transform=axes.transAxes,
            **font(palette.ink, 8.5),
        )
