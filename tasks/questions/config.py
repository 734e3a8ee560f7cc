"""Who writes questions, who checks them, and which are asked.

Put here: the settings of the stages `propose`, `check` and `questions`.
Keep out: the policy of checks (`tasks.checks.policy`), what servers may cost (`tasks.backends`).
"""

import math
from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from tasks.backends.terms import Terms
from tasks.checks.answering import Answerer
from tasks.checks.policy import CheckPolicy
from tasks.evaluation.servers import Server

Source = Literal["metadata", "model", "people"]
METADATA: Final = "metadata"
MODEL: Final = "model"
PEOPLE: Final = "people"

ANSWERS: Final = 5
"""About each image, if nothing else is asked for."""


class QuestionConfig(Terms):
    """Who writes the questions and who checks them; which pairs are asked about."""

    lot_pairs: int = Field(default=32, ge=0)
    """Pairs drawn by lot for each attribute: of those that captions name for the benchmark
    `captioned`, of the others for the benchmark `random`. Only with questions from metadata."""

    by: tuple[Source, ...] = (METADATA,)
    """Whose questions are asked about mined pairs, in order of preference: metadata (what the
    corpus itself says), model, people. Of each pair the first that passes is taken."""

    writers: tuple[str, ...] = ()
    """Models on servers that write questions: openai:NAME@URL, openai:NAME, anthropic:NAME,
    gemini:NAME; in order of preference."""

    candidates: int = Field(default=1, ge=1, le=20)
    """How many questions each writer proposes for a pair."""

    answerers: tuple[str, ...] = ()
    """Models on servers that answer proposed questions, to check them."""

    answers_each: int | None = Field(default=None, ge=1, le=20)
    """How often each of these answers on its own; more than once, with a seed each. None: as often
    as makes five answers of all; of fewer, slips refuse many good questions (docs/questions.md)."""

    checks: CheckPolicy = CheckPolicy()
    """What a proposed question must pass."""

    pairs_per_pattern: int | None = Field(default=None, ge=1)
    """The most mined pairs of one pattern; the result says which patterns are short of it."""

    extra_pairs: int | None = Field(default=None, ge=0)
    """The most pairs beyond the selected ones that are asked about, the widest gap first: while a
    pattern is short, or without `pairs_per_pattern` in place of pairs whose questions are refused.
    None: with `pairs_per_pattern` as many as are selected, else none."""

    @field_validator("by", "writers", "answerers")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _can_be_asked(self) -> "QuestionConfig":
        if not self.by:
            message = "nobody writes questions; expected one or more of metadata, model, people"
            raise ValueError(message)
        if MODEL in self.by and not self.writers:
            message = "questions by models need writers; give one as openai:NAME@URL"
            raise ValueError(message)
        servers_of(self.writers, self.answerers)
        return self

    @property
    def proposes(self) -> bool:
        """Whether questions of models or people are asked."""
        return set(self.by) != {METADATA}

    def writing(self) -> list[Server]:
        """Return the models that write, the preferred one first."""
        return servers_of(self.writers)

    def answering(self) -> list[Answerer]:
        """Return all who answer, each as often as it answers on its own."""
        servers = servers_of(self.answerers)
        times = self.answers_each or max(1, math.ceil(ANSWERS / max(1, len(servers))))
        return [
            Answerer(server, time, times, self.own_decoding)
            for server in servers
            for time in range(1, times + 1)
        ]

    def most_extra(self, selected: int) -> int:
        """Return how many pairs beyond so many selected ones may be asked about."""
        if self.extra_pairs is not None:
            return self.extra_pairs
        return selected if self.pairs_per_pattern is not None else 0


def servers_of(*specs: Sequence[str]) -> list[Server]:
    """Return the servers of specs.

    Raises:
        ValueError: if one names no server.
    """
    found = []
    for spec in (one for several in specs for one in several):
        server = Server.parse(spec)
        if server is None:
            message = (
                f"{spec!r} names no model on a server; expected openai:NAME@URL, openai:NAME, "
                f"anthropic:NAME or gemini:NAME"
            )
            raise ValueError(message)
        found.append(server)
    return found
