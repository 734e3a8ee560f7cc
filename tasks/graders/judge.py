"""A language model tells which option a reply takes.

Put here: what it is asked, and the reading of what it says.
Keep out: sending (`tasks.backends`), counting votes (`votes`, beside this file).

A reply to be graded may hold instructions or a verdict as JSON. So it is kept apart from the prompt
(`tasks.backends.structured`); the judge is not told which option is right; a verdict must quote the
reply; and of two verdicts in what the judge says none counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tasks.backends import Decoding, Failure, Message, Outcome, Reply, Request
from tasks.backends.prompts import Prompt, read_prompt
from tasks.backends.structured import json_format, mark_of, object_of, objects_in, plain
from tasks.fingerprints import digest
from tasks.graders.given import NEITHER, TAKEN, Given, Grade, NoVerdict, Verdict
from tasks.graders.votes import grade

SCHEMA: Final[Mapping[str, Any]] = object_of(
    taken={"type": "string", "enum": list(TAKEN)}, quote={"type": "string"}
)
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMJudge:
    """A model that grades.

    Args:
        model: the name that its server knows.
        revision: what is known of the weights behind it.
        votes: on each reply, an odd number.
        temperature: of each vote; 0 makes several votes of most models the same.
        seeded: each vote has a seed of its own; False for servers that know none (Anthropic).
        structured: the server is given a JSON schema (vLLM, SGLang, Ollama, OpenAI); False for
            servers that know none: the judge is asked for JSON in words either way.
        max_new_tokens: of a vote, thoughts included.

    Raises:
        ValueError: if the number of votes is not odd, or several votes can only be the same.
    """

    model: str
    revision: str | None = None
    votes: int = 3
    temperature: float | None = 0.7
    seeded: bool = True
    structured: bool = True
    max_new_tokens: int = 512

    def __post_init__(self) -> None:
        if self.votes < 1 or self.votes % 2 == 0:
            message = f"judge {self.model!r}: {self.votes} votes; expected an odd number"
            raise ValueError(message)
        if self.votes > 1 and self.temperature == 0:
            message = (
                f"judge {self.model!r}: {self.votes} votes at temperature 0 are one vote; expected "
                f"a higher temperature, or 1 vote"
            )
            raise ValueError(message)

    @property
    def name(self) -> str:
        """The grader's name in the table `grades`."""
        return f"judge:{self.model}"

    def decoding(self, vote: int) -> Decoding:
        """Return how a vote, counted from 0, is made."""
        return Decoding(
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            seed=vote if self.seeded else None,
            extra=json_format("verdict", SCHEMA) if self.structured else {},
        )


def protocol_name() -> str:
    """Return the name of the judge's prompt: another wording has another name."""
    return _prompt().name


def judge_requests(judge: LLMJudge, given: Given) -> list[Request]:
    """Return the requests of all votes on a reply, first vote first."""
    return [
        Request(
            model=judge.model,
            revision=judge.revision,
            messages=_messages(given),
            # So that votes are different requests where there are no seeds.
            protocol=f"{protocol_name()}/{vote + 1}",
            decoding=judge.decoding(vote),
        )
        for vote in range(judge.votes)
    ]


def grade_by_judge(judge: LLMJudge, given: Given, outcomes: Mapping[str, Outcome]) -> Grade:
    """Return a judge's grade; `outcomes` has what came of requests, by fingerprint.

    A request without an outcome is a failed vote.
    """
    names = [request.fingerprint for request in judge_requests(judge, given)]
    votes = [
        read_verdict(outcomes[name], given) if name in outcomes else NoVerdict("not asked")
        for name in names
    ]
    return grade(given, votes, grader=judge.name, request=digest(names))


def read_verdict(outcome: Outcome, given: Given) -> Verdict | NoVerdict:
    """Return the vote that a judge's words are, or why they are none.

    The verdict is the only one among the JSON objects in the words, whatever is around them; a
    thought before `</think>` does not count. An option needs a quote that the reply holds, but for
    case and blanks.
    """
    if isinstance(outcome, Failure):
        return NoVerdict(f"{outcome.reason}: {outcome.message}")
    found = set(_verdicts(outcome))
    if len(found) != 1:
        said = f"{outcome.text[:_SHOWN]!r}{' (cut off)' if outcome.cut else ''}"
        return NoVerdict(f"{len(found) or 'no'} verdicts in {said}; expected one")
    (verdict,) = found
    if verdict.taken == NEITHER or _holds(given.reply, verdict.quote):
        return verdict
    return NoVerdict(f"quotes {verdict.quote[:_SHOWN]!r}, which the reply does not hold")


def _messages(given: Given) -> tuple[Message, ...]:
    first, second = given.options
    return _prompt().messages(
        mark=mark_of(given.reply),
        question=given.question,
        a=first,
        b=second,
        reply=given.reply,
    )


def _prompt() -> Prompt:
    return read_prompt(Path(__file__).with_name("judge.txt"), SCHEMA)


def _verdicts(reply: Reply) -> Iterator[Verdict]:
    for value in objects_in(reply):
        if value.get("taken") in TAKEN and isinstance(value.get("quote"), str):
            yield Verdict(value["taken"], value["quote"])


def _holds(reply: str, quote: str) -> bool:
    def bare(text: str) -> str:
        return " ".join(plain(text).casefold().split())

    return bool(bare(quote)) and bare(quote) in bare(reply)
