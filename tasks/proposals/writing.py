"""A model writes a question about a pair of images.

Put here: what it is asked, and the reading of what it says.
Keep out: sending (`tasks.evaluation.replies`), whether the question is any good (`tasks.checks`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from storage.proposals import ProposalRow
from tasks.backends import Failure, Outcome, Picture, Reply, Request, Text
from tasks.backends.prompts import Prompt, read_prompt
from tasks.backends.structured import object_of, objects_in
from tasks.evaluation.servers import Server
from tasks.evaluation.views import WITHIN
from tasks.patterns import NAMES, NONE_OF_THESE, listed

BY_MODEL: Final = "model:"
"""What a writer's name begins with that is a model."""

UNREAD: Final = "unread"
"""Begins the failure of a reply that came whole and is no proposal; it is not asked for again."""

NO_DIFFERENCE: Final = "no-difference"
"""The same of a model that sees nothing to ask about."""

MOST_TOKENS: Final = 2048
TEMPERATURE: Final = 0.7
"""Several proposals by one model are to differ."""

_TEXT: Final = {"type": "string"}
_OPTIONS: Final = ("option_1", "option_2")
_WHICH: Final = {"type": "string", "enum": list(_OPTIONS)}
SCHEMA: Final[Mapping[str, Any]] = object_of(
    differences={"type": "array", "items": _TEXT},
    question=_TEXT,
    option_1=_TEXT,
    option_2=_TEXT,
    answer_1=_WHICH,
    answer_2=_WHICH,
    pattern={"type": "string", "enum": list(NAMES)},
    statement_1=_TEXT,
    statement_2=_TEXT,
)
_SHOWN: Final = 80


def prompt() -> Prompt:
    """Return the prompt."""
    return read_prompt(Path(__file__).with_name("write.txt"), SCHEMA, nine=listed())


def write_request(
    server: Server, images: tuple[str, str], number: int, *, own: bool = False
) -> Request:
    """Return the request for a model's proposal, counted from 0, about two images in order.

    With `own` the model is asked by its server's own settings.
    """
    asked = prompt()
    first, second = (Picture(image, handling=WITHIN) for image in images)
    return Request(
        model=server.name,
        messages=asked.messages(Text("Image 1:"), first, Text("Image 2:"), second),
        protocol=f"{asked.name}/{number + 1}",
        decoding=server.decoding(
            MOST_TOKENS, TEMPERATURE, draw=number, own=own, structured=("question", SCHEMA)
        ),
        revision=server.url,
    )


def read_proposal(outcome: Outcome | None, asked: ProposalRow) -> ProposalRow:
    """Return the proposal that a model's words are, or why they are none.

    `asked` names the pair, the writer and the request; all else in it is null. Of several JSON
    objects that are proposals none counts.
    """
    if not isinstance(outcome, Reply):
        return replace(asked, failure=_why(outcome))
    found = [value for value in objects_in(outcome) if _is_whole(value)]
    if len(found) != 1:
        cut = " (cut off)" if outcome.cut else ""
        what = f"{len(found) or 'no'} proposals in {outcome.text[:_SHOWN]!r}{cut}; expected one"
        return replace(asked, failure=f"{UNREAD}: {what}")
    (value,) = found
    said = {name: clean(text) for name, text in value.items() if isinstance(text, str)}
    if not said["question"]:
        return replace(asked, failure=f"{NO_DIFFERENCE}: the model found nothing to ask about")
    return replace(
        asked,
        difference=clean("; ".join(value["differences"])) or None,
        question=said["question"],
        option_1=said["option_1"],
        option_2=said["option_2"],
        answer_a=said[said["answer_1"]],
        answer_b=said[said["answer_2"]],
        statement_a=said["statement_1"] or None,
        statement_b=said["statement_2"] or None,
        pattern=None if said["pattern"] == NONE_OF_THESE else said["pattern"],
    )


def clean(text: str) -> str:
    """Return a text without blanks around it, and half characters, which no table holds, as `?`."""
    return text.strip().encode("utf-8", "replace").decode()


def _why(outcome: Failure | None) -> str:
    return "not asked" if outcome is None else f"{outcome.reason}: {outcome.message}"


def _is_whole(value: Mapping[str, Any]) -> bool:
    texts = [value.get(name) for name in SCHEMA["required"] if name != "differences"]
    seen = value.get("differences")
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(seen, list)
        and all(isinstance(text, str) for text in seen)
        and value["answer_1"] in _OPTIONS
        and value["answer_2"] in _OPTIONS
        and value["pattern"] in NAMES
    )
