"""The policy: which checks a question must pass, and how many answerers must agree.

Put here: from findings about a question to whether it is taken.
Keep out: the checks (`wording`, `pixels`, `answering`, beside this file).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from storage.checks import CheckRow
from tasks.checks.answering import AGREE_A, AGREE_B, TEXT_ONLY
from tasks.checks.pixels import VISIBLE
from tasks.checks.wording import ANSWERS_DIFFER, FORM, INSTRUCTIONS, LEAK

AGREE: Final = "agree"
CheckName = Literal[
    "answers-differ", "form", "instructions", "leak", "visible", "text-only", "agree"
]
CHECKS: Final[Mapping[str, str]] = {
    ANSWERS_DIFFER: "each image's answer is one of the options, and not the other image's",
    FORM: "one question with two short options of which only one can hold",
    INSTRUCTIONS: "no text tells the one who answers what to do",
    LEAK: "the words name both options or none, and neither option stands out",
    VISIBLE: "the images differ at the encoder's input size by more than re-encoding makes",
    TEXT_ONLY: "those who see no image do not know the answer",
    AGREE: "those who see one image take the answer that is written for it",
}
BY_ANSWERERS: Final = frozenset({TEXT_ONLY, AGREE})


class CheckPolicy(BaseModel):
    """Which checks a question must pass."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    required: tuple[CheckName, ...] | None = None
    """The checks that count. None: all that can be made; those by answerers only if there are any.
    A question that lacks a finding of a required check is not taken."""

    agree_above: float = Field(default=0.5, ge=0, lt=1)
    """Of those who answer about an image, more than this share must take its answer."""

    guessed_most: float = Field(default=0.5, ge=0, le=1)
    """At most this share of those who see no image may take one and the same option."""

    visible_levels: float = Field(default=6.0, ge=0)
    """Levels, of 255, by which the images must differ where they differ most."""

    visible_noises: float = Field(default=2.0, ge=0)
    """The same, as a multiple of what saving an image as JPEG changes."""

    at_input_size: bool = True
    """Answerers see images as the encoder does, at its input size; else as they are."""

    def names(self, *, answerers: bool) -> frozenset[str]:
        """Return the checks that a question must pass."""
        if self.required is not None:
            return frozenset(self.required)
        return frozenset(CHECKS) - (frozenset() if answerers else BY_ANSWERERS)


class Ruling(NamedTuple):
    """What follows from the findings about a question: checks it failed, and checks it lacks."""

    failed: tuple[str, ...]
    lacks: tuple[str, ...]

    @property
    def taken(self) -> bool:
        """Whether it is part of the benchmark."""
        return not self.failed and not self.lacks


def rule(found: Sequence[CheckRow], policy: CheckPolicy, names: Collection[str]) -> Ruling:
    """Return what follows from the findings about one question, of all who made any.

    Findings by people count as those by models do. Where half or fewer of those who were asked
    could answer, nothing is known.
    """
    failed, lacks = [], []
    for name in CHECKS:
        if name not in names:
            continue
        if name == AGREE:
            verdicts = [_agree(found, check, policy) for check in (AGREE_A, AGREE_B)]
            passed = False if False in verdicts else None if None in verdicts else True
        elif name == TEXT_ONLY:
            passed = _unguessed(found, policy)
        else:
            passed = next((row.passed for row in found if row.check == name), None)
        if passed is None:
            lacks.append(name)
        elif not passed:
            failed.append(name)
    return Ruling(tuple(failed), tuple(lacks))


def _answered(found: Sequence[CheckRow], check: str) -> list[CheckRow]:
    """Return the findings of those who could answer; nothing if half of them or more could not."""
    asked = [row for row in found if row.check == check]
    answered = [row for row in asked if row.passed is not None]
    return answered if 2 * len(answered) > len(asked) else []


def _agree(found: Sequence[CheckRow], check: str, policy: CheckPolicy) -> bool | None:
    answered = _answered(found, check)
    right = sum(bool(row.passed) for row in answered)
    return right > policy.agree_above * len(answered) if answered else None


def _unguessed(found: Sequence[CheckRow], policy: CheckPolicy) -> bool | None:
    answered = _answered(found, TEXT_ONLY)
    guessed = Counter(row.detail for row in answered if not row.passed)
    most = max(guessed.values(), default=0)
    return most <= policy.guessed_most * len(answered) if answered else None
