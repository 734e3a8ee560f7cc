"""The figure of a grid: which encoder is blind where another sees, and how far that overlaps.

Put here: the two matrices.
Keep out: counting (`tasks.grid`); colours and letters (`drawing`, beside this file).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tasks.report.drawing import DPI, LIGHT, Palette, font, short

CELL: Final = 0.62
"""Side of a cell of the left matrix, in inches."""

SMALL_CELL: Final = 0.3
MOST: Final = 9.0
"""Side that the right matrix does not exceed, in inches."""

LABELS: Final = 2.3
"""Room for names beside a matrix, in inches."""

BELOW: Final = 1.7
TITLE: Final = 0.6

WRITTEN: Final = 30
"""Up to so many minings the overlap is written into its cell."""

Sides = tuple[str, str]
"""The encoder that is blind and the one that sees."""


def draw_grid(
    encoders: Sequence[str],
    pairs: Mapping[Sides, int],
    shared: Mapping[tuple[Sides, Sides], float | None],
    palette: Palette = LIGHT,
) -> Figure:
    """Draw blind pairs by the encoder that is blind and the one that sees, and their overlaps.

    `shared` has the Jaccard index of each two sets of pairs, once or both ways round.
    """
    minings = [(a, b) for a in encoders for b in encoders if a != b]
    left, right = CELL * len(encoders), min(max(SMALL_CELL * len(minings), 1.8), MOST)
    height = max(left, right) + BELOW + TITLE
    width = max(left + right + LABELS + 1.5, 8.6)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=palette.paper)
    counts_NN = np.full((len(encoders), len(encoders)), np.nan)
    for (clip, ssl), count in pairs.items():
        counts_NN[encoders.index(clip), encoders.index(ssl)] = count
    top = height - TITLE
    place = (LABELS / width, (top - left) / height, left / width, left / height)
    axes = figure.add_axes(place, facecolor=palette.paper)
    _matrix(axes, np.sqrt(counts_NN), None, palette)
    _write(axes, counts_NN, palette, size=9)
    names = [f"{place}  {short(name, 26)}" for place, name in enumerate(encoders, start=1)]
    _name(axes, names, names, palette)
    axes.set_xlabel("tells them apart", **font(palette.muted, 9))
    axes.set_ylabel("takes them for the same", **font(palette.muted, 9))
    start = left + LABELS + 1.1
    place = (start / width, (top - right) / height, right / width, right / height)
    axes = figure.add_axes(place, facecolor=palette.paper)
    jaccard_MM = _jaccard(minings, shared)
    _matrix(axes, jaccard_MM, 1.0, palette)
    if len(minings) <= WRITTEN:
        _write(axes, np.round(100 * jaccard_MM), palette, size=6)
    numbers = {name: str(place) for place, name in enumerate(encoders, start=1)}
    sides = [f"{numbers[a]} / {numbers[b]}" for a, b in minings]
    _name(axes, sides, sides, palette)
    axes.set_ylabel("encoder that is blind / that sees", **font(palette.muted, 9))
    figure.text(0.02, 1 - 0.32 / height, "CLIP-blind pairs", weight="bold", **font(palette.ink, 13))
    figure.text(
        (start - 0.7) / width,
        1 - 0.32 / height,
        "Overlap of these sets (Jaccard, %)",
        weight="bold",
        **font(palette.ink, 13),
    )
    return figure


def _jaccard(
    minings: Sequence[Sides], shared: Mapping[tuple[Sides, Sides], float | None]
) -> NDArray[np.float64]:
    jaccard_MM = np.full((len(minings), len(minings)), np.nan)
    for (one, other), value in shared.items():
        if value is not None:
            i, j = minings.index(one), minings.index(other)
            jaccard_MM[i, j] = jaccard_MM[j, i] = value
    return jaccard_MM


def _matrix(axes: Axes, values: NDArray[np.float64], most: float | None, palette: Palette) -> None:
    shades = LinearSegmentedColormap.from_list("counts", [palette.few, palette.many])
    colors = shades.with_extremes(bad=palette.paper)
    largest = most or max(float(np.nanmax(values, initial=0.0)), 1e-9)
    axes.imshow(values, cmap=colors, vmin=0, vmax=largest, aspect="auto")
    for side in axes.spines.values():
        side.set_color(palette.line)


def _write(axes: Axes, values: NDArray[np.float64], palette: Palette, *, size: float) -> None:
    (image,) = axes.get_images()
    shown = np.asarray(image.get_array())
    _, largest = image.get_clim()
    for i, j in np.argwhere(np.isfinite(values)):
        is_dark = shown[i, j] > 0.55 * largest
        color = palette.paper if is_dark else palette.ink
        axes.text(j, i, f"{values[i, j]:,.0f}", ha="center", va="center", **font(color, size))


def _name(axes: Axes, rows: Sequence[str], columns: Sequence[str], palette: Palette) -> None:
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, pad=4)
    size = 8 if len(rows) <= WRITTEN else 4.5
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set(**font(palette.ink, size))
