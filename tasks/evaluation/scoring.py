"""Score models on benchmarks from the answers in the store.

Put here: from stored answers to the rows of `scores` and `comparisons`.
Keep out: outcomes, intervals and tests (`tasks.scores`); asking (`stage`, beside this file).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict

from storage.answers import AnswerName, AnswerRow
from storage.comparisons import ComparisonRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.evaluation.asking import MMVP_VLM_GROUP
from tasks.evaluation.candidates import Candidate
from tasks.evaluation.contrast import GROUP_CHANCE
from tasks.evaluation.rows import answer_of, keys_of
from tasks.scores import AskedQuestion, compare, pair_outcomes, right_pairs, score
from tasks.scores.statistics import PAIR_CHANCE

Choices = Mapping[AnswerName, str | None]
"""The option taken by each answer; None: unread, or the call failed."""


def score_all(
    mining: str,
    asked: Sequence[QuestionRow],
    candidates: Sequence[Candidate],
    choices: Choices,
    others: Collection[AnswerRow] = (),
) -> tuple[list[ScoreRow], list[ComparisonRow]]:
    """Score each model on each benchmark under each key, and compare the models of a protocol.

    Of `others`, answers of whom no candidate is, those count that are to every question of a
    benchmark. Models are compared under the benchmark's first key.
    """
    rows: list[ScoreRow] = []
    compared: list[ComparisonRow] = []
    for benchmark in sorted({row.benchmark for row in asked}):
        those = [row for row in asked if row.benchmark == benchmark]
        keys = keys_of(those)
        right: dict[str, dict[str, dict[str, bool]]] = defaultdict(dict)
        for one in (*candidates, *asked_before(those, others)):
            given = {q: choices.get(AnswerName(q, one.model, one.way)) for q in _ids(those)}
            for key in keys:
                told = asked_under(key, those, given)
                rows += _score_rows(mining, benchmark, one, key, told)
                if key == keys[0]:
                    right[one.way][one.model] = right_pairs(pair_outcomes(told))
        compared += [
            ComparisonRow(mining=mining, benchmark=benchmark, protocol=way, **asdict(found))
            for way, models_right in sorted(right.items())
            for found in compare(models_right)
        ]
    return rows, compared


def asked_before(asked: Sequence[QuestionRow], given: Iterable[AnswerRow]) -> list[Candidate]:
    """Return the models, in each way, with an answer to every question, a failed call or not."""
    wanted = set(_ids(asked))
    counts = Counter((row.model, row.protocol) for row in given if row.question_id in wanted)
    return [
        Candidate(model, way, None, "")
        for (model, way), answered in sorted(counts.items())
        if answered == len(wanted)
    ]


def asked_under(
    key: str, rows: Sequence[QuestionRow], choices: Mapping[str, str | None]
) -> list[AskedQuestion]:
    """Return questions with the right option under a key, and the option taken by question id.

    A pair of which the key leaves a question out is left out.
    """
    answers = {row.question_id: answer_of(row, key) for row in rows}
    out = {pair_name(row) for row in rows if answers[row.question_id] is None}
    return [
        AskedQuestion(
            pair_id=pair_name(row),
            pattern=row.pattern or row.attribute or None,
            answer=answers[row.question_id] or "",
            choice=choices.get(row.question_id),
        )
        for row in rows
        if pair_name(row) not in out
    ]


def _ids(rows: Iterable[QuestionRow]) -> list[str]:
    return [row.question_id for row in rows]


def pair_name(row: QuestionRow) -> str:
    """Return what names the pair of a question, on which several attributes may be asked about."""
    return f"{row.pair_id} {row.attribute}".rstrip()


def _score_rows(
    mining: str, benchmark: str, one: Candidate, key: str, told: Sequence[AskedQuestion]
) -> list[ScoreRow]:
    chance = GROUP_CHANCE if one.way == MMVP_VLM_GROUP else PAIR_CHANCE
    return [
        ScoreRow(
            mining=mining,
            benchmark=benchmark,
            model=one.model,
            features=one.features,
            ssl_share=one.row.ssl_share if one.row else None,
            seed=one.row.seed if one.row else None,
            steps=one.row.steps if one.row else None,
            protocol=one.way,
            key=key,
            **asdict(found),
        )
        for found in score(told, chance=chance)
    ]
