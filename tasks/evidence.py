"""What stands beside a benchmark's scores in a report, from the store and from published results.

Put here: published rows level by level, controls, suspect labels, correlations, as report values.
Keep out: the scores (`tasks.findings`), computing (`tasks.evaluation.beside`,
    `tasks.correlation`), drawing (`tasks.report`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from storage.answers import AnswerRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.benchmarks.keys import MMVP, is_mmvp
from tasks.correlation import LEAST_POINTS, Correlation, correlate, correlate_scores
from tasks.evaluation.asking import MMVP_VLM
from tasks.evaluation.beside import tell
from tasks.evaluation.rows import PUBLISHED as WRITTEN_BY_OTHERS
from tasks.patterns import PATTERNS
from tasks.published import ResultRow, published_results, side_by_side
from tasks.published.side_by_side import PUBLISHED
from tasks.report import (
    CorrelationPanel,
    Evidence,
    Guesser,
    RankedRow,
    ScaledEncoder,
    ScoreBeside,
    SuspectLabel,
)
from tasks.scores import CHANCE

PAPER: Final = tuple(f"Tong et al. 2024 (arXiv 2401.06209), {at}" for at in ("Fig. 4", "Table 1"))
"""What the sources of published rows begin with that figures show."""

FIGURE_4, FIGURE_6 = "fig4_mmvp_mllm", "fig6_per_pattern_digitised"
TABLE_1, STATED = "table1_mmvp_vlm", "appC_pearson"
PAIRS_A_PATTERN: Final = 15
"""Of MMVP-VLM."""

Label = Mapping[tuple[str, str], str]
"""What people call a model under a protocol."""


def evidence_of(
    asked: Sequence[QuestionRow],
    scored: Sequence[ScoreRow],
    given: Sequence[AnswerRow],
    *,
    labels: Label,
    shown: Sequence[ScoreRow],
    main: str,
    ways: Sequence[str],
) -> Evidence:
    """Gather what stands beside scores.

    Args:
        asked: All questions of the benchmarks.
        scored: All scores, under every key.
        given: The answers to these questions.
        labels: What people call each model under each protocol.
        shown: The scores under the key that the report's figures show.
        main: The benchmark that correlations are about.
        ways: The ways in which models were asked, the main ones first.
    """
    if not scored:
        return Evidence()
    told = tell(asked, scored, given)
    published = published_name(asked)
    by_name = {(row.benchmark, row.model, row.protocol, row.key): row for row in told.beside}
    return Evidence(
        published=_published(scored, published),
        beside=[
            ScoreBeside(label=labels[row.model, row.protocol], **asdict(by_name[name]))
            for row in shown
            if row.pattern is None
            and (name := (row.benchmark, row.model, row.protocol, row.key)) in by_name
        ],
        suspects=[SuspectLabel(**asdict(row)) for row in told.suspects],
        heard=told.heard,
        guessers=[Guesser(name=name, **chance._asdict()) for name, chance in CHANCE.items()],
        correlations=_measured(
            [row for row in shown if row.benchmark == main and "+" not in row.protocol],
            labels,
            ways,
        ),
        as_published=paper_correlations(),
        imagenet=[imagenet_correlation()] if published == MMVP_VLM else [],
        scaled=published_encoders() if published == MMVP_VLM else [],
    )


def published_name(asked: Sequence[QuestionRow]) -> str | None:
    """Return which published benchmark questions are, told by what they ask; None: another's."""
    rows = [row for row in asked if row.source == WRITTEN_BY_OTHERS]
    numbers = {row.question_id.rpartition("-")[2]: row for row in rows}
    if is_mmvp({int(n): row.question for n, row in numbers.items() if n.isdecimal()}):
        return MMVP
    pairs = Counter({row.pair_id: row.pattern for row in rows if row.statement}.values())
    is_vlm = pairs == dict.fromkeys(PATTERNS.values(), PAIRS_A_PATTERN)
    return MMVP_VLM if is_vlm else None


def _published(scored: Sequence[ScoreRow], published: str | None) -> list[RankedRow]:
    """Return published results of what was measured, level by level."""
    if published is None:
        return []
    overall = [row for row in scored if row.pattern is None]
    (mine,) = {row.benchmark for row in overall}
    tables = side_by_side(overall, published_results(), names={mine: published})
    return [
        _row(row, mine)
        for (_, _, pattern), rows in tables.items()
        if pattern is None
        for row in rows
        if row.origin == PUBLISHED
    ]


