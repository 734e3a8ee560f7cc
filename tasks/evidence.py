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
from tasks.correlation import LEAST_POINTS, Correlated, Correlation, correlate, correlate_scores
from tasks.evaluation.asking import MMVP_VLM
from tasks.evaluation.beside import tell
from tasks.evaluation.rows import PUBLISHED
from tasks.patterns import PATTERNS
from tasks.published import PublishedRow, ResultRow, published_results, side_by_side
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
from tasks.scores.outcomes import OUTCOMES

PAPER: Final = "Tong et al. 2024"
FIGURE_4, FIGURE_6 = "fig4_mmvp_mllm", "fig6_per_pattern_digitised"
TABLE_1, STATED = "table1_mmvp_vlm", "appC_pearson"
PANELS: Final = 6
"""Correlations that are drawn; the page's table has all."""

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
) -> Evidence:
    """Gather what stands beside scores.

    Args:
        asked: All questions of the benchmarks.
        scored: All scores, under every key.
        given: The answers to these questions.
        labels: What people call each model under each protocol.
        shown: The scores under the key that the report's figures show.
    """
    if not scored:
        return Evidence()
    told = tell(asked, scored, given)
    published = published_name(asked)
    by_name = {(row.benchmark, row.model, row.protocol, row.key): row for row in told.beside}
    return Evidence(
        ranked=_ranked(scored, labels, published),
        beside=[
            ScoreBeside(label=labels[row.model, row.protocol], **asdict(by_name[name]))
            for row in shown
            if row.pattern is None
            and (name := (row.benchmark, row.model, row.protocol, row.key)) in by_name
        ],
        suspects=[SuspectLabel(**asdict(row)) for row in told.suspects],
        heard=told.heard,
        guessers=[Guesser(name=name, **chance._asdict()) for name, chance in CHANCE.items()],
        correlations=_measured(shown, labels),
        as_published=paper_correlations(),
        imagenet=[imagenet_correlation()] if published == MMVP_VLM else [],
        scaled=published_encoders() if published == MMVP_VLM else [],
    )


def published_name(asked: Sequence[QuestionRow]) -> str | None:
    """Return which published benchmark questions are, told by what they ask; None: another's."""
    rows = [row for row in asked if row.source == PUBLISHED]
    numbers = {row.question_id.rpartition("-")[2]: row for row in rows}
    if is_mmvp({int(n): row.question for n, row in numbers.items() if n.isdecimal()}):
        return MMVP
    pairs = Counter({row.pair_id: row.pattern for row in rows if row.statement}.values())
    is_vlm = pairs == dict.fromkeys(PATTERNS.values(), PAIRS_A_PATTERN)
    return MMVP_VLM if is_vlm else None


def _ranked(scored: Sequence[ScoreRow], labels: Label, published: str | None) -> list[RankedRow]:
    """Return all scores of all pairs at both levels, and published ones beside them, best first."""
    overall = [row for row in scored if row.pattern is None]
    names = {row.benchmark: row.benchmark for row in overall}
    theirs: Sequence[PublishedRow] = ()
    if published is not None:
        names = dict.fromkeys(names, published)
        theirs = published_results()
    back = {shown: mine for mine, shown in names.items()}
    found = {(row.benchmark, row.model, row.protocol, row.key): row for row in overall}
    ranked = []
    for (benchmark, level, pattern), rows in side_by_side(overall, theirs, names=names).items():
        if pattern is None:
            mine = back[benchmark]
            ranked += [
                _row(row, level, mine, labels, found.get((mine, row.model, *_way(row))))
                for row in rows
            ]
    return ranked


def _way(row: ResultRow) -> tuple[str, str]:
    return row.protocol or "", row.key or ""


def _row(
    row: ResultRow, level: str, benchmark: str, labels: Label, score: ScoreRow | None
) -> RankedRow:
    values = {
        name: getattr(row, name)
        for name in (
            *("value", "low", "high", "pairs", "protocol", "key", "origin", "level_inferred"),
            *("source", "url", "note"),
        )
    }
    is_pair = level == "pair" and score is not None
    return RankedRow(
        benchmark=benchmark,
        level=level,
        label=row.model if score is None else _seeded(score, labels),
        is_reference=(row.source or "").startswith(
            (f"{PAPER} (arXiv 2401.06209), Fig. 4", f"{PAPER} (arXiv 2401.06209), Table 1")
        ),
        outcomes={name: getattr(score, name) for name in OUTCOMES} if is_pair else None,
        unread=score.unread if score is not None else None,
        **values,
    )


def _seeded(score: ScoreRow, labels: Label) -> str:
    said = labels[score.model, score.protocol]
    return said if score.seed is None else f"{said}, seed {score.seed}, {score.steps:,} steps"


def _measured(shown: Sequence[ScoreRow], labels: Label) -> list[CorrelationPanel]:
    """Set each CLIP against each model, in the first way in which that was asked, by pattern."""
    found = correlate_scores(shown, shown)
    first: dict[tuple[str, str, str], Correlated] = {}
    for row in found:
        if row.correlation.points >= LEAST_POINTS and "+" not in row.protocol:
            first.setdefault((row.benchmark, row.clip, row.model), row)
    return [
        _panel(
            f"{labels[row.model, row.protocol]} ({row.protocol})",
            row.points,
            row.correlation,
            against=labels[row.clip, MMVP_VLM],
        )
        for row in first.values()
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
    return _panel("MMVP-VLM against ImageNet, the paper's Table 1", points, found)


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
    against: str = "",
    stated: float | None = None,
) -> CorrelationPanel:
    numbers: dict[str, Any] = asdict(found)
    said = "no correlation: one side does not vary"
    if found.pearson is not None:
        said = f"r {found.pearson:.2f}"
        if found.pearson_low is not None:
            said += f" ({found.pearson_low:.2f} to {found.pearson_high:.2f})"
        said += f", p {found.pearson_p:.3f}"
    if stated is not None:
        said += f"; stated: {stated:.2f}"
    if against:
        said += f"; against {against}"
    return CorrelationPanel(title=title, said=said, points=points, numbers=numbers, stated=stated)
