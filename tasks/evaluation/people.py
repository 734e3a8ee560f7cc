"""Scores of people who took the test on the annotation page, beside those of models.

Put here: who of them gets a score.
Keep out: the page and its events (`tasks.annotation`).
"""

from collections.abc import Sequence

from storage.answers import AnswerRow
from storage.comparisons import ComparisonRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.evaluation.scoring import score_all
from tasks.people import PEOPLE


def score_people(
    mining: str, asked: Sequence[QuestionRow], given: Sequence[AnswerRow]
) -> tuple[list[ScoreRow], list[ComparisonRow]]:
    """Score the people who answered every question of a benchmark, and compare them."""
    people = [row for row in given if row.protocol == PEOPLE]
    return score_all(mining, asked, [], {row.name: row.choice for row in people}, people)
