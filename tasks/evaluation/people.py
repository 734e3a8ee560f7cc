"""Scores of people who took the test on the annotation page, beside those of models.

Put here: who of them gets a score.
Keep out: the page and its events (`tasks.annotation`).
"""

from collections.abc import Sequence

from storage.answers import AnswerName, AnswerRow
from storage.comparisons import ComparisonRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.evaluation.candidates import Candidate
from tasks.evaluation.scoring import score_all
from tasks.people import PEOPLE


def score_people(
    mining: str, asked: Sequence[QuestionRow], given: Sequence[AnswerRow]
) -> tuple[list[ScoreRow], list[ComparisonRow]]:
    """Score the people who answered every question of a benchmark, and compare them."""
    rows: list[ScoreRow] = []
    compared: list[ComparisonRow] = []
    told = {row.name: row.choice for row in given if row.protocol == PEOPLE}
    people = sorted({name.model for name in told})
    for benchmark in sorted({row.benchmark for row in asked}):
        those = [row for row in asked if row.benchmark == benchmark]
        whole = [
            Candidate(person, PEOPLE, None, "")
            for person in people
            if all(AnswerName(row.question_id, person, PEOPLE) in told for row in those)
        ]
        found = score_all(mining, those, whole, told)
        rows += found[0]
        compared += found[1]
    return rows, compared
