"""How a question stands after its checks: open, accepted, rejected or in dispute; and the counts.

Put here: the rule of agreement on one question, and progress over all.
Keep out: chance-corrected agreement (`agreement`), who gets what next (`queue`), beside this file.

A writer calls the own question clear. It is accepted where every checker does so too and each gave,
for each image alone, the writer's answer; rejected where two or more checkers all say that it is
not clear. All else is a dispute, which an adjudicator ends.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from tasks.annotation.acts import CLEAR
from tasks.annotation.state import Check, Item, Rules, State

OPEN: Final = "open"
ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
DISPUTED: Final = "disputed"


class Progress(NamedTuple):
    """How far people are.

    `wanted`, `begun`, `written` and `accepted` count pairs; begun ones are held or written.
    `questions` count those that stand; `checked`, `disputed` and `rejected` are of them. `complete`
    says whether as many pairs have an accepted question as are wanted.
    """

    wanted: int
    begun: int
    written: int
    questions: int
    checked: int
    accepted: int
    rejected: int
    disputed: int
    flagged: int
    skipped: int
    complete: bool


def key_of(item: Item, images: tuple[str, str]) -> dict[str, int]:
    """Return the option (1 or 2) that the writer calls right for each image."""
    first = item.draft.answer_a or 1
    return {images[0]: first, images[1]: 3 - first}


def finished(state: State, item: Item) -> dict[str, Check]:
    """Return the checks of a question that end with a verdict, by person."""
    found = state.checks.get(item.proposal_id, {})
    return {who: check for who, check in sorted(found.items()) if check.verdict is not None}


def standing(state: State, item: Item, rules: Rules) -> str:
    """Return how a question stands."""
    decision = state.decisions.get(item.proposal_id)
    if decision is not None:
        return ACCEPTED if decision.accepted else REJECTED
    done = list(finished(state, item).values())
    if len(done) < rules.checks:
        return OPEN
    key = key_of(item, state.pairs[item.pair_id])
    if all(check.verdict == CLEAR and check.answers == key for check in done):
        return ACCEPTED
    if len(done) > 1 and all(check.verdict != CLEAR for check in done):
        return REJECTED
    return DISPUTED


def standings(state: State, rules: Rules) -> Mapping[str, str]:
    """Return how every question that stands does so, by proposal id."""

    def find() -> dict[str, str]:
        return {name: standing(state, item, rules) for name, item in state.items().items()}

    return state.once(("standings", rules), find)


def holders(state: State, pair: str, rules: Rules, now: int) -> set[str]:
    """Return who holds a pair: those at work on it, until they have been silent for too long."""
    return {
        who
        for who, sheet in state.sheets.get(pair, {}).items()
        if not sheet.is_resolved and is_at_work(state, who, pair, rules, now)
    }


def is_at_work(state: State, who: str, subject: str, rules: Rules, now: int) -> bool:
    """Say whether a person has done something about a subject within the time of a lease."""
    return now - state.touched.get((who, subject), 0) < rules.lease_s * 1_000_000


def progress(state: State, rules: Rules, now: int) -> Progress:
    """Return the counts at a time (microseconds since the epoch)."""
    items = state.items()
    found = standings(state, rules)
    counts = Counter(found.values())
    written = {item.pair_id for name, item in items.items() if found[name] != REJECTED}
    accepted = {item.pair_id for name, item in items.items() if found[name] == ACCEPTED}
    held = {
        pair for pair in state.sheets if pair in state.pairs and holders(state, pair, rules, now)
    }
    return Progress(
        wanted=rules.wanted,
        begun=len(written | held),
        written=len(written),
        questions=len(items),
        checked=len(items) - counts[OPEN],
        accepted=len(accepted),
        rejected=counts[REJECTED],
        disputed=counts[DISPUTED],
        flagged=sum(
            bool(people) and (subject in state.pairs or subject in items)
            for subject, people in state.flags.items()
        ),
        skipped=sum(s.skipped is not None for of in state.sheets.values() for s in of.values()),
        complete=len(accepted) >= rules.wanted,
    )
