"""Score answers by pairs: what a model saw, how sure that is, and whether two models differ.

Source: Tong et al. 2024 (arXiv:2401.06209), "Designing Benchmark from CLIP-blind Pairs", for the
pair as the unit of scoring; outcomes, intervals and tests are not in the paper.
"""

from tasks.scores.audit import LabelAudit, audit_labels
from tasks.scores.chance import CHANCE, Chance
from tasks.scores.controls import (
    BesideText,
    Placed,
    Share,
    beside_text,
    order_consistency,
    position_bias,
)
from tasks.scores.outcomes import AskedQuestion, PairOutcome, pair_outcomes, right_pairs
from tasks.scores.power import detectable_paired, detectable_unpaired
from tasks.scores.results import Comparison, Score, compare, pool, score

__all__ = [
    "CHANCE",
    "AskedQuestion",
    "BesideText",
    "Chance",
    "Comparison",
    "LabelAudit",
    "PairOutcome",
    "Placed",
    "Score",
    "Share",
    "audit_labels",
    "beside_text",
    "compare",
    "detectable_paired",
    "detectable_unpaired",
    "order_consistency",
    "pair_outcomes",
    "pool",
    "position_bias",
    "right_pairs",
    "score",
]
