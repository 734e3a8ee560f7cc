"""What a protocol is made of.

Put here: the values that a protocol holds.
Keep out: the protocols themselves (`registry`, and a module for each harness' parser), their use.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from tasks.benchmarks.question import Question

Parser = Callable[[str, Sequence[str]], int | None]
"""From a reply and the options to the place of the option taken; None: unread. Never raises."""

GENERATE: Final = "generate"
LOGPROBS: Final = "logprobs"

How = Literal["read", "unread", "drawn"]


class Prompt(NamedTuple):
    """What is sent beside the image; `system` is None where the model's own template decides."""

    system: str | None
    user: str


class Decoding(NamedTuple):
    """How a reply is made; temperature 0 is greedy, `most_tokens` counts new ones."""

    temperature: float
    beams: int
    most_tokens: int


class Reading(NamedTuple):
    """The option taken, by its place, and how it came: read, unread, or drawn by lot."""

    option: int | None
    how: How


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A language model that grades replies: its messages, and when its own reply says right.

    `ask` makes the message of a question's prompt, its right label and the model's reply.
    """

    model: str
    temperature: float
    system: str
    ask: Callable[[str, str, str], str]
    says_right: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One way to score a benchmark, by name.

    `about` says in a few words what is asked and taken, `image` how the image goes in. `draws` is
    whether the harness guesses at random where it cannot read: here only if a seed is given.
    `pair_rule` is a name of `tasks.protocols.pairs`, `headline` what the harness prints as its
    figure, `source` where the facts are from, `quirks` what a reader of its figures must know. A
    protocol with a `judge` has its parser as a stand-in.
    """

    name: str
    about: str
    asks: Literal["generate", "logprobs"] = "generate"
    prompt: Callable[[Question], Prompt]
    image: str
    decoding: Decoding
    parse: Parser
    judge: Judge | None = None
    draws: bool = False
    key: str
    pair_rule: str
    headline: str
    source: str
    quirks: tuple[str, ...] = ()
