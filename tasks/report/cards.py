"""What stands on a pair's card: its question, and what each variant answered.

Put here: answers of seeds taken together, and what the cards can be filtered by.
Keep out: pictures (`pictures`), HTML (the templates), beside this file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from tasks.report.results import AskedPair, Reply, Results, Standing, standings

ANY: Final = "any model"
"""The first of what cards can be chosen by: an outcome that some model has."""


class Word(NamedTuple):
    """An option that seeds of a variant took; `choice` is None where none could be read."""

    choice: str | None
    is_right: bool
    seeds: int


class OwnWords(NamedTuple):
    """What was said, where the option taken does not tell it, and what it was said to."""

    protocol: str
    text: str


class AnswerRow(NamedTuple):
    """What a variant answered to a pair's two questions.

    Its own words are those that could not be read, and those to another protocol that took another
    option. An encoder or a model from elsewhere was not trained here.
    """

    label: str
    is_trained: bool
    words_a: Sequence[Word]
    words_b: Sequence[Word]
    own_a: Sequence[OwnWords]
    own_b: Sequence[OwnWords]


class CardQuestion(NamedTuple):
    """A pair's question on its card; `marks` are what the filters look for."""

    asked: AskedPair
    about: str
    rows: Sequence[AnswerRow]
    marks: Sequence[str]


class Filters(NamedTuple):
    """What cards can be chosen by: patterns with their number of cards, variants, outcomes."""

    patterns: Mapping[str, int]
    variants: Sequence[str]
    outcomes: Sequence[str]


def about(asked: AskedPair) -> str:
    """Return what a question is about: its pattern, else its attribute."""
    return asked.pattern or asked.attribute


def filters(results: Results, asked: Sequence[AskedPair]) -> Filters:
    """Gather what the cards of these questions can be chosen by."""
    counts = Counter(about(each) for each in asked)
    order = {name: place for place, name in enumerate(results.patterns)}
    names = sorted(counts, key=lambda name: (order.get(name, len(order)), name))
    found = {reply.outcome for each in asked for reply in each.replies}
    return Filters(
        patterns={name: counts[name] for name in names},
        variants=[ANY, *_variants(results)] if found else [],
        outcomes=[name for name in results.outcomes if name in found],
    )


def _variants(results: Results) -> list[str]:
    """Return the labels of the variants; of one label with several steps, with the steps."""
    found = standings(results, results.main)
    counts = Counter(each.label for each in found)
    return [
        each.label if counts[each.label] == 1 else f"{each.label}, {each.seeds[0].steps} steps"
        for each in found
    ]


def card_question(results: Results, asked: AskedPair, choices: Filters) -> CardQuestion:
    """Gather what a card says of its question."""
    by_name = {(reply.model, reply.protocol): reply for reply in asked.replies}
    rows = []
    marks = [f"p{list(choices.patterns).index(about(asked))}"]
    shown: dict[str, None] = {}
    for n, each in enumerate(standings(results, results.main), start=1):
        replies = [
            by_name[row.model, each.protocol]
            for row in each.seeds
            if (row.model, each.protocol) in by_name
        ]
        if replies:
            rows.append(_answer_row(asked, each, replies, by_name))
            outcomes = [f"-{choices.outcomes.index(o)}" for o in _outcomes(replies, choices)]
            marks += [f"m{n}{outcome}" for outcome in outcomes]
            shown |= dict.fromkeys(outcomes)
    marks += [f"m0{outcome}" for outcome in sorted(shown)]
    return CardQuestion(asked, about(asked), rows, marks)


def _outcomes(replies: Sequence[Reply], choices: Filters) -> list[str]:
    found = {reply.outcome for reply in replies}
    return [name for name in choices.outcomes if name in found]


def _answer_row(
    asked: AskedPair,
    standing: Standing,
    replies: Sequence[Reply],
    by_name: Mapping[tuple[str, str], Reply],
) -> AnswerRow:
    models = {reply.model: reply for reply in replies}
    others = [
        (reply, models[model])
        for (model, protocol), reply in by_name.items()
        if model in models and protocol != standing.protocol and "+" not in protocol
    ]
    return AnswerRow(
        label=standing.label,
        is_trained=standing.is_trained,
        words_a=_words([reply.choice_a for reply in replies], asked.answer_a),
        words_b=_words([reply.choice_b for reply in replies], asked.answer_b),
        own_a=_own_words(
            [(r.protocol, r.response_a) for r in replies if r.choice_a is None]
            + [(r.protocol, r.response_a) for r, main in others if r.choice_a != main.choice_a]
        ),
        own_b=_own_words(
            [(r.protocol, r.response_b) for r in replies if r.choice_b is None]
            + [(r.protocol, r.response_b) for r, main in others if r.choice_b != main.choice_b]
        ),
    )


def _words(choices: Sequence[str | None], answer: str) -> list[Word]:
    counts = Counter(choices).most_common()
    counts.sort(key=lambda item: (-item[1], item[0] is None, item[0] or ""))
    return [Word(choice, choice == answer, seeds) for choice, seeds in counts]


def _own_words(responses: Iterable[tuple[str, str]]) -> list[OwnWords]:
    """Return what was said, each once, where it was more than blanks."""
    return list(dict.fromkeys(OwnWords(*each) for each in responses if each[1].strip()))
