"""What a model does without the image, and what the place of an option does to it.

Put here: position bias, consistency under another order of options, text alone beside the score.
Keep out: asking in these ways (`tasks.evaluation`); guessers (`chance`, beside this file).

All intervals resample pairs, as `question_interval` does.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.scores.outcomes import AskedQuestion, pair_outcomes, right_pairs
from tasks.scores.results import Score, compare, score
from tasks.scores.statistics import Interval, question_interval

IMAGE, TEXT = "with image", "text alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A question with its options in the order shown; `choice` is None if unread."""

    question_id: str
    pair_id: str
    options: tuple[str, str]
    answer: str
    choice: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of the questions of `pairs` pairs, with its 95 % interval; None of no pairs.

    `left_out` counts the pairs that say nothing about it.
    """

    share: float | None
    interval: Interval
    pairs: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideText:
    """A model's score with the images and without, and the p-value that they differ (McNemar)."""

    score: Score
    text_only: Score
    only_with_image: int
    only_with_text: int
    p_value: float


def position_bias(questions: Iterable[Placed]) -> Share:
    """Return how often the option shown first is taken; without a bias, half of the time.

    Pairs count whose right answers stand once first and once second and that were read, so that a
    model that is always right has no bias whatever the key.
    """
    firsts, left_out = [], 0
    for pair in _by_pair(questions):
        places = sorted(one.options.index(one.answer) for one in pair)
        if places == [0, 1] and all(one.choice is not None for one in pair):
            firsts.append(sum(one.choice == one.options[0] for one in pair))
        else:
            left_out += 1
    return _share(firsts, left_out)


def order_consistency(shown: Iterable[Placed], turned: Iterable[Placed]) -> Share:
    """Return how often the same option is taken when its place has changed.

    Pairs count whose questions were all read both times. Of two options, a model that goes by the
    place alone is never consistent, one that tosses a coin half of the time.

    Raises:
        ValueError: if a question is not in both, or its options are not turned.
    """
    again = {one.question_id: one for one in turned}
    kept, left_out = [], 0
    for pair in _by_pair(shown):
        both = [(one, _turned(one, again)) for one in pair]
        if all(one.choice is not None and two.choice is not None for one, two in both):
            kept.append(sum(one.choice == two.choice for one, two in both))
        else:
            left_out += 1
    return _share(kept, left_out)


def beside_text(seen: Sequence[AskedQuestion], unseen: Sequence[AskedQuestion]) -> BesideText:
    """Return a model's score and what it gets without images, on the same pairs.

    Raises:
        ValueError: if the pairs are not the same, or there are none.
    """
    outcomes = {IMAGE: pair_outcomes(seen), TEXT: pair_outcomes(unseen)}
    right = {name: right_pairs(found) for name, found in outcomes.items()}
    if right[IMAGE].keys() != right[TEXT].keys() or not right[IMAGE]:
        message = (
            f"{len(right[IMAGE])} pairs asked with their images and {len(right[TEXT])} without; "
            f"expected the same pairs both times"
        )
        raise ValueError(message)
    (found,) = compare(right)
    by_name = {found.model_a: found.only_a, found.model_b: found.only_b}
    return BesideText(
        score=score(seen)[0],
        text_only=score(unseen)[0],
        only_with_image=by_name[IMAGE],
        only_with_text=by_name[TEXT],
        p_value=found.p_value,
    )


def _by_pair(questions: Iterable[Placed]) -> list[list[Placed]]:
    by_pair: dict[str, list[Placed]] = defaultdict(list)
    for question in questions:
        by_pair[question.pair_id].append(question)
    return [by_pair[pair_id] for pair_id in sorted(by_pair)]


def _turned(one: Placed, again: dict[str, Placed]) -> Placed:
    two = again.get(one.question_id)
    if two is None or two.options != one.options[::-1]:
        found = "no question" if two is None else f"options {two.options!r}"
        message = (
            f"question {one.question_id!r} in the other order has {found}; expected its options "
            f"{one.options[::-1]!r}"
        )
        raise ValueError(message)
    return two


def _share(counts: Sequence[int], left_out: int) -> Share:
    return Share(
        share=sum(counts) / (2 * len(counts)) if counts else None,
        interval=question_interval(counts),
        pairs=len(counts),
        left_out=left_out,
    )
