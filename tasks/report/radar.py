"""The figure of pair accuracy by visual pattern, one outline a model.

Put here: the radar, and which patterns and models it shows.
Keep out: values (`results`), other figures (`charts`), beside this file.

Source: Tong et al. 2024 (arXiv:2401.06209), "Systematic Failures in CLIP", for the patterns.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.report.drawing import (
    DPI,
    FONT,
    LIGHT,
    Palette,
    font,
    look_color,
    look_marker,
    plain,
    short,
    told_apart,
)
from tasks.report.results import FEW_PAIRS, Results, Standing, main_standings, standings

FEWEST_AXES: Final = 3
MOST_AXES: Final = 12


class Spokes(NamedTuple):
    """Which patterns are shown with how many pairs each, and each model's accuracy in them."""

    pairs: Mapping[str, int]
    models: Sequence[tuple[Standing, Sequence[float]]]


def spokes(results: Results) -> Spokes:
    """Gather the main models' accuracy by pattern; of too many patterns the largest are kept."""
    by_pattern = {
        pattern: {each.label: each for each in standings(results, results.main, pattern=pattern)}
        for pattern in results.asked_patterns(results.main)
    }
    pairs = {name: max(e.pairs for e in found.values()) for name, found in by_pattern.items()}
    largest = sorted(pairs, key=lambda name: -pairs[name])[:MOST_AXES]
    shown = {name: n for name, n in pairs.items() if name in largest}
    models = [
        (each, [by_pattern[name][each.label].accuracy for name in shown])
        for each in main_standings(standings(results, results.main))
        if all(each.label in by_pattern[name] for name in shown)
    ]
    return Spokes(shown, models)


def draw_radar(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw the main models' pair accuracy by pattern; None for fewer than three patterns."""
    pairs, models = spokes(results)
    if len(pairs) < FEWEST_AXES or not models:
        return None
    figure = Figure(figsize=(9.0, 6.7), dpi=DPI, facecolor=palette.paper)
    axes: Any = figure.add_axes((0.15, 0.135, 0.50, 0.67), projection="polar")
    axes.set_facecolor(palette.paper)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    angles = [2 * math.pi * n / len(pairs) for n in range(len(pairs))]
    _draw_web(axes, pairs, angles, models[0][0].seeds[0].chance, palette)
    for place, (each, accuracies) in enumerate(models):
        style = _style(place, each, palette)
        axes.plot(
            [*angles, angles[0]],
            [*accuracies, accuracies[0]],
            markersize=5.5,
            linewidth=1.8,
            clip_on=False,
            zorder=3,
            **style,
        )
        for angle, accuracy, pattern in zip(angles, accuracies, pairs, strict=True):
            (point,) = axes.plot(angle, accuracy, alpha=0, clip_on=False, **style)
            point.set_gid(f"{each.label}, {pattern}: {100 * accuracy:.1f}")
    _draw_legend(figure, models, palette)
    title = f"Pair accuracy by visual pattern, benchmark {short(results.main)}"
    figure.text(0.02, 0.95, title, weight="bold", **font(palette.ink, 12))
    figure.text(0.02, 0.03, _note(pairs, models), **font(palette.muted, 9))
    return figure


def _style(place: int, standing: Standing, palette: Palette) -> dict[str, Any]:
    """Return how a model is drawn: one trained here by its look, others by their place."""
    color, marker = look_color(standing.look, palette), look_marker(standing.look)
    if not standing.is_trained:
        color, marker = told_apart(place, palette)
    is_control = standing.look == "clip-control"
    return {"color": color, "marker": marker, "linestyle": "--" if is_control else "-"}


def _draw_web(
    axes: Any,
    pairs: Mapping[str, int],
    angles: Sequence[float],
    chance: float,
    palette: Palette,
) -> None:
    axes.set_ylim(0, 1)
    axes.set_rorigin(-0.18)  # models that see nothing stay apart from each other
    axes.set_rgrids([0.25, 0.5, 0.75, 1], ["", "50", "75", "100 %"], angle=180 / len(pairs))
    axes.tick_params(labelsize=8, labelfontfamily=FONT, labelcolor=palette.muted)
    axes.grid(color=palette.line, linewidth=0.8)
    for side in ("polar", "inner"):
        axes.spines[side].set_color(palette.line)
    circle = [2 * math.pi * n / 180 for n in range(181)]
    axes.plot(circle, [chance] * len(circle), color=palette.muted, linewidth=1, linestyle="--")
    axes.set_xticks(angles, [])
    for (name, n), angle in zip(pairs.items(), angles, strict=True):
        sine = math.sin(angle)
        axes.text(
            angle,
            1.09,
            f"{textwrap.fill(plain(name), 17, max_lines=3, placeholder='...')}\n"
            f"n = {n}{' (!)' if n < FEW_PAIRS else ''}",
            ha="center" if abs(sine) < 0.05 else "left" if sine > 0 else "right",
            va="bottom" if math.cos(angle) > 0.9 else "center",
            linespacing=1.25,
            **font(palette.ink, 9),
        )


def _draw_legend(
    figure: Figure, models: Sequence[tuple[Standing, Sequence[float]]], palette: Palette
) -> None:
    handles = [
        Line2D(
            [],
            [],
            label=textwrap.fill(plain(each.label), 20, max_lines=3, placeholder="..."),
            **_style(place, each, palette),
        )
        for place, (each, _) in enumerate(models)
    ]
    handles.append(Line2D([], [], color=palette.muted, linestyle="--", linewidth=1, label="chance"))
    legend = figure.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(0.785, 0.47),
        frameon=False,
        labelspacing=1.1,
        handlelength=2.4,
        prop={"family": FONT, "size": 9.5},
    )
    for text in legend.get_texts():
        text.set_color(palette.ink)
        text.set_parse_math(False)


def _note(pairs: Mapping[str, int], models: Sequence[tuple[Standing, Sequence[float]]]) -> str:
    parts = ["n counts pairs"]
    if any(len(each.seeds) > 1 for each, _ in models):
        parts.insert(0, "means over seeds")
    if any(n < FEW_PAIRS for n in pairs.values()):
        parts.append(
            f"(!) fewer than {FEW_PAIRS}: one pair moves the score by more than three points"
        )
    return "; ".join(parts)
