"""Score stored replies under every protocol that asks the same, and tell how far they differ.

Put here: which protocols ask the same; one set of replies under several protocols; the spread.
Keep out: intervals and outcomes (`tasks.scores`), stored rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tasks.benchmarks.question import Question
from tasks.protocols.pairs import PAIR_RULES, Count, Graded
from tasks.protocols.protocol import Protocol, Reading
from tasks.protocols.reading import read_reply
from tasks.scores import AskedQuestion, Score, score


class Rescored(NamedTuple):
    """Replies under a protocol: our scores, the harness' own count, what was drawn.

    `score` is of all pairs, `by_pattern` of those of each pattern.
    """

    protocol: str
    key: str
    score: Score
    by_pattern: Sequence[Score]
    harness: Count
    drawn: int


class Spread(NamedTuple):
    """The least and the greatest pair accuracy of the same replies, and whose they are."""

    low: float
    high: float
    lowest: str
    highest: str


def group_by_asked(
    protocols: Iterable[Protocol], questions: Sequence[Question], *, decoding: bool = True
) -> list[tuple[str, ...]]:
    """Return names of protocols that ask these questions alike, in order of the first of each.

    Alike are equal prompts and, unless `decoding` is false, equal decoding. How an image goes in
    is told by `Protocol.image` and not compared: for a stored reply that is past.
    """
    groups: dict[object, list[str]] = {}
    for protocol in protocols:
        prompts = tuple(protocol.prompt(question) for question in questions)
        asked = (protocol.asks, prompts, protocol.decoding if decoding else None)
        groups.setdefault(asked, []).append(protocol.name)
    return [tuple(names) for names in groups.values()]


def rescore(
    protocol: Protocol,
    questions: Sequence[Question],
    replies: Mapping[int, str],
    *,
    key: str | None = None,
    seed: int | None = None,
) -> Rescored:
    """Score replies, by question number in the order of their file, under a protocol.

    Without `key` the protocol's own is taken; `seed` is that of `read_reply`. A question without
    a reply is unread and counts as wrong in `score`; `harness` counts as the harness does.

    Raises:
        ValueError: if a reply is to no question, no question is scored, or the pair rule refuses.
    """
    key = protocol.key if key is None else key
    scored = {q.number: q for q in questions if q.answer(key) is not None}
    if strange := replies.keys() - {question.number for question in questions}:
        message = (
            f"there are replies to the questions {sorted(strange)[:5]}, which the benchmark does "
            f"not have; expected numbers of its {len(questions)} questions"
        )
        raise ValueError(message)
    if not scored:
        message = f"the key {key!r} leaves no question to score"
        raise ValueError(message)
    readings = {
        number: read_reply(protocol, question, replies.get(number), seed=seed)
        for number, question in scored.items()
    }
    graded = [
        Graded(number, scored[number].text, _is_right(scored[number], readings[number], key))
        for number in replies
        if number in scored
    ]
    overall, *by_pattern = score(_asked(scored, readings, key))
    return Rescored(
        protocol=protocol.name,
        key=key,
        score=overall,
        by_pattern=by_pattern,
        harness=PAIR_RULES[protocol.pair_rule](graded, len(scored) // 2),
        drawn=sum(reading.how == "drawn" for reading in readings.values()),
    )


def spread(rescored: Sequence[Rescored]) -> Spread:
    """Return how far the pair accuracies of the same replies lie apart.

    Raises:
        ValueError: if there are none.
    """
    low = min(rescored, key=lambda one: one.score.pair_accuracy)
    high = max(rescored, key=lambda one: one.score.pair_accuracy)
    return Spread(low.score.pair_accuracy, high.score.pair_accuracy, low.protocol, high.protocol)


def _is_right(question: Question, reading: Reading, key: str) -> bool:
    return reading.option is not None and reading.option == question.answer(key)


def _asked(
    scored: Mapping[int, Question], readings: Mapping[int, Reading], key: str
) -> list[AskedQuestion]:
    asked = []
    for number, question in scored.items():
        taken, right = readings[number].option, question.answer(key)
        asked.append(
            AskedQuestion(
                pair_id=f"{question.pair:06}",
                pattern=question.pattern,
                answer="" if right is None else question.options[right],
                choice=None if taken is None else question.options[taken],
            )
        )
    return asked
