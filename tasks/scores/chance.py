"""What models get that do not look at the images.

Put here: guessers, and their expected accuracies on pairs whose two right answers differ.
Keep out: measured controls (`controls`, beside this file).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tasks.scores.statistics import PAIR_CHANCE


class Chance(NamedTuple):
    """Expected accuracies of a guesser, on pairs and on questions, and what it does."""

    pair_accuracy: float
    question_accuracy: float
    what: str


CHANCE: Final[Mapping[str, Chance]] = {
    "independent": Chance(PAIR_CHANCE, 0.5, "tosses a coin for each question"),
    "always-same": Chance(0.0, 0.5, "gives both questions of a pair the same answer"),
    "opposite": Chance(0.5, 0.5, "knows that the two answers differ, and tosses a coin for which"),
}
"""A model that is asked one question at a time can be `opposite` only if it knows the benchmark; so
a pair accuracy between 25 and 50 % shows that it sees only if it does not know it."""
