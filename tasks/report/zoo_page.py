"""The page of a zoo: encoders with sizes and scores, the figure of scale.

Put here: what the page is given, which files its folder holds.
Keep out: values (`tasks.zoo`), the figure (`scaling_chart`, beside this file).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tasks.report.drawing import DARK, LIGHT
from tasks.report.folder import replacing
from tasks.report.html import ShownFigure, environment
from tasks.report.page import write_figure
from tasks.report.results import FEW_PAIRS
from tasks.report.scaling_chart import ScaledEncoder, counted, draw_scaling

KIND: Final = "mmvp-zoo"
JSON_FILE: Final = "zoo.json"
PAGE: Final = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScore:
    """Pair accuracy by one rule, its 95 % interval and that of guessing, as shares from 0 to 1."""

    pairs: int
    accuracy: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooEncoder:
    """An encoder; of one that was `refused`, for that reason, there are no scores.

    `scores` are by rule, `patterns` those of the first rule by pattern. Accuracies on ImageNet are
    shares; `published` is the pair accuracy that others published.
    """

    name: str
    spec: str
    refused: str | None
    image_px: int | None
    image_parameters: int | None
    text_parameters: int | None
    parameters: int | None
    imagenet: float | None
    imagenet_source: str | None
    scores: Mapping[str, RuleScore]
    patterns: Mapping[str, RuleScore]
    published: ScaledEncoder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooContents:
    """All that the page says; `rules` says by name what each rule is, the headline first."""

    benchmark: str
    rules: Mapping[str, str]
    encoders: Sequence[ZooEncoder]
    imagenet_said: str

    @property
    def rule(self) -> str:
        """The rule of the headline."""
        return next(iter(self.rules))


def scaled(contents: ZooContents) -> list[ScaledEncoder]:
    """Return the points of the figure of scale: measured ones, then published ones."""
    measured = [
        ScaledEncoder(
            name=one.name,
            accuracy=100 * score.accuracy,
            low=100 * score.low,
            high=100 * score.high,
            parameters=one.parameters,
            image_px=one.image_px,
            imagenet=None if one.imagenet is None else 100 * one.imagenet,
        )
        for one in contents.encoders
        if (score := one.scores.get(contents.rule)) is not None
    ]
    return [*measured, *(one.published for one in contents.encoders if one.published is not None)]


def write_zoo(folder: Path, contents: ZooContents, record: Mapping[str, Any]) -> list[Path]:
    """Write the page, its figures and `record` as zoo.json, in place of an older zoo.

    The same contents give the same bytes.

    Returns:
        Every file, the page first.

    Raises:
        ValueError: if `folder` is a file or holds something that is no zoo.
    """
    with replacing(folder, is_ours=is_zoo) as building:
        light, dark = (
            draw_scaling(scaled(contents), imagenet_said=contents.imagenet_said, palette=palette)
            for palette in (LIGHT, DARK)
        )
        figure = write_figure(building, "scaling", light, dark) if light and dark else None
        page = render_zoo(contents, figure)
        (building / PAGE).write_bytes(page.encode("utf-8", "backslashreplace"))
        text = json.dumps({"kind": KIND, **record}, indent=1, sort_keys=True)
        (building / JSON_FILE).write_text(text + "\n", encoding="ascii")
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(written, key=lambda path: path.name != PAGE)


def is_zoo(folder: Path) -> bool:
    """Whether `folder` is a zoo that `write_zoo` wrote."""
    try:
        record = json.loads((folder / JSON_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("kind") == KIND


def render_zoo(contents: ZooContents, figure: ShownFigure | None) -> str:
    """Give the HTML of the page; every text in it is escaped."""
    shown = [one for one in contents.encoders if one.refused is None]
    patterns = list(dict.fromkeys(name for one in shown for name in sorted(one.patterns)))
    few = any(score.pairs < FEW_PAIRS for one in shown for score in one.patterns.values())
    place = environment()
    place.filters["counted"] = lambda n: "" if n is None else counted(n)
    return place.get_template("zoo.html").render(
        zoo=contents,
        shown=shown,
        refused=[one for one in contents.encoders if one.refused is not None],
        patterns=patterns,
        few=FEW_PAIRS if few else None,
        figure=figure,
    )
