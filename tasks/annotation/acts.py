"""The acts of people on the annotation page, and what the body of each may hold.

Put here: kinds of events, their bodies, their limits.
Keep out: what they add up to (`state`), whether one is allowed now (`permission`).
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tasks.patterns import PATTERNS

TEXT_MAX: Final = 2_000
"""Characters of one text."""

NO_PATTERN: Final = "none"
"""What a writer chooses where none of the nine patterns fits."""

Verdict = Literal["clear", "ambiguous", "wrong", "leak"]
CLEAR: Final = "clear"
VERDICTS: Final[tuple[str, ...]] = get_args(Verdict)

Option = Literal[1, 2]

Mode = Literal["write", "check", "adjudicate"]
WRITE: Final = "write"
CHECK: Final = "check"
ADJUDICATE: Final = "adjudicate"


def _storable(text: str) -> str:
    text.encode()  # a lone surrogate, which JSON can hold, raises a ValueError
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        message = "control characters cannot be stored; type the text anew"
        raise ValueError(message)
    return text


def _pattern(name: str) -> str:
    if name != NO_PATTERN and name not in PATTERNS.values():
        message = f"no pattern is called {name!r}; known: {', '.join(PATTERNS.values())}"
        raise ValueError(message)
    return name


Text = Annotated[str, Field(max_length=TEXT_MAX), AfterValidator(_storable)]
Pattern = Annotated[Text, AfterValidator(_pattern)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Body(BaseModel):
    """What an event holds beside its names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Draft(Body):
    """What a person has typed about a pair so far; '' and None are blanks.

    `answer_a` is the option that is true of image a; the other one is true of image b.
    """

    difference: Text = ""
    question: Text = ""
    option_1: Text = ""
    option_2: Text = ""
    answer_a: Option | None = None
    pattern: Pattern | None = None
    statement_a: Text = ""
    statement_b: Text = ""


class Written(Draft):
    """A question that its writer calls finished."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for name in ("question", "option_1", "option_2", "answer_a", "pattern"):
            value = getattr(self, name)
            if value is None or not str(value).strip():
                message = f"{name} is blank"
                raise ValueError(message)
        if self.option_1.strip().casefold() == self.option_2.strip().casefold():
            message = f"both options say {self.option_1!r}; expected two different ones"
            raise ValueError(message)
        if bool(self.statement_a.strip()) != bool(self.statement_b.strip()):
            message = "one statement is blank; expected both or none"
            raise ValueError(message)
        return self


class Skipped(Body):
    """A pair about which a person does not want to write."""

    reason: Text = ""


class Flagged(Body):
    """A concern about a pair, a question or an image; a blank reason takes it back."""

    reason: Text


class Answered(Body):
    """A checker's answer about one image, given before the other was shown; None: cannot tell."""

    image: Hash
    choice: Option | None


class Judged(Body):
    """A checker's verdict, given with both images in sight."""

    verdict: Verdict
    note: Text = ""


class Decided(Body):
    """An adjudicator's decision on a question in dispute."""

    accepted: bool
    note: Text = ""


class Chosen(Body):
    """A participant's answer to a question of the study; None: cannot tell."""

    choice: Option | None


class Opened(Body):
    """The server gave this to a person to work on."""

    mode: Mode


class Ordered(Body):
    """The order in which a participant gets the questions: that of `seed`."""

    seed: str
    questions: tuple[str, ...] = Field(strict=False)


class Configured(Body):
    """The rules that the page was started with."""

    wanted: int
    overlap: int
    checks: int
    lease_s: int


ACTS: Final[Mapping[str, type[Body]]] = {
    "draft": Draft,
    "written": Written,
    "skipped": Skipped,
    "flagged": Flagged,
    "answered": Answered,
    "judged": Judged,
    "decided": Decided,
    "chosen": Chosen,
}
"""What people do, by kind."""

NOTES: Final[Mapping[str, type[Body]]] = {
    "opened": Opened,
    "ordered": Ordered,
    "configured": Configured,
}
"""What the server itself notes, by kind."""


def read_body(kind: str, body: object) -> Body:
    """Return the body of an act of a person.

    Raises:
        ValueError: if people do not do such a thing, or the body is not what this kind holds.
    """
    if kind not in ACTS:
        message = f"no act is called {kind!r}; known: {', '.join(ACTS)}"
        raise ValueError(message)
    return ACTS[kind].model_validate(body)
