"""Count right pairs as each harness does; ours counts every pair of the benchmark.

Put here: the rules by which answers become pairs.
Keep out: outcomes and intervals (`tasks.scores`), which are always by pair.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple


class Graded(NamedTuple):
    """An answered question: its number, its text, whether the answer is right."""

    number: int
    text: str
    right: bool


class Count(NamedTuple):
    """Right pairs, and all that count; halves are a quirk of Cambrian."""

    right: float
    total: float


def _by_pair(graded: Sequence[Graded], pairs: int) -> Count:
    return Count(sum(map(all, _both_answered(graded))), pairs)


def _complete(graded: Sequence[Graded], pairs: int) -> Count:
    both = _both_answered(graded)
    return Count(sum(map(all, both)), len(both))


def _consecutive(graded: Sequence[Graded], pairs: int) -> Count:
    return Count(sum(one.right and two.right for one, two in _twos(graded)), len(graded) // 2)


def _checked(graded: Sequence[Graded], pairs: int) -> Count:
    ordered = sorted(graded)
    apart = [one.number for one, two in _twos(ordered) if one.text != two.text]
    if len(ordered) % 2 or apart:
        message = (
            f"{len(ordered)} answers do not make pairs{f' at question {apart[0]}' if apart else ''}"
            f"; this rule takes an even number, of which each two have one question"
        )
        raise ValueError(message)
    return _consecutive(ordered, pairs)


def _counter(graded: Sequence[Graded], pairs: int) -> Count:
    right = _consecutive(graded, pairs).right
    left_over = len(graded) % 2 and graded[-1].right
    return Count(right + left_over / 2, len(graded) / 2)


BY_PAIR: Final = "by-pair"
COMPLETE: Final = "complete-pairs"
CONSECUTIVE: Final = "consecutive-answers"
CHECKED: Final = "checked-rows"
COUNTER: Final = "counter"

PAIR_RULES: Final[Mapping[str, Callable[[Sequence[Graded], int], Count]]] = {
    BY_PAIR: _by_pair,
    COMPLETE: _complete,
    CONSECUTIVE: _consecutive,
    CHECKED: _checked,
    COUNTER: _counter,
}
"""By name: all pairs, a missing answer is wrong; pairs with both answers only; each two answers in
the order of the file, so that a lost one shifts all behind it; the same by number, refused if the
questions differ; Cambrian's counter, where a right answer left over is half a pair."""


def _both_answered(graded: Iterable[Graded]) -> list[list[bool]]:
    by_pair: dict[int, list[bool]] = defaultdict(list)
    for one in graded:
        by_pair[(one.number + 1) // 2].append(one.right)
    return [two for two in by_pair.values() if len(two) == 2]


def _twos(graded: Sequence[Graded]) -> Iterable[tuple[Graded, Graded]]:
    return zip(graded[::2], graded[1::2], strict=False)
