"""What stands after all events: a fold that gives the same state for any order of the same events.

Put here: the state and what each kind of event changes in it.
Keep out: who gets what next (`queue`), what is agreed (`standing`), beside this file; storage.

Events are put in the order of their times, which the server gives out without ties, and each counts
once. So a server that applies them as they come has the state of one that reads them all again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from storage.events import EventRow
from storage.proposals import ProposalRow
from tasks.annotation.acts import NO_PATTERN, WRITE, Draft
from tasks.fingerprints import digest
from tasks.people import named

Found = TypeVar("Found")

Pairs = Mapping[str, tuple[str, str]]
"""The two images of each pair."""


class Rules(NamedTuple):
    """How much is wanted: pairs, writers a pair, checkers a question, seconds a pair is held."""

    wanted: int
    overlap: int = 1
    checks: int = 2
    lease_s: int = 1_800


@dataclass(slots=True)
class Sheet:
    """What one person has about one pair; of `written` and `skipped` at most one stands."""

    draft: Draft | None = None
    written: Draft | None = None
    skipped: str | None = None
    proposal_id: str | None = None
    was_written: bool = False

    @property
    def is_resolved(self) -> bool:
        """Whether its person is done with the pair."""
        return self.written is not None or self.skipped is not None


@dataclass(slots=True)
class Check:
    """What one checker says of one question: the option for each image, then a verdict."""

    answers: dict[str, int | None] = field(default_factory=dict)
    verdict: str | None = None
    note: str = ""
    first_at: int = 0


class Decision(NamedTuple):
    """What an adjudicator decided."""

    who: str
    accepted: bool
    note: str


class Item(NamedTuple):
    """A question that stands, and who wrote it in these very words."""

    proposal_id: str
    pair_id: str
    writers: tuple[str, ...]
    draft: Draft


@dataclass
class State:
    """All that people did about these pairs; keys name person and pair, question or proposal."""

    pairs: Pairs
    last_at: int = 0
    seen: dict[str, str] = field(default_factory=dict)
    """Events by id: a digest of what each says."""
    sheets: dict[str, dict[str, Sheet]] = field(default_factory=lambda: defaultdict(dict))
    """By pair, then person."""
    checks: dict[str, dict[str, Check]] = field(default_factory=lambda: defaultdict(dict))
    """By proposal, then person."""
    decisions: dict[str, Decision] = field(default_factory=dict)
    flags: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By subject, then person."""
    opened: dict[tuple[str, str], dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """When something was first given to a person, by mode and subject, then person."""
    touched: dict[tuple[str, str], int] = field(default_factory=dict)
    """When a person last did something about a subject, by person and subject."""
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    choices: dict[str, dict[str, int | None]] = field(default_factory=lambda: defaultdict(dict))
    """By participant, then question."""
    rules: Rules | None = None
    found: dict[object, Any] = field(default_factory=dict, compare=False)
    """What was found out about questions, until something changes how one stands."""

    def apply(self, event: EventRow) -> None:
        """Take in an event that is later than all before; one that is known changes nothing."""
        if event.event_id in self.seen:
            return
        self.seen[event.event_id] = said(event)
        self.last_at = max(self.last_at, event.at)
        self.touched[event.who, event.subject] = event.at
        if event.kind not in _PASSING:
            self.found = {}
        _CHANGES[event.kind](self, event)

    def follow(self, pairs: Pairs) -> None:
        """Go on with other pairs; what was done about one that is gone counts when it is back."""
        self.pairs, self.found = pairs, {}
        for pair, people in self.sheets.items():
            for sheet in people.values():
                _name(sheet, pair, pairs.get(pair))

    def once(self, what: object, find: Callable[[], Found]) -> Found:
        """Return what `find` finds; the same object until something changes how questions stand."""
        if what not in self.found:
            self.found[what] = find()
        known: Found = self.found[what]
        return known

    def items(self) -> Mapping[str, Item]:
        """Return the questions that stand, by proposal id, in the order of pairs and writers."""
        return self.once("items", self._items)

    def _items(self) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for pair in sorted(self.sheets):
            for who, sheet in sorted(self.sheets[pair].items()):
                if sheet.proposal_id is None or sheet.written is None or pair not in self.pairs:
                    continue
                before = found.get(sheet.proposal_id)
                writers = (*(before.writers if before else ()), who)
                found[sheet.proposal_id] = Item(sheet.proposal_id, pair, writers, sheet.written)
        return found

    def sheet(self, who: str, pair: str) -> Sheet:
        """Return what a person has about a pair; an empty sheet where that is nothing."""
        found = self.sheets.get(pair, {}).get(who)
        return Sheet() if found is None else found

    def check(self, who: str, proposal_id: str) -> Check:
        """Return what a person says of a question; an empty check where that is nothing."""
        found = self.checks.get(proposal_id, {}).get(who)
        return Check() if found is None else found

    def takers(self, mode: str, subject: str) -> Mapping[str, int]:
        """Return to whom something was given, and when first."""
        return self.opened.get((mode, subject), {})

    def _sheet(self, event: EventRow) -> Sheet:
        return self.sheets[event.subject].setdefault(event.who, Sheet())


def fold(events: Iterable[EventRow], pairs: Pairs) -> State:
    """Return the state after these events, whatever their order and however often each comes."""
    state = State(pairs)
    for event in sorted(events, key=lambda event: (event.at, event.event_id)):
        state.apply(event)
    return state


def said(event: EventRow) -> str:
    """Return a digest of what an event says, whenever it came."""
    return digest([event.mining, event.who, event.kind, event.subject, event.body])


def proposal_of(
    mining: str, who: str, pair_id: str, images: tuple[str, str], draft: Draft
) -> ProposalRow:
    """Return a person's question as a row of `proposals`."""
    options = (draft.option_1.strip(), draft.option_2.strip())
    first = (draft.answer_a or 1) - 1
    return ProposalRow(
        mining=mining,
        pair_id=pair_id,
        writer=named(who),
        number=0,
        request=digest(draft.model_dump(mode="json")),
        image_a=images[0],
        image_b=images[1],
        difference=draft.difference.strip() or None,
        question=draft.question.strip(),
        option_1=options[0],
        option_2=options[1],
        answer_a=options[first],
        answer_b=options[1 - first],
        statement_a=draft.statement_a.strip() or None,
        statement_b=draft.statement_b.strip() or None,
        pattern=None if draft.pattern == NO_PATTERN else draft.pattern,
    )


def _draft(state: State, event: EventRow) -> None:
    state._sheet(event).draft = Draft.model_validate(event.body)


def _written(state: State, event: EventRow) -> None:
    sheet = state._sheet(event)
    sheet.draft = sheet.written = Draft.model_validate(event.body)
    sheet.skipped, sheet.was_written = None, True
    sheet.proposal_id = None
    _name(sheet, event.subject, state.pairs.get(event.subject))


def _name(sheet: Sheet, pair: str, images: tuple[str, str] | None) -> None:
    """Name what was written, unless the pair has left the mining."""
    if sheet.written is not None and sheet.proposal_id is None and images is not None:
        sheet.proposal_id = proposal_of("", "", pair, images, sheet.written).proposal_id


def _skipped(state: State, event: EventRow) -> None:
    sheet = state._sheet(event)
    sheet.skipped, sheet.written, sheet.proposal_id = event.body["reason"], None, None


def _flagged(state: State, event: EventRow) -> None:
    if event.body["reason"].strip():
        state.flags[event.subject][event.who] = event.body["reason"]
    else:
        state.flags[event.subject].pop(event.who, None)


def _check(state: State, event: EventRow) -> Check:
    return state.checks[event.subject].setdefault(event.who, Check(first_at=event.at))


def _answered(state: State, event: EventRow) -> None:
    """Keep the first answer about an image: later ones are not blind any more."""
    _check(state, event).answers.setdefault(event.body["image"], event.body["choice"])


def _judged(state: State, event: EventRow) -> None:
    check = _check(state, event)
    check.verdict, check.note = event.body["verdict"], event.body["note"]


def _decided(state: State, event: EventRow) -> None:
    body = event.body
    state.decisions[event.subject] = Decision(event.who, body["accepted"], body["note"])


def _chosen(state: State, event: EventRow) -> None:
    state.choices[event.who][event.subject] = event.body["choice"]


def _opened(state: State, event: EventRow) -> None:
    mode = event.body["mode"]
    state.opened[mode, event.subject].setdefault(event.who, event.at)
    if mode == WRITE:
        state._sheet(event)


def _ordered(state: State, event: EventRow) -> None:
    """Put questions that are new at the end: an order that was begun stays as it is."""
    known = state.orders.get(event.who, ())
    state.orders[event.who] = tuple(dict.fromkeys((*known, *event.body["questions"])))


def _configured(state: State, event: EventRow) -> None:
    state.rules = Rules(**event.body)


_PASSING: Final = {"draft", "opened"}
"""What changes nothing about how questions stand: what people do most."""

_CHANGES: Final[Mapping[str, Callable[[State, EventRow], Any]]] = {
    "draft": _draft,
    "written": _written,
    "skipped": _skipped,
    "flagged": _flagged,
    "answered": _answered,
    "judged": _judged,
    "decided": _decided,
    "chosen": _chosen,
    "opened": _opened,
    "ordered": _ordered,
    "configured": _configured,
}
