"""What a grader gets, and what it returns.

Put here: a reply to be graded, a verdict, a grade.
Keep out: how verdicts come about (`rules`, `judge`, `people`) and are counted (`votes`).

A grader tells which option a reply takes. It never learns which option is right, so that no reply
can talk it into "right"; only the judge of the paper's own protocol (`paper`) is told.
"""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

Taken = Literal["a", "b", "neither"]
NEITHER: Final = "neither"
TAKEN: Final[tuple[str, ...]] = get_args(Taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A model's reply to a question with two options; the first three name the answer."""

    question_id: str
    model: str
    protocol: str
    question: str
    options: tuple[str, str]
    reply: str

    @property
    def name(self) -> tuple[str, str, str]:
        """The answer's name, as in the table `answers`."""
        return self.question_id, self.model, self.protocol

    def text(self, taken: Taken) -> str | None:
        """Return the text of an option; of neither None."""
        return None if taken == NEITHER else self.options["ab".index(taken)]


class Verdict(NamedTuple):
    """What one vote says, and the words of the reply that it rests on."""

    taken: Taken
    quote: str


class NoVerdict(NamedTuple):
    """Why a vote failed; it is no vote, and not one for neither."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What a grader makes of an answer; fields are named like the columns of the table `grades`.

    `option` is the text of the option taken, None for neither. `request` (64 hex digits) names all
    that the grade depends on. `votes` has a place a vote, None where it failed. `failure` says why
    there is no grade; `option` is None then too.
    """

    question_id: str
    model: str
    protocol: str
    grader: str
    request: str
    option: str | None
    votes: tuple[str | None, ...]
    failure: str | None
