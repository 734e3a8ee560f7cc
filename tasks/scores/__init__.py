"""Score answers by pairs: what a model saw, how sure that is, and whether two models differ.

Source: Tong et al. 2024 (arXiv:2401.06209), "Designing Benchmark from CLIP-blind Pairs", for the
pair as the unit of scoring; outcomes, intervals and tests are not in the paper.
"""

from tasks.scores.outcomes import AskedQuestion, PairOutcome, pair_outcomes, right_pairs
from tasks.scores.results import Comparison, Score, compare, score

__all__ = [
    "AskedQuestion",
    "Comparison",
    "PairOutcome",
    "Score",
    "compare",
    "pair_outcomes",
    "right_pairs",
    "score",
]