def _row(row: ResultRow, benchmark: str) -> RankedRow:
    return RankedRow(
        benchmark=benchmark,
        level=row.level,
        label=row.model,
        value=row.value,
        low=None,
        high=None,
        pairs=row.pairs,
        protocol=row.protocol,
        key=None,
        origin=row.origin,
        level_inferred=row.level_inferred,
        source=row.source,
        url=row.url,
        note=row.note,
        is_reference=(row.source or "").startswith(PAPER),
    )


def _measured(
    shown: Sequence[ScoreRow], labels: Label, ways: Sequence[str]
) -> list[CorrelationPanel]:
    """Set each CLIP against each model, in the first way in which that was asked, by pattern."""
    clips = [row for row in shown if row.protocol == MMVP_VLM]
    first: dict[str, str] = {}
    for row in sorted(shown, key=lambda row: ways.index(row.protocol)):
        if not row.protocol.startswith(MMVP_VLM):
            first.setdefault(row.model, row.protocol)
    models = [row for row in shown if first.get(row.model) == row.protocol]
    return [
        _panel(
            f"{labels[row.model, row.protocol]} ({row.protocol})",
            row.points,
            row.correlation,
            clip=labels[row.clip, MMVP_VLM],
        )
        for row in correlate_scores(clips, models)
        if row.correlation.points >= LEAST_POINTS
    ]


def paper_correlations() -> list[CorrelationPanel]:
    """Return the paper's Fig. 6, its correlations computed anew from its values by pattern."""
    rows = [row for row in published_results() if row.table == FIGURE_6]
    clip = {row.pattern: row.value for row in rows if row.protocol == MMVP_VLM}
    stated = {row.model: row.value for row in published_results() if row.table == STATED}
    panels = []
    for model in dict.fromkeys(row.model for row in rows if row.protocol != MMVP_VLM):
        values = {row.pattern: row.value for row in rows if row.model == model}
        points = {name: (clip[name], values[name]) for name in PATTERNS if name in values}
        found = correlate(*zip(*points.values(), strict=True))
        panels.append(_panel(model, points, found, stated=stated.get(model)))
    return panels


def imagenet_correlation() -> CorrelationPanel:
    """Return the paper's Table 1: each CLIP's accuracy on ImageNet against that on MMVP-VLM."""
    points = {
        one.name: (one.imagenet, one.accuracy)
        for one in published_encoders()
        if one.imagenet is not None
    }
    found = correlate(*zip(*points.values(), strict=True))
    return _panel("MMVP-VLM, the paper's Table 1", points, found)


def published_encoders() -> list[ScaledEncoder]:
    """Return the encoders of the paper's Table 1 with their sizes and ImageNet accuracies."""
    rows = [r for r in published_results() if r.table == TABLE_1 and r.pattern is None]
    top1 = {row.model: row.value for row in rows if row.benchmark == "imagenet-1k"}
    return [
        ScaledEncoder(
            name=row.model,
            accuracy=row.value,
            low=None,
            high=None,
            parameters=round(row.parameters_millions * 1e6) if row.parameters_millions else None,
            image_px=row.image_px,
            imagenet=top1.get(row.model),
            is_published=True,
        )
        for row in rows
        if row.benchmark == MMVP_VLM
    ]


def _panel(
    title: str,
    points: Mapping[str, tuple[float, float]],
    found: Correlation,
    *,
    clip: str = "",
    stated: float | None = None,
) -> CorrelationPanel:
    numbers: dict[str, Any] = asdict(found)
    said = "no correlation: one side does not vary"
    if found.pearson is not None:
        said = f"r {found.pearson:.3f}"
        if found.pearson_low is not None:
            said += f" ({found.pearson_low:.2f} to {found.pearson_high:.2f})"
        p_value = found.pearson_p or 0.0
        said += f", p {p_value:.3f}" if p_value >= 0.001 else ", p < 0.001"
    if stated is not None:
        said += f"; stated: {stated:.2f}"
    return CorrelationPanel(
        title=title, said=said, points=points, clip=clip, numbers=numbers, stated=stated
    )
