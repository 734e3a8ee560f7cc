"""Score models on benchmarks from the answers in the store.

Put here: from stored answers to the rows of `scores` and `comparisons`.
Keep out: outcomes, intervals and tests (`tasks.scores`); asking (`stage`, beside this file).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from storage import answers
from storage.comparisons import ComparisonRow
from storage.database import Database
from storage.models import ModelRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.scores import AskedQuestion, compare, pair_outcomes, right_pairs, score


class Candidate(NamedTuple):
    """A model under one protocol, and how its scores name it.

    `weights` is the hash of all that its replies depend on beside the question. A model that sees
    pixels has a `folder`; one that was trained here has a `row`; an encoder has neither.
    """

    model: str
    protocol: str
    features: str | None
    weights: str
    row: ModelRow | None = None
    folder: Path | None = None


def score_all(
    db: Database,
    mining: str,
    asked: Sequence[QuestionRow],
    candidates: Sequence[Candidate],
) -> tuple[list[ScoreRow], list[ComparisonRow]]:
    """Score each model on each benchmark, and compare the models under each protocol."""
    names = sorted({one.model for one in candidates})
    given = {row.name: row.choice for row in answers.read(db, models=names)}
    rows: list[ScoreRow] = []
    compared: list[ComparisonRow] = []
    for benchmark in sorted({row.benchmark for row in asked}):
        those = [row for row in asked if row.benchmark == benchmark]
        right: dict[str, dict[str, dict[str, bool]]] = defaultdict(dict)
        for one in candidates:
            told = [
                AskedQuestion(
                    pair_id=f"{row.pair_id} {row.attribute}",
                    pattern=row.pattern or row.attribute,
                    answer=row.answer,
                    choice=given.get(answers.AnswerName(row.question_id, one.model, one.protocol)),
                )
                for row in those
            ]
            rows += [
                ScoreRow(
                    mining=mining,
                    benchmark=benchmark,
                    model=one.model,
                    features=one.features,
                    ssl_share=one.row.ssl_share if one.row else None,
                    seed=one.row.seed if one.row else None,
                    steps=one.row.steps if one.row else None,
                    protocol=one.protocol,
                    key=those[0].key,
                    **asdict(found),
                )
                for found in score(told)
            ]
            right[one.protocol][one.model] = right_pairs(pair_outcomes(told))
        compared += [
            ComparisonRow(mining=mining, benchmark=benchmark, protocol=protocol, **asdict(found))
            for protocol, models_right in sorted(right.items())
            for found in compare(models_right)
        ]
    return rows, compared
