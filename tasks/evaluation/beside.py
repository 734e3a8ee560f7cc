"""What stands beside a score: what a model gets without looking, and what its figure can show.

Put here: from questions, answers and scores to plain values that terminal, JSON and report print.
Keep out: the statistics themselves (`tasks.scores`), scores (`scoring`, beside this file).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from storage import answers, comparisons, questions, scores
from storage.answers import AnswerName, AnswerRow
from storage.database import Database
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.benchmarks.keys import KEYS, ORIGINAL
from tasks.evaluation.asking import MMVP_VLM
from tasks.evaluation.rows import answer_of, keys_of, question_of
from tasks.evaluation.scoring import asked_under, pair_name
from tasks.evaluation.stored import FEW_PAIRS, spread_of
from tasks.evaluation.ways import SWAPPED_OPTIONS, TEXT_ONLY, Way, way_named
from tasks.people import PEOPLE
from tasks.scores import (
    CHANCE,
    PairOutcome,
    Placed,
    Share,
    audit_labels,
    beside_text,
    detectable_paired,
    order_consistency,
    pair_outcomes,
    position_bias,
)
from tasks.scores.audit import STRONG

Given = Mapping[AnswerName, AnswerRow]

LEAST_MODELS: Final = 2
"""A label is suspect only if several models contradict it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What stands beside the score of all pairs of a model under a protocol and a key.

    A value is None where the answers that it needs are not there. `text_only` has the accuracies of
    the same questions without images, with the p-value that they differ (McNemar). `first_option`
    is how often the option shown first is taken, without a bias 0.5; `same_when_turned` how often
    the same option is taken when both have changed places. `detectable` is the difference of pair
    accuracy, from 0 to 1, that is found four times in five between this model and another that errs
    independently. `spread` has the same replies under every protocol that sends the same words.
    """

    benchmark: str
    model: str
    protocol: str
    key: str
    text_only: Mapping[str, float] | None
    first_option: Mapping[str, float | None] | None
    same_when_turned: Mapping[str, float | None] | None
    detectable: float | None
    spread: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectLabel:
    """A pair that most of the strong models, `models` in all, answer the wrong way round."""

    benchmark: str
    key: str
    pair: str
    question: str
    models: int
    right: int
    swapped: int
    p_holm: float


class Told(NamedTuple):
    """What stands beside the scores, in their order, and labels to look at.

    `heard` counts by benchmark the models that were strong enough to have a say on labels.
    """

    beside: Sequence[Beside]
    suspects: Sequence[SuspectLabel]
    heard: Mapping[str, int]


def tell(
    asked: Sequence[QuestionRow], scored: Sequence[ScoreRow], given: Sequence[AnswerRow]
) -> Told:
    """Return what stands beside each score of all pairs of which answers are there.

    Args:
        asked: All questions of the benchmarks that were scored.
        scored: Scores; those by pattern are passed over. A control counts only if it was scored.
        given: The answers; failed calls among them count as unread.
    """
    by_benchmark: dict[str, list[QuestionRow]] = defaultdict(list)
    for row in sorted(asked, key=lambda row: (pair_name(row), row.question_id)):
        by_benchmark[row.benchmark].append(row)
    by_name = {row.name: row for row in given}
    answered = {(row.model, row.protocol) for row in given}
    overall = [
        row
        for row in scored
        if row.pattern is None
        and row.benchmark in by_benchmark
        and (row.model, row.protocol) in answered
    ]
    found = [_beside(row, by_benchmark[row.benchmark], by_name, overall) for row in overall]
    suspects: list[SuspectLabel] = []
    heard = {}
    for benchmark, rows in by_benchmark.items():
        mine = [row for row in overall if row.benchmark == benchmark]
        panel = _panel(rows, mine, by_name)
        heard[benchmark] = len(panel)
        if len(panel) >= LEAST_MODELS:
            suspects += _suspects(benchmark, rows, panel)
    return Told(found, suspects, heard)


def _beside(
    row: ScoreRow, asked: Sequence[QuestionRow], given: Given, scored: Sequence[ScoreRow]
) -> Beside:
    asked = [one for one in asked if answer_of(one, row.key) is not None]
    way = _way(row.protocol)
    ways = {(one.benchmark, one.model, one.key, one.protocol) for one in scored}

    def under(control: str) -> Way | None:
        """Return the same way under a control, if it was scored; a control has none of its own."""
        if way is None or way.control is not None:
            return None
        other = way._replace(control=control)
        return other if (row.benchmark, row.model, row.key, other.name) in ways else None

    return Beside(
        benchmark=row.benchmark,
        model=row.model,
        protocol=row.protocol,
        key=row.key,
        text_only=_text_only(row, asked, given, under(TEXT_ONLY)),
        first_option=_first_option(row, asked, given, way),
        same_when_turned=_same_when_turned(row, asked, given, way, under(SWAPPED_OPTIONS)),
        detectable=detectable(row.pairs, row.pair_accuracy),
        spread=_spread(way, row, asked, given) if way and not way.control else None,
    )


def _way(protocol: str) -> Way | None:
    """Return how a model that reads was asked; None of people, and of CLIPs with their rules."""
    if protocol == PEOPLE or protocol.startswith(MMVP_VLM):
        return None
    return way_named(protocol)


def detectable(pairs: int, accuracy: float) -> float | None:
    """Return the difference found four times in five to a model that errs independently.

    Two such models of this accuracy differ on 2 a (1 - a) of the pairs; models that err alike
    differ on fewer, so that less is found. None where no or every pair is right, or pairs are too
    few for any difference.
    """
    discordant = 2 * accuracy * (1 - accuracy)
    return detectable_paired(pairs, discordant) if discordant else None


def _text_only(
    row: ScoreRow, asked: Sequence[QuestionRow], given: Given, control: Way | None
) -> dict[str, float] | None:
    if control is None:
        return None
    found = beside_text(
        *(
            asked_under(row.key, asked, _choices(asked, row.model, name, given))
            for name in (row.protocol, control.name)
        )
    )
    text = found.text_only
    return {
        "pair_accuracy": text.pair_accuracy,
        "pair_low": text.pair_low,
        "pair_high": text.pair_high,
        "question_accuracy": text.question_accuracy,
        "only_with_image": found.only_with_image,
        "only_with_text": found.only_with_text,
        "p_value": found.p_value,
    }


def _first_option(
    row: ScoreRow, asked: Sequence[QuestionRow], given: Given, way: Way | None
) -> dict[str, float | None] | None:
    if way is None or not way.shows_options:
        return None
    return _shares(position_bias(_placed(way, row, asked, given)))


def _same_when_turned(
    row: ScoreRow,
    asked: Sequence[QuestionRow],
    given: Given,
    way: Way | None,
    turned: Way | None,
) -> dict[str, float | None] | None:
    if way is None or turned is None or not way.shows_options:
        return None
    shown = (_placed(each, row, asked, given) for each in (way, turned))
    return _shares(order_consistency(*shown))


def _choices(
    asked: Sequence[QuestionRow], model: str, way: str, given: Given
) -> dict[str, str | None]:
    found = ((row, given.get(AnswerName(row.question_id, model, way))) for row in asked)
    return {row.question_id: None if one is None else one.choice for row, one in found}


def _placed(way: Way, row: ScoreRow, asked: Sequence[QuestionRow], given: Given) -> list[Placed]:
    choices = _choices(asked, row.model, way.name, given)
    return [
        Placed(
            question_id=one.question_id,
            pair_id=pair_name(one),
            options=way.shown(question_of(one)).options,
            answer=one.answer,
            choice=choices[one.question_id],
        )
        for one in asked
    ]


def _shares(found: Share) -> dict[str, float | None]:
    return {
        "share": found.share,
        "low": found.interval.low,
        "high": found.interval.high,
        "pairs": found.pairs,
        "left_out": found.left_out,
    }


def _spread(
    way: Way, row: ScoreRow, asked: Sequence[QuestionRow], given: Given
) -> dict[str, Any] | None:
    replies = {}
    for number, one in enumerate(asked, start=1):
        said = given.get(AnswerName(one.question_id, row.model, row.protocol))
        if said is not None and said.failure is None:
            replies[number] = said.response
    numbered = [question_of(one, number) for number, one in enumerate(asked, start=1)]
    key = row.key if row.key in KEYS else ORIGINAL  # a mined benchmark has one key only
    return spread_of(way.protocol, numbered, replies, key=key)


def _panel(
    asked: Sequence[QuestionRow], scored: Sequence[ScoreRow], given: Given
) -> dict[str, list[PairOutcome]]:
    """Return the outcomes of each strong model, in that of its plain ways in which it does best."""
    key = keys_of(asked)[0]
    best: dict[str, ScoreRow] = {}
    for row in sorted(scored, key=lambda row: (-row.pair_accuracy, row.protocol)):
        if row.key == key and row.pair_accuracy >= STRONG and "+" not in row.protocol:
            best.setdefault(row.model, row)
    return {
        model: pair_outcomes(asked_under(key, asked, _choices(asked, model, row.protocol, given)))
        for model, row in best.items()
    }


def _suspects(
    benchmark: str, asked: Sequence[QuestionRow], panel: Mapping[str, Sequence[PairOutcome]]
) -> list[SuspectLabel]:
    first = {pair_name(row): row for row in reversed(asked)}
    return [
        SuspectLabel(
            benchmark=benchmark,
            key=keys_of(asked)[0],
            pair=found.pair_id,
            question=first[found.pair_id].question,
            models=found.models,
            right=found.right,
            swapped=found.swapped,
            p_holm=found.p_holm,
        )
        for found in audit_labels(panel)
        if found.is_suspect
    ]


def summarise(db: Database, mining: str) -> dict[str, Any]:
    """Return all that is known of how models did on the benchmarks of a mining, or on a set.

    Every score of all pairs has under `beside` what stands beside it, None where its answers are
    not in the store; every score of a pattern has under `few` whether a single pair moves it much.
    """
    asked = questions.read(db, mining)
    scored = scores.read(db, mining)
    given = answers.read(db, question_ids={row.question_id for row in asked})
    told = tell(asked, scored, given)
    beside = {_name(one): asdict(one) for one in told.beside}
    rows = []
    for row in scored:
        values = asdict(row)
        if row.pattern is None:
            values["beside"] = beside.get(_name(row))
        else:
            values["few"] = row.pairs < FEW_PAIRS
        rows.append(values)
    return {
        "scores": rows,
        "comparisons": [asdict(row) for row in comparisons.read(db, mining)],
        "labels": {"heard": told.heard, "suspects": [asdict(one) for one in told.suspects]},
        "chance": {name: chance._asdict() for name, chance in CHANCE.items()},
    }


def _name(row: ScoreRow | Beside) -> tuple[str, str, str, str]:
    return row.benchmark, row.model, row.protocol, row.key
