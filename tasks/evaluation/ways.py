"""The ways to ask a question: a protocol, and what is changed on purpose to see what it takes.

Put here: the controls, and what a model is shown and told under each.
Keep out: protocols (`tasks.protocols`); asking (`local`, `language`, `remote`), beside this file.

A way is written `letter`, `letter+text-only`, `letter#2`, `letter+swapped-options#2`; with
`letter~own` a server decodes as it likes.

A model that answers without the image as well as with it did not look. One that takes the same
place, whichever option stands there, did not read.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from tasks.benchmarks.question import Question, written
from tasks.evaluation.asking import (
    BLANK,
    MMVP_VLM,
    MMVP_VLM_GROUP,
    MMVP_VLM_TEXT,
    NO_IMAGE,
    Asked,
    Manner,
    Picture,
)
from tasks.people import PEOPLE
from tasks.protocols import protocol_named
from tasks.protocols.protocol import Prompt, Protocol

TEXT_ONLY: Final = "text-only"
BLANK_IMAGE: Final = "blank-image"
OTHER_IMAGE: Final = "other-image"
SWAPPED_OPTIONS: Final = "swapped-options"
NUMBERED: Final = "numbered"

CONTROLS: Final[Mapping[str, str]] = {
    TEXT_ONLY: "no image is sent: what the words alone give away",
    BLANK_IMAGE: "a grey image in the place of the image",
    OTHER_IMAGE: "the pair's other image: a model that sees answers the other way round",
    SWAPPED_OPTIONS: "the options in the other order: a model that reads answers the same",
    NUMBERED: "options are called 1 and 2 instead of a and b",
}

_WAY: Final = re.compile(r"([^~+#]+)(~own)?(?:\+([^~+#]+))?(?:#([1-9]\d*))?")
_SAID: Final = re.compile(
    r"\(?([12])[).:]*|(?:the\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*\(?([12])[).:]*",
    re.IGNORECASE,
)
_NUMBERS: Final = (
    (re.compile(r"\(a\)"), "(1)"),
    (re.compile(r"\(b\)"), "(2)"),
    (re.compile(r"^A\. ", re.MULTILINE), "1. "),
    (re.compile(r"^B\. ", re.MULTILINE), "2. "),
    (re.compile(r"\bletter\b"), "number"),
    (re.compile(r", a or b,"), ", 1 or 2,"),
)


_LEFT_RIGHT: Final = Question(
    number=1,
    pair=1,
    image=None,
    text="Is it left or right?",
    options=("Left", "Right"),
    options_written=written(("Left", "Right")),
    original=0,
    corrected=0,
    pattern=None,
)


class Way(NamedTuple):
    """A protocol under a control, for the `repeat`th time; `own`: as the server likes to decode."""

    protocol: Protocol
    control: str | None = None
    repeat: int = 1
    own: bool = False

    @property
    def name(self) -> str:
        """The way as it is written."""
        control = f"+{self.control}" if self.control else ""
        own = "~own" if self.own else ""
        return f"{self.protocol.name}{own}{control}{f'#{self.repeat}' if self.repeat > 1 else ''}"

    @property
    def manner(self) -> Manner:
        """How a reply is made; a repeat draws other lots where the protocol draws any."""
        return Manner(self.protocol.asks, self.protocol.decoding, seed=self.repeat - 1)

    def asks(self, question: Question, question_id: str, own: Picture, other: Picture) -> Asked:
        """Return what a model gets; `other` is the image of the pair's other question."""
        shown = self.shown(question)
        image, paths = {
            TEXT_ONLY: Picture(NO_IMAGE, ()),
            BLANK_IMAGE: Picture(BLANK, ()),
            OTHER_IMAGE: other,
        }.get(self.control or "", own)
        prompt = self._prompt(shown)
        return Asked(question_id, image, paths, prompt.user, shown.options, prompt.system)

    def reads(self, question: Question, response: str) -> str | None:
        """Return the text of the option that a response takes; None: unread."""
        options = self.shown(question).options
        if self.control == NUMBERED and (said := _SAID.fullmatch(response.strip())):
            return options[int(said[1] or said[2]) - 1]
        place = self.protocol.parse(response, options)
        return None if place is None else options[place]

    def shown(self, question: Question) -> Question:
        """Return a question with its options in the order in which this way shows them."""
        if self.control != SWAPPED_OPTIONS:
            return question
        return _turned(question)

    @property
    def shows_options(self) -> bool:
        """Whether the words that are sent depend on the order of the options."""
        return self.protocol.prompt(_LEFT_RIGHT) != self.protocol.prompt(_turned(_LEFT_RIGHT))

    def _prompt(self, question: Question) -> Prompt:
        prompt = self.protocol.prompt(question)
        if self.control != NUMBERED:
            return prompt
        said = prompt.user
        for letter, number in _NUMBERS:
            said = letter.sub(number, said)
        return prompt._replace(user=said)


def _turned(question: Question) -> Question:
    first, second = question.options
    return replace(question, options=(second, first), options_written=written((second, first)))


_CONTRASTS: Final[Mapping[str, str]] = {
    MMVP_VLM: "a CLIP: the text of each image must be nearer to it than to the other image",
    MMVP_VLM_TEXT: "a CLIP: each image must be nearer to its own text than to the other's",
    MMVP_VLM_GROUP: "a CLIP: texts must be nearest to their images, and images to their texts",
}


def about(name: str) -> str:
    """Return what a way to ask is, in a few words, by its name.

    Raises:
        ValueError: if there is no such protocol or control.
    """
    if name == PEOPLE:
        return (
            "people: one image at a time, two options, no limit of time; intervals of their mean "
            "are about other people as well as other pairs"
        )
    if name in _CONTRASTS:
        return _CONTRASTS[name]
    way = way_named(name)
    said = way.protocol.about
    if way.own:
        said += "; decoded as the server likes"
    if way.control is not None:
        said += f"; {CONTROLS[way.control]}"
    return said if way.repeat == 1 else f"{said}; time {way.repeat}"


def way_named(name: str) -> Way:
    """Return the way of a name.

    Raises:
        ValueError: if there is no such protocol or control.
    """
    found = _WAY.fullmatch(name)
    if found is None:
        message = (
            f"{name!r} is no way to ask; expected PROTOCOL, PROTOCOL~own, PROTOCOL+CONTROL or "
            f"PROTOCOL#2"
        )
        raise ValueError(message)
    protocol, control, repeat = protocol_named(found[1]), found[3], int(found[4] or 1)
    if control is not None and control not in CONTROLS:
        message = f"no control is called {control!r}; known: {', '.join(CONTROLS)}"
        raise ValueError(message)
    return Way(protocol, control, repeat, own=found[2] is not None)
