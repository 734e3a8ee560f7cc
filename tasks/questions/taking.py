"""Which of the offered questions are taken, one of each pair, and how many pairs are still lacking.

Put here: the order of preference, the room for each pattern, the reasons why a pair has none.
Keep out: what is offered (`offers`), writing the questions (`stage`), beside this file.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from storage.questions import QuestionRow
from tasks.patterns import PATTERNS
from tasks.questions.config import QuestionConfig
from tasks.reasons import IMAGE_USED

UNPROPOSED: Final = "nothing-proposed"
FULL: Final = "pattern-full"
BY_RULE: Final = "statement-by-rule"


class Offer(NamedTuple):
    """A pair's questions if they were taken, else what keeps them out."""

    rows: Sequence[QuestionRow]
    refused: str | None = None
    by_rule: bool = False
    """Whether nobody stated the answers."""

    @property
    def images(self) -> frozenset[str]:
        """The images that it asks about."""
        return frozenset(row.image for row in self.rows)

    @property
    def pattern(self) -> str | None:
        """The pattern of its questions."""
        return self.rows[0].pattern


class Offered(NamedTuple):
    """What is offered about each pair, preferred first; the pairs of the benchmark come first."""

    about: Mapping[str, Sequence[Offer]]
    selected: Collection[str]
    extra: Collection[str] = ()
    """Pairs that are taken only for want of others; they come last."""


@dataclass(kw_only=True)
class Taken:
    """The questions that are taken, and what is counted on the way."""

    config: QuestionConfig
    wanted: int
    """Pairs that the benchmark is to have."""
    rows: list[QuestionRow] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    patterns: Counter[str | None] = field(default_factory=Counter)
    """Pairs of each pattern; None: of no pattern."""
    used: set[str] = field(default_factory=set)
    """Images that are asked about."""

    @property
    def short(self) -> dict[str, int]:
        """How many pairs each of the nine patterns lacks; those that lack none are left out."""
        most = self.config.pairs_per_pattern or 0
        counts = {name: most - self.patterns[name] for name in PATTERNS.values()}
        return {name: count for name, count in counts.items() if count > 0}

    @property
    def lacking(self) -> int:
        """How many pairs the benchmark lacks."""
        if self.config.pairs_per_pattern is not None:
            return sum(self.short.values())
        return max(0, self.wanted - self.patterns.total())

    def has_room(self, pattern: str | None, *, extra: bool) -> bool:
        """Say whether a pair of a pattern may be taken."""
        most = self.config.pairs_per_pattern
        if extra:
            return self.lacking > 0 if most is None else pattern in self.short
        return most is None or self.patterns[pattern] < most


def take(offered: Offered, config: QuestionConfig) -> Taken:
    """Take of each pair the first offer that passes and has room.

    Of pairs beyond the selected ones none is taken with an image that is asked about already.
    """
    taken = Taken(config=config, wanted=len(offered.selected))
    for pair_id, offers in offered.about.items():
        extra = pair_id in offered.extra
        if extra and not taken.lacking:
            break
        others = () if pair_id in offered.selected else taken.used
        offer, why = _first(offers, taken, others, extra=extra)
        if offer is not None:
            taken.rows += offer.rows
            taken.used |= offer.images
            taken.patterns[offer.pattern] += 1
            taken.reasons[BY_RULE] += offer.by_rule
        elif why is not None or (config.proposes and not extra):
            taken.reasons[why or UNPROPOSED] += 1
    return taken


def _first(
    offers: Sequence[Offer], taken: Taken, used: Collection[str], *, extra: bool
) -> tuple[Offer | None, str | None]:
    """Return the first offer that is taken, else why the last one is not."""
    why = None
    for offer in offers:
        why = offer.refused
        if why is None and not offer.images.isdisjoint(used):
            why = IMAGE_USED
        elif why is None:
            if taken.has_room(offer.pattern, extra=extra):
                return offer, None
            why = FULL
    return None, why
