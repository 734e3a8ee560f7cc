"""The figure of scale: pair accuracy of CLIPs over their parameters, resolution and ImageNet.

Put here: the three panels, and the numbers that name their points.
Keep out: values (`tasks.zoo`), colours and letters (`drawing`, beside this file).
Source: Tong et al. 2024 (arXiv:2401.06209), Table 1 and Appendix C, which ask whether scale helps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from tasks.report.drawing import DPI, LIGHT, Palette, font, short, style_axes
from tasks.report.labels import label_places

WIDTH: Final = 11.0
PANEL: Final = 3.0
"""Height of a panel, in inches."""

LEFT: Final = 0.75
APART: Final = 0.45
HEAD: Final = 0.75
BELOW: Final = 0.7
ROW: Final = 0.21
SAID: Final = 72
COLUMNS: Final = 2
"""Of names under the panels."""

PARAMETERS: Final = "parameters of both towers"
SIDE: Final = "side of its images, px"
IMAGENET: Final = "ImageNet zero-shot, %"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledEncoder:
    """An encoder with its pair accuracy in percent and what may explain it.

    `parameters` counts both towers; `imagenet` is its zero-shot accuracy in percent; either is None
    where unknown. A published point is drawn hollow.
    """

    name: str
    accuracy: float
    low: float | None
    high: float | None
    parameters: int | None
    image_px: int | None
    imagenet: float | None
    is_published: bool = False


def draw_scaling(
    encoders: Sequence[ScaledEncoder],
    *,
    chance: float = 25.0,
    imagenet_said: str = "",
    palette: Palette = LIGHT,
) -> Figure | None:
    """Draw pair accuracy over each of the three that is known; None where there is no encoder.

    `imagenet_said` is written over the third, for instance a correlation.
    """
    if not encoders:
        return None
    lines = -(-len(encoders) // COLUMNS)
    height = HEAD + PANEL + BELOW + ROW * lines + 0.35
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=palette.paper)
    top = max([*(one.high or one.accuracy for one in encoders), chance]) * 1.08
    sides: Mapping[str, Sequence[float | None]] = {
        PARAMETERS: [one.parameters for one in encoders],
        SIDE: [one.image_px for one in encoders],
        IMAGENET: [one.imagenet for one in encoders],
    }
    known = [side for side in sides.items() if any(value is not None for value in side[1])]
    step = (WIDTH - LEFT) / len(known)
    for number, (label, across) in enumerate(known):
        place = (
            (LEFT + number * step) / WIDTH,
            (height - HEAD - PANEL) / height,
            (step - APART) / WIDTH,
            PANEL / height,
        )
        axes = figure.add_axes(place, facecolor=palette.paper)
        style_axes(axes, palette)
        axes.set_ylim(0, min(top, 104))
        axes.axhline(chance, color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlabel(label, **font(palette.muted, 9))
        _draw_points(axes, encoders, across, palette)
        if label == PARAMETERS:
            _count(axes)
        elif label == SIDE:
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        elif imagenet_said:
            said = short(imagenet_said, SAID)
            axes.text(1, 1.03, said, ha="right", transform=axes.transAxes, **font(palette.muted, 8))
        _number(axes, encoders, across, palette)
    head = "Pair accuracy of CLIPs by the rule of MMVP-VLM, %"
    figure.text(0.02, 1 - 0.34 / height, head, weight="bold", **font(palette.ink, 13))
    _name(figure, encoders, height, lines, palette)
    note = "dashed: chance"
    if any(one.low is not None for one in encoders):
        note = f"with 95 % interval; {note}"
    if any(one.is_published for one in encoders):
        note += "; hollow: published"
    figure.text(0.02, 0.12 / height, note, **font(palette.muted, 9))
    return figure


def _draw_points(
    axes: Axes,
    encoders: Sequence[ScaledEncoder],
    across: Sequence[float | None],
    palette: Palette,
) -> None:
    color = palette.looks["clip"]
    for one, x in zip(encoders, across, strict=True):
        if x is None:
            continue
        if one.low is not None and one.high is not None:
            axes.plot([x, x], [one.low, one.high], color=color, linewidth=1.1, alpha=0.45)
        fill = palette.paper if one.is_published else color
        (point,) = axes.plot(x, one.accuracy, "o", color=color, markerfacecolor=fill, markersize=6)
        point.set_gid(f"{one.name}: {one.accuracy:.1f}")
    axes.margins(x=0.14)


def _number(
    axes: Axes,
    encoders: Sequence[ScaledEncoder],
    across: Sequence[float | None],
    palette: Palette,
) -> None:
    """Write its number beside each point, once the axes have their ends."""
    found = {
        str(number): (x, one.accuracy)
        for number, (one, x) in enumerate(zip(encoders, across, strict=True), start=1)
        if x is not None
    }
    axes.get_xlim()  # until it is asked for its ends, an axes has not fitted them to its points
    to_axes = axes.transData + axes.transAxes.inverted()
    relative = {name: tuple(100 * to_axes.transform(point)) for name, point in found.items()}
    for name, (x, y, anchor) in label_places(relative, letter=2.6, line=4.6).items():
        axes.text(
            x / 100,
            y / 100,
            name,
            ha=anchor,
            va="center",
            transform=axes.transAxes,
            **font(palette.ink, 8),
        )


def _count(axes: Axes) -> None:
    """Make the axis of parameters logarithmic, with words for its powers of ten."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = [m * 10**p for p in range(2, 12) for m in (1, 2, 5)]
    shown = [step for step in steps if low <= step <= high]
    if len(shown) > 6:
        shown = shown[:: -(-len(shown) // 6)]
    axes.set_xticks(shown or [(low * high) ** 0.5])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: counted(value)))


def counted(value: float) -> str:
    """Return a number of parameters in short: 428M, 5B, 12k."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _name(
    figure: Figure,
    encoders: Sequence[ScaledEncoder],
    height: float,
    lines: int,
    palette: Palette,
) -> None:
    for number, one in enumerate(encoders):
        column, line = divmod(number, lines)
        size = f", {counted(one.parameters)}" if one.parameters else ""
        text = f"{number + 1}  {short(one.name, 48)}{size}, {one.accuracy:.1f}"
        y = height - HEAD - PANEL - BELOW - ROW * (line + 0.4)
        figure.text(0.04 + 0.49 * column, y / height, text, **font(palette.ink, 8.5))
