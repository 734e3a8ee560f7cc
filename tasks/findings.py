"""What the store tells of models and encoders, as values that a report shows.

Put here: reading questions, answers, scores, comparisons and probes; what people call a model.
Keep out: the stage (`tasks.reporting`), drawing and writing (`tasks.report`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Final, NamedTuple

from storage import (
    answers,
    comparisons,
    general,
    grades,
    models,
    probes,
    questions,
    scores,
    zoo,
)
from storage.answers import AnswerName, AnswerRow
from storage.comparisons import ComparisonRow
from storage.database import Database
from storage.general import GeneralRow
from storage.grades import GradeRow
from storage.models import ModelRow
from storage.probes import ProbeRow
from storage.questions import BENCHMARKS, MINED, QuestionRow
from storage.receipts import digest_rows
from storage.scores import ScoreRow
from storage.zoo import ZooRow
from tasks.attributes import Knowledge
from tasks.benchmarks.keys import CORRECTED
from tasks.evaluation.asking import CONTRASTS, FREE, MMVP_VLM, OPTION_LOGPROB
from tasks.evaluation.grading import kept_comparisons
from tasks.evaluation.rows import PUBLISHED
from tasks.evaluation.ways import about
from tasks.evidence import evidence_of
from tasks.patterns import PATTERNS
from tasks.people import PEOPLE
from tasks.report import (
    AskedPair,
    GeneralFigure,
    GradedAnswers,
    ModelComparison,
    ModelScore,
    ProbeScore,
    Reply,
    Results,
    TableVersion,
    encoder_label,
    label_of,
)
from tasks.scores import AskedQuestion, pair_outcomes
from tasks.scores.outcomes import OUTCOMES

FIRST: Final = (OPTION_LOGPROB, FREE, MMVP_VLM)


class Findings(NamedTuple):
    """The rows of a mining's questions and of all that came of them, read at one version each."""

    questions: Sequence[QuestionRow]
    scores: Sequence[ScoreRow]
    comparisons: Sequence[ComparisonRow]
    answers: Sequence[AnswerRow]
    """To the questions, of models that were scored."""
    models: Sequence[ModelRow]
    probes: Sequence[ProbeRow]
    zoo: Sequence[ZooRow]
    grades: Sequence[GradeRow]
    """Of the answers."""
    general: Sequence[GeneralRow]
    """Of the models that were scored."""
    versions: Mapping[str, int]

    def tables(self) -> list[TableVersion]:
        """Return what was read of each table that held something."""
        rows = {name: getattr(self, name) for name in self.versions}
        return [
            TableVersion(
                stage=name,
                table=name,
                version=self.versions[name],
                rows=len(held),
                digest=digest_rows([name], [repr(row) for row in held]),
            )
            for name, held in rows.items()
            if held
        ]


def find(db: Database, mining: str, scope: str | None) -> Findings:
    """Read all that is known of a mining's questions, and the probes of a scope."""
    tables = (questions, scores, comparisons, answers, models, probes, zoo, grades, general)
    version = {table.SPEC.name: db.version(table.SPEC) for table in tables}
    asked = questions.read(db, mining, version=version["questions"])
    scored = scores.read(db, mining, version=version["scores"])
    names = sorted({row.model for row in scored})
    wanted = {row.question_id for row in asked}
    return Findings(
        questions=asked,
        scores=scored,
        comparisons=comparisons.read(db, mining, version=version["comparisons"]),
        answers=answers.read(db, question_ids=wanted, models=names, version=version["answers"]),
        models=models.read(db, names, version=version["models"]),
        probes=probes.read(db, scope, version=version["probes"]) if scope is not None else [],
        zoo=zoo.read(db, mining, version=version["zoo"]),
        grades=grades.read(db, question_ids=wanted, version=version["grades"]),
        general=[row for row in general.read(db, version=version["general"]) if row.model in names],
        versions=version,
    )


def results_of(
    found: Findings, told: Knowledge, *, main: str = MINED, key: str = CORRECTED
) -> Results:
    """Turn rows into what a report shows.

    Args:
        found: The rows.
        told: What the corpora tell of their attributes.
        main: The benchmark that cards are about.
        key: The answer key that figures show; of a benchmark that lacks it, its first.
    """
    labels = _labels(found)
    shown = _under(found.scores, key)
    others = set(found.scores) - set(shown)
    return Results(
        scores=_scores(shown, labels),
        other_keys=_scores([row for row in found.scores if row in others], labels),
        comparisons=[
            ModelComparison(**{k: v for k, v in asdict(row).items() if k != "mining"})
            for row in found.comparisons
        ],
        probes=_probes(found, told),
        questions=_asked_pairs(found, main, key),
        benchmarks=BENCHMARKS if main == MINED else {},
        protocols={name: about(name) for name in _ways(found)},
        outcomes=OUTCOMES,
        patterns=list(PATTERNS.values()),
        main=main,
        evidence=replace(
            evidence_of(
                found.questions,
                found.scores,
                found.answers,
                labels=labels,
                shown=shown,
                main=main,
                ways=_ways(found),
                encoders=found.zoo,
            ),
            graded=_graded(found, labels),
            general=[
                GeneralFigure(label=encoder_label(row.model), **asdict(row))
                for row in found.general
            ],
        ),
    )


