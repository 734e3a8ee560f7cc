"""Models look for patterns in questions, several times, and put together what they found.

Put here: what they are asked, reading what they say, putting runs together, against the nine.
Keep out: sending (`tasks.evaluation.replies`); assigning questions (`assigning`, beside this file).
Source: Tong et al. 2024, arXiv 2401.06209, section 3.1, "Visual patterns": a language model reads
questions and options, and no image. With images, each question comes with its two pictures.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from storage.patterns import PatternRow
from tasks.backends import Outcome, Picture, Reply, Request, Text
from tasks.backends.prompts import Prompt, read_prompt
from tasks.backends.structured import object_of, objects_in
from tasks.discovery.asked import PairAsked
from tasks.evaluation.servers import Server
from tasks.evaluation.views import WITHIN
from tasks.fingerprints import digest
from tasks.patterns import NAMES, NONE_OF_THESE, listed

TEXT_ONLY: Final = "text-only"
WITH_IMAGES: Final = "with-images"
AT_ONCE: Final[Mapping[str, int]] = {TEXT_ONLY: 150, WITH_IMAGES: 8}
"""Questions in one request: the paper's number; pictures take more room."""

TEMPERATURE: Final = 0.7
MOST_TOKENS: Final = 8192
_TEXT: Final = {"type": "string"}
_NUMBERS: Final = {"type": "array", "items": {"type": "integer"}}


def _listing(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return object_of(patterns={"type": "array", "items": object_of(**properties)})


FOUND: Final = _listing(name=_TEXT, description=_TEXT, questions=_NUMBERS)
LEFT: Final = _listing(
    name=_TEXT,
    description=_TEXT,
    like={"type": "string", "enum": list(NAMES)},
    **{"from": _NUMBERS},
)


class Look(NamedTuple):
    """One look at some questions: the request, its run counted from 1, the questions by number."""

    request: Request
    run: int
    questions: Sequence[PairAsked]


class Pattern(NamedTuple):
    """A pattern as one look found it."""

    name: str
    description: str
    run: int
    question_ids: tuple[str, ...]


def discover_prompt() -> Prompt:
    """Return the prompt of those who look."""
    return read_prompt(Path(__file__).with_name("discover.txt"), FOUND)


def consolidate_prompt() -> Prompt:
    """Return the prompt of the one who puts together."""
    return read_prompt(Path(__file__).with_name("consolidate.txt"), LEFT, nine=listed())


def looks(
    server: Server, asked: Sequence[PairAsked], way: str, runs: int, *, own: bool = False
) -> Iterator[Look]:
    """Yield what a model is asked: each run all questions, in an order of its own.

    With `own` the model is asked by its server's own settings.
    """
    for run in range(1, runs + 1):
        mixed = list(asked)
        random.Random(run).shuffle(mixed)
        size = AT_ONCE[way]
        for start in range(0, len(mixed), size):
            part = mixed[start : start + size]
            yield Look(_look(server, part, way, run, own=own), run, part)


def _look(server: Server, asked: Sequence[PairAsked], way: str, run: int, *, own: bool) -> Request:
    words = discover_prompt()
    lines = [
        f"{n}. {one.question} (a) {one.options[0]} (b) {one.options[1]}" for n, one in _count(asked)
    ]
    shown: list[Text | Picture] = []
    for number, one in _count(asked) if way == WITH_IMAGES else ():
        for place, image in enumerate(one.images, start=1):
            shown += [Text(f"Question {number}, picture {place}:"), Picture(image, handling=WITHIN)]
    return Request(
        model=server.name,
        messages=words.messages(*shown, questions="\n".join(lines)),
        protocol=f"{words.name}/{run}",
        decoding=server.decoding(
            MOST_TOKENS, TEMPERATURE, draw=run, own=own, structured=("patterns", FOUND)
        ),
        revision=server.url,
    )


def _count(asked: Sequence[PairAsked]) -> Iterator[tuple[int, PairAsked]]:
    yield from enumerate(asked, start=1)


def read_look(look: Look, outcome: Outcome | None) -> list[Pattern] | None:
    """Return what a look found; None if the call failed or nothing can be read."""
    found = _patterns(outcome, FOUND)
    if found is None:
        return None
    names = [one.question_id for one in look.questions]
    return [
        Pattern(
            name=one["name"],
            description=one["description"],
            run=look.run,
            question_ids=tuple(
                names[number - 1]
                for number in dict.fromkeys(one["questions"])
                if 1 <= number <= len(names)
            ),
        )
        for one in found
    ]


def consolidate_request(server: Server, found: Sequence[Pattern], *, own: bool = False) -> Request:
    """Return the request that puts the patterns of all looks together."""
    words = consolidate_prompt()
    lines = [f"{n}. {one.name}: {one.description}" for n, one in enumerate(found, start=1)]
    return Request(
        model=server.name,
        messages=words.messages(patterns="\n".join(lines)),
        protocol=words.name,
        decoding=server.decoding(MOST_TOKENS, own=own, structured=("patterns", LEFT)),
        revision=server.url,
    )


def read_consolidated(
    server: Server,
    found: Sequence[Pattern],
    outcome: Outcome | None,
    *,
    mining: str,
    way: str,
    request: Request,
) -> list[PatternRow] | None:
    """Return the patterns that are left, those of most runs and questions first; None as above.

    A number that is named twice counts where it is named first.
    """
    left = _patterns(outcome, LEFT)
    if left is None:
        return None
    taken: set[int] = set()
    rows: dict[str, PatternRow] = {}
    for one in left:
        numbers = [n for n in dict.fromkeys(one["from"]) if 1 <= n <= len(found) and n not in taken]
        taken |= set(numbers)
        members = [found[number - 1] for number in numbers]
        if members and one["name"] not in rows:
            rows[one["name"]] = PatternRow(
                mining=mining,
                by=server.label,
                way=way,
                name=one["name"],
                description=one["description"],
                like=None if one["like"] == NONE_OF_THESE else one["like"],
                runs=len({member.run for member in members}),
                question_ids=tuple(sorted({q for m in members for q in m.question_ids})),
                request=digest(request.fingerprint),
            )
    return sorted(rows.values(), key=lambda row: (-row.runs, -len(row.question_ids), row.name))


def _patterns(outcome: Outcome | None, schema: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the patterns in a reply, the only list of them there; None if there is none."""
    if not isinstance(outcome, Reply):
        return None
    form = schema["properties"]["patterns"]["items"]["properties"]
    found = [
        value["patterns"]
        for value in objects_in(outcome)
        if isinstance(value.get("patterns"), list)
        and all(_fits(one, form) for one in value["patterns"])
    ]
    return found[0] if len(found) == 1 else None


def _fits(one: Any, form: Mapping[str, Mapping[str, Any]]) -> bool:
    if not isinstance(one, dict) or one.keys() != form.keys():
        return False
    for name, kind in form.items():
        value = one[name]
        if kind["type"] == "array":
            if not isinstance(value, list) or not all(type(number) is int for number in value):
                return False
        elif not isinstance(value, str) or value not in kind.get("enum", [value]):
            return False
    return True
