"""Who gets what next: no pair twice by accident, no question by its own writer.

Put here: the next pair to write about, the next image to answer about, the next dispute.
Keep out: how a question stands (`standing`, beside this file); the study's order (`study`).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from tasks.annotation.acts import ADJUDICATE, CHECK
from tasks.annotation.standing import DISPUTED, OPEN, REJECTED, holders, is_at_work, standings
from tasks.annotation.state import Item, Rules, State
from tasks.fingerprints import digest

AT_ONCE: Final = 4
"""Questions that a checker has under way: between the two images of one lie those of others, so
that the second is not just the first one's opposite."""


class ToCheck(NamedTuple):
    """A question for a checker, and the image to answer about; None: the verdict is due."""

    item: Item
    image: str | None


def next_pair(
    state: State,
    who: str,
    rules: Rules,
    now: int,
    order: Sequence[str],
    *,
    fresh: bool = False,
) -> str | None:
    """Return the next pair for a writer, None where there is none.

    A pair that the writer has begun comes first, or, with `fresh`, last. `order` has all pairs,
    those to be taken first in front. No pair that nobody has begun is given out once as many are
    begun as are wanted.
    """
    taken = _taken(state, rules, now)
    left: list[str] = []
    new: list[str] = []
    for pair in order:
        others = taken.get(pair, set()) - {who}
        sheet = state.sheets.get(pair, {}).get(who)
        if len(others) >= rules.overlap or (sheet is not None and sheet.is_resolved):
            continue
        if sheet is not None:
            left.append(pair)
        elif not new and (others or len(taken) < rules.wanted):
            new.append(pair)
    left.sort(key=lambda pair: state.touched.get((who, pair), 0))
    found = [*new, *left] if fresh else [*left, *new]
    return found[0] if found else None


def _taken(state: State, rules: Rules, now: int) -> dict[str, set[str]]:
    """Return who has written about each pair, if that is not rejected, or holds it now."""
    found = standings(state, rules)
    taken: dict[str, set[str]] = {}
    for name, item in state.items().items():
        if found[name] != REJECTED:
            taken.setdefault(item.pair_id, set()).update(item.writers)
    for pair in state.sheets:
        if held := holders(state, pair, rules, now):
            taken.setdefault(pair, set()).update(held)
    return taken


def next_check(state: State, who: str, rules: Rules, now: int) -> ToCheck | None:
    """Return what a checker does next, None where nothing is left.

    Questions about pairs that the checker has seen whole come last: those answers are less blind.
    Some questions are under way at once, and the one longest untouched goes on.
    """
    found = standings(state, rules)
    items = [item for item in _of_others(state, who) if found[item.proposal_id] == OPEN]
    under_way = [item for item in items if _is_under_way(state, who, item)]
    under_way.sort(key=lambda item: state.touched.get((who, item.proposal_id), 0))
    verdicts_due = [item for item in under_way if image_due(state, who, item) is None]
    fresh = [item for item in items if _needs(state, who, item, rules, now)]
    fresh.sort(key=lambda item: who in state.sheets.get(item.pair_id, {}))
    may_open = len(under_way) < AT_ONCE
    found_first = [*verdicts_due, *(fresh if may_open else ()), *under_way]
    if not found_first:
        return None
    return ToCheck(found_first[0], image_due(state, who, found_first[0]))


def _of_others(state: State, who: str) -> list[Item]:
    return [item for item in state.items().values() if who not in item.writers]


def _is_under_way(state: State, who: str, item: Item) -> bool:
    name = item.proposal_id
    return who in state.takers(CHECK, name) and state.check(who, name).verdict is None


def _needs(state: State, who: str, item: Item, rules: Rules, now: int) -> bool:
    """Say whether a question needs one more checker, and this one has not had it yet."""
    name = item.proposal_id
    takers = state.takers(CHECK, name)
    busy = [
        other
        for other in takers
        if state.check(other, name).verdict is not None
        or is_at_work(state, other, name, rules, now)
    ]
    return who not in takers and len(busy) < rules.checks


def image_due(state: State, who: str, item: Item) -> str | None:
    """Return the image that a checker answers about next; None once both are answered.

    The order of the two is drawn for each checker and question.
    """
    name = item.proposal_id
    images = sorted(state.pairs[item.pair_id], key=lambda image: digest([who, name, image]))
    answered = state.check(who, name).answers
    return next((image for image in images if image not in answered), None)


def disputes(state: State, who: str, rules: Rules) -> list[Item]:
    """Return the questions in dispute that a person neither wrote nor checked."""
    found = standings(state, rules)
    return [
        item
        for item in _of_others(state, who)
        if found[item.proposal_id] == DISPUTED and who not in state.checks.get(item.proposal_id, {})
    ]


def next_dispute(state: State, who: str, rules: Rules, now: int) -> Item | None:
    """Return the next dispute for an adjudicator that no other one is at work on."""
    for item in disputes(state, who, rules):
        name = item.proposal_id
        others = set(state.takers(ADJUDICATE, name)) - {who}
        if not any(is_at_work(state, other, name, rules, now) for other in others):
            return item
    return None
