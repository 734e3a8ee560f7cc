"""Checks by those who answer: with one image, and with none.

Put here: what answerers are asked, the reading of what they say, their findings.
Keep out: sending (`tasks.evaluation.replies`), how many must agree (`policy`, beside this file).

An answerer sees one image and does not learn which answer the question's writer has for it. It may
say that both options hold or neither does, so that it need not guess at a question that is
ambiguous. Without an image it is asked in both orders of the options: who takes the same option in
both has it from the words.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from storage.proposals import ProposalRow
from tasks.backends import Failure, Outcome, Picture, Reply, Request
from tasks.backends.prompts import Prompt, read_prompt
from tasks.backends.structured import object_of, objects_in
from tasks.evaluation.servers import Server

AGREE_A: Final = "agree-a"
AGREE_B: Final = "agree-b"
TEXT_ONLY: Final = "text-only"

TEMPERATURE: Final = 0.7
"""Of a model that is to answer several times on its own; one that answers once is greedy."""


def _schema(*taken: str) -> dict[str, Any]:
    return object_of(taken={"type": "string", "enum": list(taken)})


SEEING: Final[Mapping[str, Any]] = _schema("a", "b", "both", "neither")
BLIND: Final[Mapping[str, Any]] = _schema("a", "b", "neither")


class Answerer(NamedTuple):
    """A model on a server that answers on its own, for the `time`th of so many `times`.

    With `own` it is asked by its server's own settings.
    """

    server: Server
    time: int = 1
    times: int = 1
    own: bool = False

    @property
    def name(self) -> str:
        """What the table `checks` calls it."""
        return self.server.label + (f"#{self.time}" if self.time > 1 else "")


class Put(NamedTuple):
    """A request, and the texts of the options that it calls a and b."""

    request: Request
    options: tuple[str, str]


class Finding(NamedTuple):
    """What a check found by one who answered; None: nothing, as after a failed call."""

    check: str
    passed: bool | None
    detail: str


def seeing_prompt() -> Prompt:
    """Return the prompt of those who see an image."""
    return read_prompt(Path(__file__).with_name("answer.txt"), SEEING)


def blind_prompt() -> Prompt:
    """Return the prompt of those who see none."""
    return read_prompt(Path(__file__).with_name("blind.txt"), BLIND)


def puts(answerer: Answerer, row: ProposalRow, view: str) -> dict[str, tuple[Put, ...]]:
    """Return what an answerer is asked for each check: one request an image, two without.

    Both images' questions have the options in the same order, so that one who always takes the
    same place is wrong about one of them.
    """
    options = (row.option_1 or "", row.option_2 or "")
    if int(row.pair_id[:8], 16) % 2:
        options = (options[1], options[0])
    turned = (options[1], options[0])
    return {
        AGREE_A: (_put(answerer, row, options, row.image_a, view),),
        AGREE_B: (_put(answerer, row, options, row.image_b, view),),
        TEXT_ONLY: (_put(answerer, row, options), _put(answerer, row, turned)),
    }


def _put(
    answerer: Answerer,
    row: ProposalRow,
    options: tuple[str, str],
    image: str | None = None,
    view: str = "",
) -> Put:
    server, time, times, own = answerer
    asked = blind_prompt() if image is None else seeing_prompt()
    shown = () if image is None else (Picture(image, handling=view),)
    question = row.question or ""
    request = Request(
        model=server.name,
        messages=asked.messages(*shown, question=question, a=options[0], b=options[1]),
        protocol=asked.name if time == 1 else f"{asked.name}#{time}",
        decoding=server.decoding(
            1024,
            0.0 if times == 1 else TEMPERATURE,
            draw=time - 1,
            own=own,
            structured=("answer", asked.schema),
        ),
        revision=server.url,
    )
    return Put(request, options)


def findings(
    asked: Mapping[str, tuple[Put, ...]], row: ProposalRow, outcomes: Mapping[str, Outcome]
) -> Iterator[Finding]:
    """Yield what each check by an answerer found; `outcomes` are by the request's fingerprint."""
    for check, answer, image in ((AGREE_A, row.answer_a, "1"), (AGREE_B, row.answer_b, "2")):
        (put,) = asked[check]
        taken = _taken(put, outcomes, SEEING)
        if isinstance(taken, _Lost):
            yield Finding(check=check, passed=None, detail=taken.why)
        elif taken == answer:
            yield Finding(check=check, passed=True, detail="")
        else:
            yield Finding(check=check, passed=False, detail=f"takes {taken!r} for image {image}")
    guesses = [_taken(put, outcomes, BLIND) for put in asked[TEXT_ONLY]]
    lost = [guess for guess in guesses if isinstance(guess, _Lost)]
    if lost:
        yield Finding(check=TEXT_ONLY, passed=None, detail=lost[0].why)
    elif guesses[0] == guesses[1] and guesses[0] in asked[TEXT_ONLY][0].options:
        yield Finding(
            check=TEXT_ONLY, passed=False, detail=f"takes {guesses[0]!r} from the words alone"
        )
    else:
        yield Finding(check=TEXT_ONLY, passed=True, detail="")


class _Lost(NamedTuple):
    why: str


def _taken(put: Put, outcomes: Mapping[str, Outcome], schema: Mapping[str, Any]) -> str | _Lost:
    """Return the text of the option taken, `both` or `neither`; or why nothing is known."""
    outcome = outcomes.get(put.request.fingerprint)
    if not isinstance(outcome, Reply):
        return _Lost("not asked" if outcome is None else _said(outcome))
    known = schema["properties"]["taken"]["enum"]
    taken = {value["taken"] for value in objects_in(outcome) if value.get("taken") in known}
    if len(taken) != 1:
        return "neither"
    (one,) = taken
    return put.options["ab".index(one)] if one in ("a", "b") else str(one)


def _said(failure: Failure) -> str:
    return f"{failure.reason}: {failure.message}"
