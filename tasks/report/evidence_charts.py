"""The figures of what stands beside scores, drawn of a report's results.

Put here: which values each figure gets, and what is written under it.
Keep out: how they are drawn (`correlation_chart`, `scaling_chart`), values (`evidence`).
"""

from typing import Final

from matplotlib.figure import Figure

from tasks.report.correlation_chart import draw_correlations
from tasks.report.drawing import LIGHT, Palette
from tasks.report.results import Results
from tasks.report.scaling_chart import draw_scaling

PANELS: Final = 6
"""Correlations that are drawn; the page's table has all."""


def draw_measured_correlations(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw CLIPs against models by pattern, as measured here."""
    return draw_correlations(
        results.evidence.correlations[:PANELS],
        note="a point a visual pattern; r with 95 % interval, p by permutation",
        palette=palette,
    )


def draw_paper_correlations(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw the paper's Fig. 6 from its values, with the correlations computed anew."""
    return draw_correlations(
        results.evidence.as_published,
        title="The paper's Fig. 6, computed anew from its values: pair accuracy by pattern, %",
        note="values: Tong et al. 2024, Fig. 6, digitised to 0.2, so that r is good to 0.003; "
        "95 % interval, p by permutation",
        palette=palette,
    )


def draw_imagenet(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw accuracy on pairs against that on ImageNet."""
    return draw_correlations(
        results.evidence.imagenet,
        title="CLIPs on pairs and on ImageNet",
        across="ImageNet zero-shot, %",
        up="pair accuracy, %",
        note="r with 95 % interval, p by permutation",
        palette=palette,
    )


def draw_scale(results: Results, palette: Palette = LIGHT) -> Figure | None:
    """Draw accuracy on pairs against size, resolution and ImageNet."""
    return draw_scaling(results.evidence.scaled, palette=palette)
