"""Benchmarks that others published, read as they are, with a note for every quirk of the files.

Source: Tong et al. 2024 (arXiv:2401.06209), "Designing Benchmark from CLIP-blind Pairs", for MMVP
and MMVP-VLM; their files are published under the MIT licence.
"""

from tasks.benchmarks.keys import CORRECTED, EXCLUDED, KEYS, ORIGINAL
from tasks.benchmarks.question import Question, QuestionSet, StatementPair, StatementSet
from tasks.benchmarks.questions import read_questions
from tasks.benchmarks.statements import read_statements

__all__ = [
    "CORRECTED",
    "EXCLUDED",
    "KEYS",
    "ORIGINAL",
    "Question",
    "QuestionSet",
    "StatementPair",
    "StatementSet",
    "read_questions",
    "read_statements",
]
