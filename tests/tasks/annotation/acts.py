"""People at work in tests: events with times that rise, and pairs to work on."""

import itertools

from storage.events import EventRow
from tasks.annotation.acts import ACTS, NOTES
from tasks.annotation.state import fold

A, B, C, D = (digit * 64 for digit in "abcd")
PAIRS = {"p1": (A, B), "p2": (B, C), "p3": (C, D)}

WHOLE = {
    "difference": "the hat",
    "question": "Is there a hat?",
    "option_1": "Yes",
    "option_2": "No",
    "answer_a": 1,
    "pattern": "Presence of Specific Features",
    "statement_a": "",
    "statement_b": "",
}


class Acts:
    """Events in the order in which they are made, a second apart."""

    def __init__(self):
        self.events = []
        self.numbers = itertools.count(1)

    def __call__(self, who, kind, subject, **body):
        model = (ACTS | NOTES)[kind]
        number = next(self.numbers)
        event = EventRow(
            event_id=f"{number:032x}",
            mining="m",
            at=number * 1_000_000,
            who=who,
            kind=kind,
            subject=subject,
            body=model.model_validate(body).model_dump(mode="json"),
        )
        self.events.append(event)
        return event

    @property
    def now(self):
        return len(self.events) * 1_000_000

    @property
    def state(self):
        return fold(self.events, PAIRS)

    def write(self, who, pair, **changes):
        """Open a pair, write about it; return the proposal's id."""
        self(who, "opened", pair, mode="write")
        self(who, "written", pair, **WHOLE | changes)
        return self.state.sheet(who, pair).proposal_id

    def check(self, who, proposal, verdict="clear", choices=None):
        """Answer about both images as the writer does, or as `choices`, and judge."""
        item = self.state.items()[proposal]
        images = PAIRS[item.pair_id]
        right = item.draft.answer_a
        self(who, "opened", proposal, mode="check")
        for image, choice in zip(images, choices or (right, 3 - right), strict=True):
            self(who, "answered", proposal, image=image, choice=choice)
        self(who, "judged", proposal, verdict=verdict)
