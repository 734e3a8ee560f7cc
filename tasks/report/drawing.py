"""What all figures of a report share: colours, letters, axes, and PNG bytes that never vary.

Put here: the two palettes, fonts, the styling of axes.
Keep out: the figures themselves (one module a subject, beside this file).
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

FONT: Final = "DejaVu Sans"
"""Comes with matplotlib, so a figure looks the same on every machine."""

DPI: Final = 200
"""Of the figures of results: at 9 inches twice the width at which a README shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of a figure; `looks` are those of models, by what they look through."""

    paper: str
    ink: str
    muted: str
    line: str
    accent: str
    few: str
    many: str
    looks: Mapping[str, str]


LIGHT: Final = Palette(
    paper="#ffffff",
    ink="#1c2128",
    muted="#59636e",
    line="#d5dae0",
    accent="#c2410c",
    few="#dbe7f3",
    many="#0b3a66",
    looks={
        "clip": "#1d66b5",
        "ssl": "#0f766e",
        "additive": "#8a4fbf",
        "interleaved": "#c2410c",
        "clip-clip": "#8f5a1e",
        "clip-control": "#6b7280",
    },
)
DARK: Final = Palette(
    paper="#15191e",
    ink="#e6eaef",
    muted="#9aa5b1",
    line="#39424d",
    accent="#ff8a4c",
    few="#1f3448",
    many="#cfe6ff",
    looks={
        "clip": "#6cb2ff",
        "ssl": "#4fd1b5",
        "additive": "#c49bf0",
        "interleaved": "#ff8a4c",
        "clip-clip": "#d9a766",
        "clip-control": "#a8b1bd",
    },
)

MARKERS: Final[Mapping[str, str]] = {
    "clip": "o",
    "ssl": "s",
    "additive": "D",
    "interleaved": "^",
    "clip-clip": "P",
    "clip-control": "v",
}
"""Told apart without colour too."""


class Spot(NamedTuple):
    """A point of a figure, in percent from its left and top, and what it says."""

    left: float
    top: float
    said: str


NEAR: Final = 0.4
"""Spots that lie nearer to each other, in percent, are one: a pointer cannot choose."""


def spots(figure: Figure) -> list[Spot]:
    """Return the single points of a figure that was drawn whose lines have a text as their gid.

    Points at one place are one spot that says a line of each.
    """
    width, height = figure.canvas.get_width_height()
    found: list[Spot] = []
    for line in (line for axes in figure.axes for line in axes.lines):
        said = line.get_gid()
        if said is None:
            continue
        for x, y in line.get_transform().transform(line.get_xydata()):
            left, top = 100 * x / width, 100 * (1 - y / height)
            there = next((n for n, spot in enumerate(found) if _is_near(spot, left, top)), None)
            if there is None:
                found.append(Spot(left, top, said))
            else:
                found[there] = found[there]._replace(said=f"{found[there].said}\n{said}")
    return found


def _is_near(spot: Spot, left: float, top: float) -> bool:
    return abs(spot.left - left) < NEAR and abs(spot.top - top) < NEAR


def look_color(look: str, palette: Palette) -> str:
    """Return the colour of models that look through these features."""
    return palette.looks.get(look, palette.muted)


def told_apart(place: int, palette: Palette) -> tuple[str, str]:
    """Return the colour and the marker of one of a few models, by its place among them."""
    look = list(MARKERS)[place % len(MARKERS)]
    return palette.looks[look], MARKERS[look]


def look_marker(look: str) -> str:
    """Return the marker of models that look through these features."""
    return MARKERS.get(look, "o")


def png_bytes(figure: Figure) -> bytes:
    """Encode a figure, without date or software, so that equal figures are equal files."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def style_axes(axes: Axes, palette: Palette) -> None:
    """Leave an axes its left and bottom line, in the palette's colours."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(palette.line)
    style_ticks(axes, palette)


def style_ticks(axes: Axes, palette: Palette) -> None:
    """Give ticks and their labels the palette's colours."""
    axes.tick_params(
        labelsize=9, labelfontfamily=FONT, labelcolor=palette.muted, color=palette.line
    )


def font(color: str, size: float) -> dict[str, Any]:
    """Return how a text is written; dollar signs stay dollar signs."""
    return {"color": color, "size": size, "family": FONT, "parse_math": False}


def short(name: str, longest: int = 46) -> str:
    """Return the name in characters that the font has, with its middle left out if it is long."""
    name = plain(name)
    if len(name) <= longest:
        return name
    half = (longest - 3) // 2
    return f"{name[:half]}...{name[-half:]}"


def plain(text: str) -> str:
    """Return a text in printable ASCII, with question marks for what that lacks."""
    return "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in text)
