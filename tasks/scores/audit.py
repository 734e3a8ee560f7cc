"""Pairs whose labels may be swapped: strong models answer them the wrong way round.

Put here: the audit, from outcomes that `outcomes` finds.
Keep out: which labels are known to be wrong (`tasks.benchmarks.keys`).

Source: Northcutt et al. 2021, "Pervasive Label Errors in Test Sets Destabilize Machine Learning
Benchmarks", for the idea that models point to wrong labels; the test is ours.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import scipy

from tasks.scores.outcomes import BOTH_RIGHT, SWAPPED, PairOutcome
from tasks.scores.statistics import CONFIDENCE, holm

STRONG: Final = 0.5
"""The pair accuracy from which a model has a say: more than all that guess (`chance`) expect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAudit:
    """A pair, the models that have it right and those that have it swapped, of `models` in all.

    `p_value` is one-sided: so many or more swap this pair, if it were swapped no more often than
    the others by models that tell its images apart.
    """

    pair_id: str
    models: int
    right: int
    swapped: int
    p_value: float
    p_holm: float

    @property
    def is_suspect(self) -> bool:
        """Whether to look at the label: more swap than are right, and more than elsewhere.

        A hard pair is swapped more often than others too, but hardly by most.
        """
        return self.swapped > self.right and self.p_holm < 1 - CONFIDENCE


def audit_labels(
    panel: Mapping[str, Sequence[PairOutcome]], *, strong: float = STRONG
) -> list[LabelAudit]:
    """Return all pairs, those first whose labels are most likely swapped; `panel` is by model.

    Only models with a pair accuracy of `strong` or more have a say. Models that share an encoder
    err alike, so that their number says too much: look at the images before you believe it.
    """
    heard = [outcomes for outcomes in panel.values() if _accuracy(outcomes) >= strong]
    counts: dict[str, Counter[str]] = {}
    for outcomes in heard:
        for outcome in outcomes:
            counts.setdefault(outcome.pair_id, Counter())[outcome.outcome] += 1
    names = sorted(counts)
    rate = _swap_rate(counts.values())
    p_values = [_p_value(counts[name], rate) for name in names]
    audits = [
        LabelAudit(
            pair_id=name,
            models=counts[name].total(),
            right=counts[name][BOTH_RIGHT],
            swapped=counts[name][SWAPPED],
            p_value=p_value,
            p_holm=p_holm,
        )
        for name, p_value, p_holm in zip(names, p_values, holm(p_values), strict=True)
    ]
    return sorted(audits, key=lambda one: (one.p_value, -one.swapped, one.pair_id))


def _swap_rate(counts: Iterable[Counter[str]]) -> float:
    """Return the share swapped of all pairs whose images a model tells apart."""
    total = sum(counts, Counter[str]())
    told = total[SWAPPED] + total[BOTH_RIGHT]
    return total[SWAPPED] / told if told else 0.0


def _p_value(counts: Mapping[str, int], rate: float) -> float:
    told = counts[SWAPPED] + counts[BOTH_RIGHT]
    if told == 0:
        return 1.0
    return float(scipy.stats.binomtest(counts[SWAPPED], told, rate, alternative="greater").pvalue)


def _accuracy(outcomes: Sequence[PairOutcome]) -> float:
    return sum(outcome.is_right for outcome in outcomes) / len(outcomes) if outcomes else 0.0
