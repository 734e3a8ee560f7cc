"""What a zoo shows: encoders with their scores by rule and pattern, published values, correlations.

Put here: joining the tables `zoo` and `scores`, published results beside measured ones.
Keep out: drawing and writing (`tasks.report`), correlations themselves (`tasks.correlation`).

By pattern against multimodal models: `tasks.correlation.correlate_scores` takes the same rows of
`scores`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from storage import scores, zoo
from storage.database import Database
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from storage.zoo import ZooRow
from tasks.correlation import Correlation, correlate
from tasks.evaluation.asking import CONTRASTS, MMVP_VLM
from tasks.evaluation.ways import about
from tasks.patterns import PATTERNS
from tasks.published import published_results
from tasks.report.scaling_chart import ScaledEncoder
from tasks.report.zoo_page import RuleScore, ZooContents, ZooEncoder

MMVP_VLM_PAIRS: Final = 15
"""Pairs of each of the nine patterns in the published MMVP-VLM."""

SHOWN: Final = ("pairs", "pair_accuracy", "pair_low", "pair_high", "question_accuracy", "chance")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooModel:
    """An encoder of a zoo; of one that was refused there are no scores.

    `scores` has its row of all pairs by protocol, `patterns` the rows of its patterns by protocol
    and pattern. `published` is its pair accuracy in percent as others published it, if the
    benchmark is theirs; so are `published_px` and `published_parameters`.
    """

    row: ZooRow
    scores: Mapping[str, ScoreRow]
    patterns: Mapping[str, Mapping[str, ScoreRow]]
    published: float | None = None
    published_px: int | None = None
    published_parameters: int | None = None
    published_imagenet: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return JSON values; accuracies are shares from 0 to 1, but published ones in percent."""
        values = {k: v for k, v in asdict(self.row).items() if k != "mining"}
        by_protocol = {
            protocol: _shown(row)
            | {"patterns": {name: _shown(one) for name, one in self.patterns[protocol].items()}}
            for protocol, row in self.scores.items()
        }
        return values | {"published": self.published, "scores": by_protocol}


def _shown(row: ScoreRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SHOWN}


def is_mmvp_vlm(benchmark: str, rows: Sequence[QuestionRow]) -> bool:
    """Say whether a benchmark is MMVP-VLM, by its name and by its 15 pairs of each pattern."""
    pairs = Counter(row.pattern for row in rows)
    return {"mmvp", "vlm"} <= set(benchmark.split("-")) and pairs == dict.fromkeys(
        PATTERNS.values(), 2 * MMVP_VLM_PAIRS
    )


def standing(
    db: Database,
    mining: str,
    benchmark: str,
    entries: Collection[str] | None = None,
    *,
    beside_published: bool = False,
) -> list[ZooModel]:
    """Return the encoders of a zoo, best first by the paper's rule, then those refused.

    Args:
        db: The store.
        mining: The mining, or the set of a published benchmark.
        benchmark: Which of its benchmarks counts.
        entries: Which encoders; all if None.
        beside_published: Whether published results of MMVP-VLM are of this benchmark.
    """
    scored = [
        row
        for row in scores.read(db, mining)
        if row.benchmark == benchmark and row.protocol in CONTRASTS
    ]
    models = [
        _model(row, [one for one in scored if one.model == row.model], beside_published)
        for row in zoo.read(db, mining, entries)
    ]
    return sorted(models, key=_place)


def _place(model: ZooModel) -> tuple[bool, float, str]:
    best = model.scores.get(MMVP_VLM)
    return best is None, -best.pair_accuracy if best else 0.0, model.row.name


