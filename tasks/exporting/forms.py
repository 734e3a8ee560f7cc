"""A pair as a form that people fill in with a tool of theirs: one question, two options, answers.

Put here: what the form holds; a pair of a benchmark as a form, a filled form as a proposal; the
reading of a JSON list, as all tools write it.
Keep out: what stands in the tools' files (`label_studio`, `argilla`, beside this file).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from storage.pairs import pair_id
from storage.proposals import ProposalRow
from tasks.exporting.benchmark_pairs import NumberedPair
from tasks.exporting.cells import is_control
from tasks.fingerprints import digest
from tasks.patterns import PATTERNS

PLACES: Final = ("1", "2")
"""What an answer is in a form: the place of its option."""

NO_PATTERN: Final = "none of these"
PATTERN_CHOICES: Final = (*PATTERNS.values(), NO_PATTERN)

GUIDE: Final = """\
Look for something that is visibly different between the two images. Ask one question about it with
two options, so that one option is right for the first image and the other for the second. Nobody
should be able to answer without looking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What is written about a pair: names its images, and has the texts of all fields.

    `answer_a` and `answer_b` are places of options, "1" or "2"; a statement may be empty.
    """

    mining: str
    pair_id: str
    image_a: str
    image_b: str
    question: str
    option_1: str
    option_2: str
    answer_a: str
    answer_b: str
    pattern: str
    statement_a: str = ""
    statement_b: str = ""


TEXTS: Final = ("question", "option_1", "option_2", "statement_a", "statement_b")
"""Fields that are written."""

CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "answer_a": PLACES,
    "answer_b": PLACES,
    "pattern": PATTERN_CHOICES,
}
"""Fields that are chosen, and from what."""

NAMES: Final = ("mining", "pair_id", "image_a", "image_b")
"""Fields that come with the pair and are not changed."""


class Filled(NamedTuple):
    """A form that somebody filled in; `writer` is `people:NAME`."""

    writer: str
    form: Form


def refuse_form(pair: NumberedPair) -> str | None:
    """Return why a pair cannot be shown as one question, if it cannot."""
    first, second = pair.rows
    alike = first.question == second.question and set(first.options) == set(second.options)
    return None if alike else "two-questions"


def form_of(pair: NumberedPair) -> Form:
    """Return a pair that is one question as a form that is filled in."""
    first, second = pair.rows
    places = dict(zip(first.options, PLACES, strict=True))
    return Form(
        mining=first.mining,
        pair_id=first.pair_id,
        image_a=first.image,
        image_b=second.image,
        question=first.question,
        option_1=first.options[0],
        option_2=first.options[1],
        answer_a=places[first.answer],
        answer_b=places[second.answer],
        pattern=first.pattern or NO_PATTERN,
        statement_a=first.statement or "",
        statement_b=second.statement or "",
    )


def read_form(fields: Mapping[str, object], where: str) -> Form:
    """Return a form from the texts of its fields; those that are missing are empty.

    Raises:
        ValueError: if the pair or its images are not named or are not one another's, a field is no
            text that can be stored, or an answer or a pattern is none that can be chosen.
    """
    texts = {name: _text(fields.get(name), name, where) for name in (*NAMES, *TEXTS, *CHOICES)}
    if missing := [name for name in NAMES if not texts[name]]:
        message = f"{where} does not name its pair: no {', '.join(missing)}; export it anew"
        raise ValueError(message)
    images = texts["image_a"], texts["image_b"]
    if images[0] >= images[1] or texts["pair_id"] != pair_id(*images):
        message = (
            f"{where}: its images are not those of pair {texts['pair_id'][:80]!r}; export it anew"
        )
        raise ValueError(message)
    for name, known in CHOICES.items():
        if texts[name] and texts[name] not in known:
            message = f"{where}: {name} is {texts[name][:80]!r}, expected one of {', '.join(known)}"
            raise ValueError(message)
    return Form(**texts)


def _text(value: object, name: str, where: str) -> str:
    text = "" if value is None else value
    if not isinstance(text, str):
        message = f"{where}: {name} is {str(value)[:80]!r}, expected a text"
        raise ValueError(message)
    odd = next((sign for sign in text if is_control(sign)), None)
    if odd is not None:
        message = f"{where}: {name} holds U+{ord(odd):04X}, which cannot be stored; type it anew"
        raise ValueError(message)
    return text.strip()


def proposal_of(form: Form, writer: str, number: int) -> ProposalRow:
    """Return a filled form as what `writer` proposes; what is empty is null."""
    options = {"1": form.option_1, "2": form.option_2}
    pattern = None if form.pattern in ("", NO_PATTERN) else form.pattern
    told = {
        "question": form.question,
        "option_1": form.option_1,
        "option_2": form.option_2,
        "answer_a": options.get(form.answer_a),
        "answer_b": options.get(form.answer_b),
        "statement_a": form.statement_a,
        "statement_b": form.statement_b,
    }
    texts = {name: text or None for name, text in told.items()}
    return ProposalRow(
        mining=form.mining,
        pair_id=form.pair_id,
        writer=writer,
        number=number,
        request=digest([form.pair_id, writer, texts, pattern]),
        image_a=form.image_a,
        image_b=form.image_b,
        pattern=pattern,
        **texts,
    )


def read_objects(file: Path, otherwise: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON file that holds a list of them.

    Args:
        file: what a tool wrote.
        otherwise: what is said of a file that holds something else.

    Raises:
        ValueError: if it cannot be read, or holds something else.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{str(file)!r} cannot be read as JSON: {error}"
        raise ValueError(message) from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        message = f"{str(file)!r} {otherwise}"
        raise ValueError(message)
    return found
