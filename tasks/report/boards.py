"""Leaderboards: what was measured, and of the same benchmark and level alone what was published.

Put here: which rows stand in one table, and in which order.
Keep out: HTML (`board.html`), the figure (`board_chart`), beside this file.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from tasks.report.evidence import MEASURED, PAIR, QUESTION, RankedRow
from tasks.report.results import SHARES, ModelScore, Results

RULES: Final[Mapping[str, str]] = {"mmvp-vlm-text": "text", "mmvp-vlm-group": "group"}
"""Rules by which a CLIP's pair counts otherwise than by the paper's: each is a level of its own."""


class Board(NamedTuple):
    """The leaderboard of a benchmark at one level, best first; see `RankedRow`."""

    benchmark: str
    level: str
    rows: Sequence[RankedRow]

    @property
    def keys(self) -> list[str]:
        """The answer keys under which something was measured."""
        return sorted({row.key for row in self.rows if row.key is not None})

    @property
    def has_published(self) -> bool:
        """Whether others' results stand in it."""
        return any(not row.is_measured for row in self.rows)


def boards(results: Results) -> list[tuple[str, list[Board]]]:
    """Return the leaderboards by benchmark, the main one first, each at its levels."""
    names = sorted(results.asked_benchmarks, key=lambda name: name != results.main)
    ranked = [row for score in _overall(results) for row in _rows(score)]
    ranked += results.evidence.published
    return [(name, _levels(name, [r for r in ranked if r.benchmark == name])) for name in names]


def _overall(results: Results) -> Iterable[ModelScore]:
    """Return the scores of all pairs, under every key."""
    return (row for row in (*results.scores, *results.other_keys) if row.pattern is None)


def _levels(benchmark: str, rows: Sequence[RankedRow]) -> list[Board]:
    levels = dict.fromkeys((PAIR, QUESTION, *(row.level for row in rows)))
    found = {level: [row for row in rows if row.level == level] for level in levels}
    return [
        Board(benchmark, level, sorted(held, key=_order)) for level, held in found.items() if held
    ]


def _order(row: RankedRow) -> tuple[float, str, str, str, str]:
    return -row.value, row.origin, row.label, row.protocol or "", row.key or ""


def _rows(score: ModelScore) -> list[RankedRow]:
    """Return a score at its levels: of pairs, and of questions unless a rule counts no such."""
    label = score.label
    if score.seed is not None:
        label += f", seed {score.seed}"
    if score.steps is not None:
        label += f", {score.steps:,} steps"
    rule = RULES.get(score.protocol)
    levels = {
        rule or PAIR: (score.pair_accuracy, score.pair_low, score.pair_high, score.chance),
        QUESTION: (score.question_accuracy, score.question_low, score.question_high, 0.5),
    }
    return [
        RankedRow(
            benchmark=score.benchmark,
            level=level,
            label=label,
            value=100 * value,
            low=100 * low,
            high=100 * high,
            pairs=score.pairs,
            protocol=score.protocol,
            key=score.key,
            origin=MEASURED,
            outcomes={name: getattr(score, name) for name in SHARES} if level != QUESTION else None,
            unread=score.unread,
            chance=100 * chance,
        )
        for level, (value, low, high, chance) in levels.items()
        if rule in {None, level}
    ]
