"""Select a benchmark from mined pairs: the blindest first, each image at most once, all patterns.

Put here: the order of pairs, the balance of patterns, the reasons why one is left out.
Keep out: finding pairs (`tasks.mining.search`); what can be asked about one (`tasks.attributes`).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.attributes import Knowledge
from tasks.mining.pairs import BlindPairs
from tasks.reasons import IMAGE_USED, NOTHING_TO_ASK

BENCHMARK_FULL: Final = "benchmark-full"
PATTERN_FULL: Final = "pattern-full"

LEFT_OUT: Final = {
    IMAGE_USED: "one of its images is in a pair with a wider gap between the two cosines",
    BENCHMARK_FULL: "the benchmark has as many pairs as asked for, all with a wider gap",
    NOTHING_TO_ASK: "the metadata of its images tells no difference that could be asked about",
    PATTERN_FULL: "the benchmark has its share of pairs of each pattern that they differ in",
}


class Selection(NamedTuple):
    """For each pair why it is left out, None if it is selected, and what it is asked about.

    The attribute is None for pairs that are left out, and for all where nothing is known beside
    what captions name.
    """

    left_out: NDArray[np.object_]
    attribute: NDArray[np.object_]


def select(
    pairs: BlindPairs, benchmark_pairs: int, images: Sequence[str], know: Knowledge
) -> Selection:
    """Select pairs by the gap between CLIP and SSL cosine, widest first; ties by `i`, then `j`.

    `images` are the ids that `i` and `j` count. Where the corpus tells what captions omit, each
    pair is asked about one such attribute, in which its images differ: that whose pattern has the
    fewest pairs so far. No pattern gets more than its share of the benchmark.
    """
    left_out = np.full(len(pairs.i), None, dtype=object)
    attribute = np.full(len(pairs.i), None, dtype=object)
    shares = _Shares(benchmark_pairs, know)
    used: set[int] = set()
    for position in np.lexsort((pairs.j, pairs.i, pairs.ssl_cosine - pairs.clip_cosine)):
        i, j = int(pairs.i[position]), int(pairs.j[position])
        if {i, j} & used:
            left_out[position] = IMAGE_USED
        elif len(used) >= 2 * benchmark_pairs:
            left_out[position] = BENCHMARK_FULL
        elif reason := shares.refuse(int(position), images[i], images[j]):
            left_out[position] = reason
        else:
            used |= {i, j}
    for place, name in shares.asked.items():
        attribute[place] = name
    return Selection(left_out, attribute)


class _Shares:
    """What each pair is asked about, so that no pattern has more pairs than its share."""

    def __init__(self, benchmark_pairs: int, know: Knowledge) -> None:
        self.know = know
        self.asked: dict[int, str] = {}
        groups = {self._group(name) for name in know.patterns.keys() - know.captioned}
        self._most = -(-benchmark_pairs // len(groups)) if groups else None
        self._names: dict[int, list[str]] = {}
        self._pairs: defaultdict[str, list[int]] = defaultdict(list)
        self._closed: set[str] = set()

    def refuse(self, pair: int, one: str, other: str) -> str | None:
        """Give a pair of images its attribute, or return why it gets none."""
        if self._most is None:
            return None
        names = self.know.differences(one, other)
        if not names:
            return NOTHING_TO_ASK
        self._names[pair] = names
        tried = set(self._closed)
        if self._ask(pair, tried):
            return None
        del self._names[pair]
        self._closed = tried  # full of pairs that could be asked about these alone: so for ever
        return PATTERN_FULL

    def _ask(self, pair: int, tried: set[str]) -> bool:
        """Ask a pair about the pattern with the fewest pairs; of a full one move another pair."""
        for name in sorted(self._names[pair], key=lambda name: (self._count(name), name)):
            group = self._group(name)
            if group in tried:
                continue
            tried.add(group)
            if self._count(name) == self._most:
                moved = next(
                    (seated for seated in self._pairs[group] if self._ask(seated, tried)), None
                )
                if moved is None:
                    continue
                self._pairs[group].remove(moved)
            self._pairs[group].append(pair)
            self.asked[pair] = name
            return True
        return False

    def _count(self, attribute: str) -> int:
        return len(self._pairs[self._group(attribute)])

    def _group(self, attribute: str) -> str:
        return self.know.patterns.get(attribute) or attribute
