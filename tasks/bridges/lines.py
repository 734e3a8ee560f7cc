"""Read replies stored as JSON lines: MMVP's script and ours, lmms-eval's samples.

Put here: which keys hold the question and the words; the model's name where a file tells it.
Keep out: which words are failed calls (`tasks.backends.replay`), fitting to questions (`replies`).

Source: `scripts/evaluate_mllm.py` of github.com/tsb0601/MMVP; `samples_*.jsonl` of lmms-eval 0.7.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tasks.bridges.stored import Stored, StoredReply

SAMPLES: Final = "lmms-eval"
ANSWERS: Final = "question_id and response"
_EXPECTED: Final = (
    'expected {"question_id": ID, "response": TEXT} or a sample of lmms-eval with "doc_id" and '
    '"filtered_resps"'
)
_MODELS: Final = ("model_id", "model")
_PROMPTS: Final = ("prompt", "question")


class Line(NamedTuple):
    """An object of a file, and where it is."""

    place: str
    row: Mapping[str, Any]


def read_lines(path: Path, text: str) -> Stored:
    """Read JSON lines; the first line tells the format.

    Raises:
        ValueError: if a line is no object, or is not of the format of the first.
    """
    lines = list(_objects(path, text))
    if not lines:
        message = f"{str(path)!r} has no lines; {_EXPECTED} on each"
        raise ValueError(message)
    if "filtered_resps" in lines[0].row:
        return _samples(path, lines)
    return _answers(path, lines)


def text_of(place: str, name: str, value: Any) -> str:
    """Return a value that must be text.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(value, str):
        message = f"{place}: {name} is {str(value)[:80]!r}, no text; {_EXPECTED}"
        raise ValueError(message)
    return value


def _objects(path: Path, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number} of {str(path)!r}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            message = f"{place}: {type(error).__name__}: {error}; {_EXPECTED}"
            raise ValueError(message) from None
        if not isinstance(row, dict):
            message = f"{place}: found {line[:80]!r}, no object; {_EXPECTED}"
            raise ValueError(message)
        yield Line(place, row)


def _answers(path: Path, lines: Sequence[Line]) -> Stored:
    replies = [
        StoredReply(
            place,
            _name(place, "question_id", row.get("question_id")),
            text_of(place, "response", row.get("response")),
            next((row[name] for name in _PROMPTS if isinstance(row.get(name), str)), ""),
        )
        for place, row in lines
    ]
    models = {str(row[name]) for _, row in lines for name in _MODELS if row.get(name)}
    return Stored(format=ANSWERS, replies=replies, model=_one_model(path, models))


def _one_model(path: Path, models: set[str]) -> str | None:
    """Return the model that all lines name.

    Raises:
        ValueError: if they name several.
    """
    if len(models) > 1:
        message = (
            f"the lines of {str(path)!r} name {len(models)} models: "
            f"{', '.join(sorted(models)[:5])}; expected the replies of one: split the file"
        )
        raise ValueError(message)
    return next(iter(models), None)


def _samples(path: Path, lines: Sequence[Line]) -> Stored:
    """Read lmms-eval's samples; the folder that they are in has the name of the model."""
    replies, repeated, by_row = [], 0, 0
    for place, row in lines:
        said = row.get("filtered_resps")
        if isinstance(said, list):
            repeated += len(said) > 1
            said = said[0] if said else ""
        number, counted = _sample_number(place, row)
        by_row += counted
        words = text_of(place, "filtered_resps", said)
        asked = row.get("input")
        replies.append(
            StoredReply(place, str(number), words, asked if isinstance(asked, str) else "")
        )
    notes = []
    if by_row:
        notes.append(f"{by_row} samples name no question: their row (doc_id) counts from 0")
    if repeated:
        notes.append(f"{repeated} samples have several replies: the first counts")
    if changed := sum("resps" in row for _, row in lines):
        notes.append(
            f"{changed} replies were filtered by lmms-eval before it scored them: the filtered "
            f"words count"
        )
    model = path.absolute().parent.name or None
    return Stored(format=SAMPLES, replies=replies, by_name=False, model=model, notes=notes)


def _sample_number(place: str, row: Mapping[str, Any]) -> tuple[int, bool]:
    """Return the number of a sample's question, and whether only its row tells it.

    The task mmvp keeps in its metrics the number less 1 as `index`, beside `pair_index`; tasks
    that this project writes keep `number`.
    """
    for metric in row.values():
        if isinstance(metric, dict):
            if _is_number(metric.get("number")):
                return metric["number"], False
            if "pair_index" in metric and _is_number(metric.get("index")):
                return metric["index"] + 1, False
    if not _is_number(row.get("doc_id")):
        message = f"{place}: doc_id is {str(row.get('doc_id'))[:80]!r}, no number; {_EXPECTED}"
        raise ValueError(message)
    return int(row["doc_id"]) + 1, True


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _name(place: str, name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        message = f"{place}: {name} is {str(value)[:80]!r}, neither number nor text; {_EXPECTED}"
        raise ValueError(message)
    return str(value).strip()
