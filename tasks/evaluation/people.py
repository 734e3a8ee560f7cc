"""Scores of people who took the test on the annotation page, beside those of models.

Put here: who of them gets a score.
Keep out: the page and its events (`tasks.annotation`).
"""

from collections.abc import Sequence
from dataclasses import asdict

from storage.answers import AnswerName, AnswerRow
from storage.comparisons import ComparisonRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.evaluation.rows import keys_of
from tasks.evaluation.scoring import Choices, asked_before, asked_under, score_all
from tasks.people import PEOPLE
from tasks.scores import pool


def score_people(
    mining: str, asked: Sequence[QuestionRow], given: Sequence[AnswerRow]
) -> tuple[list[ScoreRow], list[ComparisonRow]]:
    """Score the people who answered every question of a benchmark, and compare them.

    Of several people there is also the mean, as model `people`.
    """
    people = [row for row in given if row.protocol == PEOPLE]
    told = {row.name: row.choice for row in people}
    rows, compared = score_all(mining, asked, [], told, people)
    for benchmark in sorted({row.benchmark for row in asked}):
        those = [row for row in asked if row.benchmark == benchmark]
        whole = [one.model for one in asked_before(those, people)]
        if len(whole) > 1:
            rows += _pooled(mining, benchmark, those, whole, told)
    return rows, compared


def _pooled(
    mining: str,
    benchmark: str,
    asked: Sequence[QuestionRow],
    people: Sequence[str],
    told: Choices,
) -> list[ScoreRow]:
    """Return the mean scores of these people under each key."""
    given = [
        {row.question_id: told[AnswerName(row.question_id, who, PEOPLE)] for row in asked}
        for who in people
    ]
    return [
        ScoreRow(
            mining=mining,
            benchmark=benchmark,
            model=PEOPLE,
            features=None,
            ssl_share=None,
            seed=None,
            steps=None,
            protocol=PEOPLE,
            key=key,
            **asdict(found),
        )
        for key in keys_of(asked)
        for found in pool([asked_under(key, asked, own) for own in given])
    ]