def _under(rows: Sequence[ScoreRow], key: str) -> list[ScoreRow]:
    """Return the scores under a key; those of a benchmark that lacks it under its first.

    Of the rules for CLIPs the paper's counts; others stand on leaderboards of their own.
    """
    keys: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        keys[row.benchmark].append(row.key)
    shown = {name: key if key in held else min(held) for name, held in keys.items()}
    return [
        row for row in rows if row.key == shown[row.benchmark] and row.protocol not in CONTRASTS[1:]
    ]


def _ways(found: Findings) -> list[str]:
    """Return the ways in which models were asked, the main ones first."""
    return list(dict.fromkeys([*FIRST, *sorted({row.protocol for row in found.scores})]))


def _scores(rows: Sequence[ScoreRow], labels: Mapping[tuple[str, str], str]) -> list[ModelScore]:
    return [
        ModelScore(
            label=labels[row.model, row.protocol],
            **{k: v for k, v in asdict(row).items() if k != "mining"},
        )
        for row in rows
    ]


def _labels(found: Findings) -> dict[tuple[str, str], str]:
    """Return what people call each model under each protocol, in all its seeds."""
    encoders = {row.model: row.facts.get("encoders", {}) for row in found.models}
    labels = {}
    for row in found.scores:
        if row.seed is not None:
            said = label_of(row.features, row.ssl_share, encoders.get(row.model, {}))
        elif row.model == PEOPLE:
            said = "people, their mean"
        else:
            said = encoder_label(row.model)
            if row.protocol == MMVP_VLM:
                said += " by MMVP-VLM's rule"
        labels[row.model, row.protocol] = said
    return labels


def _probes(found: Findings, told: Knowledge) -> list[ProbeScore]:
    return [
        ProbeScore(
            pattern=PATTERNS.get(told.patterns.get(row.attribute) or ""),
            captioned=row.attribute in told.captioned,
            **{k: v for k, v in asdict(row).items() if k != "scope"},
        )
        for row in found.probes
    ]


def _graded(found: Findings, labels: Mapping[tuple[str, str], str]) -> list[GradedAnswers]:
    names = {field.name for field in fields(GradedAnswers)}
    return [
        GradedAnswers(
            label=labels[row["model"], row["protocol"]],
            **{name: value for name, value in row.items() if name in names},
        )
        for row in kept_comparisons(found.questions, found.answers, found.grades)
        if (row["model"], row["protocol"]) in labels
    ]


def _asked_pairs(found: Findings, main: str, key: str) -> list[AskedPair]:
    """Gather the questions of a benchmark's pairs with what each model said to both."""
    by_pair: dict[tuple[str, str], list[QuestionRow]] = defaultdict(list)
    for row in found.questions:
        if row.benchmark == main:
            by_pair[row.pair_id, row.attribute].append(_keyed(row, key))
    given = {row.name: row for row in found.answers}
    asked = dict.fromkeys(
        (row.model, row.protocol)
        for row in found.scores
        if row.benchmark == main and row.model != PEOPLE  # a mean says nothing
    )
    return [
        AskedPair(
            pair_id=a.pair_id,
            attribute=a.attribute,
            pattern=a.pattern,
            question=a.question,
            options=a.options,
            answer_a=a.answer,
            answer_b=b.answer,
            statement_a=a.statement,
            statement_b=b.statement,
            source=a.source,
            key=a.key,
            replies=[_reply(a, b, *names, given) for names in asked],
        )
        for a, b in (sorted(pair, key=_place) for pair in by_pair.values())
    ]


def _keyed(row: QuestionRow, key: str) -> QuestionRow:
    """Return a question with the right option under a key; as it is where the key has none."""
    if row.corrected is None or key != CORRECTED:
        return row
    return replace(row, answer=row.corrected, key=key)


def _place(row: QuestionRow) -> tuple[str, str]:
    """Return where a question stands in its pair: published ones by number, others by image."""
    return ("", row.question_id) if row.source == PUBLISHED else (row.image, row.question_id)


def _reply(
    a: QuestionRow,
    b: QuestionRow,
    model: str,
    protocol: str,
    given: Mapping[AnswerName, AnswerRow],
) -> Reply:
    to_a = given.get(AnswerName(a.question_id, model, protocol))
    to_b = given.get(AnswerName(b.question_id, model, protocol))
    choice_a, choice_b = (each.choice if each is not None else None for each in (to_a, to_b))
    (outcome,) = pair_outcomes(
        AskedQuestion(pair_id=row.pair_id, pattern=row.pattern, answer=row.answer, choice=choice)
        for row, choice in ((a, choice_a), (b, choice_b))
    )
    return Reply(
        model=model,
        protocol=protocol,
        choice_a=choice_a,
        choice_b=choice_b,
        response_a=to_a.response if to_a is not None else "",
        response_b=to_b.response if to_b is not None else "",
        outcome=outcome.outcome,
    )