def _model(row: ZooRow, scored: Sequence[ScoreRow], beside_published: bool) -> ZooModel:  # noqa: FBT001 # private
    values: dict[str, Any] = {}
    found = [
        one
        for one in published_results()
        if one.spec == row.spec and one.pattern is None and one.level in {"pair", "image"}
    ]
    by_benchmark = {one.benchmark: one for one in found}
    if beside_published and row.entry == row.spec and MMVP_VLM in by_benchmark:
        one = by_benchmark[MMVP_VLM]
        imagenet = by_benchmark.get("imagenet-1k")
        values = {
            "published": one.value,
            "published_px": one.image_px,
            "published_imagenet": imagenet.value if imagenet else None,
        }
        if one.parameters_millions is not None:
            values["published_parameters"] = round(1e6 * one.parameters_millions)
    return ZooModel(
        row=row,
        scores={one.protocol: one for one in scored if one.pattern is None},
        patterns={
            protocol: {
                one.pattern: one for one in scored if one.protocol == protocol and one.pattern
            }
            for protocol in CONTRASTS
        },
        **values,
    )


def record_of(mining: str, benchmark: str, models: Sequence[ZooModel]) -> dict[str, Any]:
    """Return what a zoo shows as JSON values."""
    correlation = imagenet_correlation(models)
    return {
        "set": mining,
        "benchmark": benchmark,
        "models": [model.as_json() for model in models],
        "imagenet_correlation": asdict(correlation) if correlation else None,
        "imagenet_said": said(correlation),
    }


def contents_of(benchmark: str, models: Sequence[ZooModel]) -> ZooContents:
    """Return what the page of a zoo shows."""
    return ZooContents(
        benchmark=benchmark,
        rules={name: about(name) for name in CONTRASTS},
        encoders=[_encoder(model) for model in models],
        imagenet_said=said(imagenet_correlation(models)),
    )


def _encoder(model: ZooModel) -> ZooEncoder:
    row = model.row
    published = None
    if model.published is not None:
        published = ScaledEncoder(
            name=f"{row.name}, published",
            accuracy=model.published,
            low=None,
            high=None,
            parameters=model.published_parameters,
            image_px=model.published_px,
            imagenet=model.published_imagenet,
            is_published=True,
        )
    return ZooEncoder(
        name=row.name,
        spec=row.entry,
        refused=row.refused,
        image_px=row.image_px,
        image_parameters=row.image_parameters,
        text_parameters=row.text_parameters,
        parameters=row.parameters,
        imagenet=row.imagenet,
        imagenet_source=row.imagenet_source,
        scores={name: _rule_score(one) for name, one in model.scores.items()},
        patterns={n: _rule_score(one) for n, one in model.patterns[MMVP_VLM].items()},
        published=published,
    )


def _rule_score(row: ScoreRow) -> RuleScore:
    return RuleScore(
        pairs=row.pairs,
        accuracy=row.pair_accuracy,
        low=row.pair_low,
        high=row.pair_high,
        chance=row.chance,
    )


def said(found: Correlation | None) -> str:
    """Put a correlation into words."""
    if found is None or found.pearson is None or found.spearman is None:
        return "too few encoders for a correlation"
    interval = ""
    if found.pearson_low is not None and found.pearson_high is not None:
        interval = f" ({found.pearson_low:.2f} to {found.pearson_high:.2f})"
    p = "" if found.pearson_p is None else f", p {found.pearson_p:.2g}"
    rank = f"rank correlation {found.spearman:.2f}"
    return f"r {found.pearson:.2f}{interval}{p}; {rank}; {found.points} encoders"


def imagenet_points(models: Sequence[ZooModel]) -> dict[str, tuple[float, float]]:
    """Return ImageNet accuracy and pair accuracy by the paper's rule, in percent, by encoder."""
    return {
        model.row.name: (100 * model.row.imagenet, 100 * model.scores[MMVP_VLM].pair_accuracy)
        for model in models
        if model.row.imagenet is not None and MMVP_VLM in model.scores
    }


def imagenet_correlation(models: Sequence[ZooModel]) -> Correlation | None:
    """Return how pair accuracy goes with ImageNet accuracy; None without two encoders of both."""
    points = imagenet_points(models)
    return correlate(*zip(*points.values(), strict=True)) if len(points) > 1 else None
