"""The pictures of a report: the plane of the two cosines, and the best pairs side by side.

Put here: the two figures of mining.
Keep out: what is drawn (`tasks.report.contents`), files (`tasks.report.page`), colours and fonts
    (`tasks.report.drawing`), figures of models (`tasks.report.charts`).

Source: Tong et al. 2024 (arXiv:2401.06209), "Finding CLIP-blind Pairs".

Shapes:
    P  pairs of images on the plane    M  mined pairs on the plane    H, W, C  a canvas
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from tasks.report.contents import PairCard, ReportContents
from tasks.report.drawing import LIGHT, Palette, font, short, style_axes, style_ticks
from tasks.report.pictures import fit_tile

BINS: Final = 110
"""Cells along each axis of the plane."""

ASIDE_LEFT: Final = 0.79
ASIDE_WIDTH: Final = 0.185
"""Where the plane's legend and its enlarged corner stand, in shares of the figure's width."""

TITLE: Final = "Same to CLIP, different to a self-supervised encoder"

TILE_PX: Final = 192  # a whole multiple of 32, 48, 64 and 96
GAP_PX: Final = 6
ROOM_PX: Final = 36
MARGIN_PX: Final = 32
HEAD_PX: Final = 112
STEP_PX: Final = (2 * TILE_PX + GAP_PX + ROOM_PX, TILE_PX + 66)
"""From one pair to the next, across and down."""


class PicturedPair(NamedTuple):
    """A pair with both of its thumbnails."""

    card: PairCard
    image_a: Image.Image
    image_b: Image.Image


def draw_plane(contents: ReportContents, palette: Palette = LIGHT) -> Figure:
    """Draw where all pairs lie on the plane of the two cosines, and the corner that is mined."""
    figure = Figure(figsize=(9.0, 5.6), dpi=160, facecolor=palette.paper)
    axes = figure.add_axes((0.085, 0.115, 0.64, 0.81), facecolor=palette.paper)
    x_low, x_high = _limits(contents.clip_cosines_P, contents.mined_clip_M, contents.clip_above)
    y_low, y_high = _limits(contents.ssl_cosines_P, contents.mined_ssl_M, contents.ssl_below)
    axes.set_xlim(x_low, x_high)
    axes.set_ylim(y_low, y_high)

    _draw_density(figure, axes, contents, palette)
    _draw_corner(axes, contents, palette)
    _draw_aside(figure, contents, palette)
    style_axes(axes, palette)
    axes.set_xlabel(f"CLIP cosine ({short(contents.clip)})", **font(palette.ink, 10))
    axes.set_ylabel(f"SSL cosine ({short(contents.ssl)})", **font(palette.ink, 10))
    axes.set_title(short(contents.plane_note, 90), loc="left", **font(palette.muted, 9))
    return figure


def _limits(
    cosines_P: NDArray[np.float64], mined_M: NDArray[np.float64], threshold: float
) -> tuple[float, float]:
    shown = np.concatenate([cosines_P if cosines_P.size else [0.0, 1.0], mined_M])
    # A corner of no width could not be seen.
    low = min(float(shown.min()), threshold - 0.05)
    high = max(float(shown.max()), threshold + 0.05)
    margin = 0.02 * (high - low)
    return max(low - margin, -1.02), min(high + margin, 1.02)


def _draw_density(figure: Figure, axes: Axes, contents: ReportContents, palette: Palette) -> None:
    if not contents.clip_cosines_P.size:
        return
    counts_XY, x_edges, y_edges = np.histogram2d(
        contents.clip_cosines_P,
        contents.ssl_cosines_P,
        bins=BINS,
        range=(axes.get_xlim(), axes.get_ylim()),
    )
    mesh = axes.pcolormesh(
        x_edges,
        y_edges,
        np.ma.masked_equal(counts_XY.T, 0),
        norm=LogNorm(1, max(10.0, float(counts_XY.max()))),
        cmap=LinearSegmentedColormap.from_list("density", [palette.few, palette.many]),
    )
    bar_axes = figure.add_axes((ASIDE_LEFT, 0.905, ASIDE_WIDTH, 0.02))
    bar = figure.colorbar(mesh, cax=bar_axes, orientation="horizontal", format=_brief_count)
    bar.outline.set_visible(False)
    bar_axes.minorticks_off()
    style_ticks(bar_axes, palette)
    bar_axes.set_title("pairs in a cell", loc="left", **font(palette.muted, 9))


def _brief_count(count: float, _: int | None) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return f"{count:g}"


def _draw_corner(axes: Axes, contents: ReportContents, palette: Palette) -> None:
    x_high, y_low = axes.get_xlim()[1], axes.get_ylim()[0]
    corner = Rectangle(
        (contents.clip_above, y_low),
        x_high - contents.clip_above,
        contents.ssl_below - y_low,
        facecolor=(*to_rgb(palette.accent), 0.10),
        edgecolor=palette.accent,
        linewidth=1.3,
        zorder=3,
    )
    axes.add_patch(corner)
    _draw_mined(axes, contents, palette, size=4)


def _draw_mined(axes: Axes, contents: ReportContents, palette: Palette, *, size: float) -> None:
    axes.scatter(
        contents.mined_clip_M,
        contents.mined_ssl_M,
        s=size,
        color=palette.accent,
        alpha=1.0 if contents.mined_clip_M.size <= 200 else 0.5,
        linewidth=0.0,
        zorder=4,
    )


def _draw_aside(figure: Figure, contents: ReportContents, palette: Palette) -> None:
    """Say what the corner is, and show its points enlarged."""
    pairs = "1 mined pair" if contents.mined == 1 else f"{contents.mined:,} mined pairs"
    drawn = contents.mined_clip_M.size
    sampled = f"\n({drawn:,} of them drawn)" if drawn < contents.mined else ""
    label = (
        f"{pairs}{sampled}\nCLIP cosine > {contents.clip_above:.4g}\n"
        f"SSL cosine < {contents.ssl_below:.4g}"
    )
    style = {**font(palette.accent, 10), "linespacing": 1.5, "verticalalignment": "bottom"}
    figure.text(ASIDE_LEFT, 0.57, label, **style)
    if not drawn:
        return
    axes = figure.add_axes((ASIDE_LEFT, 0.115, ASIDE_WIDTH, 0.43), facecolor=palette.paper)
    _draw_mined(axes, contents, palette, size=14 if drawn <= 200 else 5)
    x_span = max(float(contents.mined_clip_M.max()) - contents.clip_above, 1e-3)
    y_span = max(contents.ssl_below - float(contents.mined_ssl_M.min()), 1e-3)
    axes.set_xlim(contents.clip_above, contents.clip_above + 1.06 * x_span)
    axes.set_ylim(contents.ssl_below - 1.06 * y_span, contents.ssl_below)
    axes.locator_params(nbins=4)
    axes.set_facecolor((*to_rgb(palette.accent), 0.10))
    style_ticks(axes, palette)
    for spine in axes.spines.values():
        spine.set_color(palette.accent)


def draw_pairs(
    contents: ReportContents, pairs: Sequence[PicturedPair], palette: Palette = LIGHT
) -> Figure:
    """Draw pairs, four a row, each as two images with both cosines under them."""
    columns = max(2, min(4, len(pairs)))
    rows = max(1, -(-len(pairs) // columns))
    width = 2 * MARGIN_PX + columns * STEP_PX[0] - ROOM_PX
    height = HEAD_PX + rows * STEP_PX[1]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=palette.paper)
    _write(figure, (MARGIN_PX, 38), TITLE, **font(palette.ink, 19), weight="bold")
    longest = 46 if columns > 2 else 26
    names = f"CLIP: {short(contents.clip, longest)}    SSL: {short(contents.ssl, longest)}"
    _write(figure, (MARGIN_PX, 76), names, **font(palette.muted, 13))
    if not pairs:
        _write(figure, (MARGIN_PX, HEAD_PX + 20), "No pairs to show.", **font(palette.ink, 16))

    canvas = Image.new("RGB", (width, height), palette.paper)
    for n, pair in enumerate(pairs):
        x, y = MARGIN_PX + n % columns * STEP_PX[0], HEAD_PX + n // columns * STEP_PX[1]
        x_ssl, y_text = x + TILE_PX + GAP_PX, y + TILE_PX + 24
        _paste(canvas, (x, y), pair.image_a, palette)
        _paste(canvas, (x_ssl, y), pair.image_b, palette)
        clip, ssl = f"CLIP {pair.card.clip_cosine:z.3f}", f"SSL {pair.card.ssl_cosine:z.3f}"
        _write(figure, (x, y_text), clip, **font(palette.ink, 16))
        _write(figure, (x_ssl, y_text), ssl, **font(palette.accent, 16), weight="bold")
    figure.figimage(np.asarray(canvas), zorder=-1)
    return figure


def _write(figure: Figure, at_px: tuple[int, int], text: str, **style: Any) -> None:
    width, height = figure.get_size_inches() * figure.dpi
    x, y = at_px
    figure.text(x / width, 1 - y / height, text, verticalalignment="center", **style)


def _paste(
    canvas: Image.Image, at_px: tuple[int, int], image: Image.Image, palette: Palette
) -> None:
    x, y = at_px
    canvas.paste(palette.line, (x, y, x + TILE_PX, y + TILE_PX))
    tile = fit_tile(image, TILE_PX)
    canvas.paste(tile, (x + (TILE_PX - tile.width) // 2, y + (TILE_PX - tile.height) // 2))
