"""Answers that are stored already, as JSON lines: ours, the official script's, a harness's.

Put here: reading `question_id` and `response`, each question once.
Keep out: reading choices out of responses (the named protocols).
Source: Tong et al. 2024, the official evaluation script's answer files.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tasks.backends.request import Failure, Outcome, Reason, Reply, Request

FAILED: Final[Mapping[str, Reason]] = {
    "[LMMS_EVAL_REQUEST_FAILED": "server-error",
    "[LMMS_EVAL_BUDGET_EXCEEDED": "over-budget",
    "Failed to obtain answer": "server-error",
    "Fail to obtain answer": "server-error",
}
"""Beginnings of what harnesses store in the place of an answer when a call has failed."""
_SHOWN: Final = 5


class Replay:
    """A back end that gives back stored outcomes, by the fingerprint of the request."""

    def __init__(self, outcomes: Mapping[str, Outcome]) -> None:
        self._outcomes = dict(outcomes)

    async def reply(self, request: Request) -> Outcome:
        """Return the stored outcome.

        Raises:
            ValueError: if none is stored.
        """
        found = self._outcomes.get(request.fingerprint)
        if found is None:
            message = (
                f"no answer is stored for request {request.fingerprint[:12]} of model "
                f"{request.model!r}; expected one for each request: ask the model itself"
            )
            raise ValueError(message)
        return found


def read_answers(
    path: Path, question_ids: Collection[str], *, partial: bool = False
) -> dict[str, Outcome]:
    """Return what is stored for questions, by question, in the order of `question_ids`.

    Ids may be numbers or texts. Responses stay verbatim, empty ones too; the words that harnesses
    store for a failed call are failures.

    Args:
        path: JSON lines with at least `question_id` and `response`.
        question_ids: the questions of the benchmark.
        partial: questions without an answer are no mistake.

    Raises:
        ValueError: if a line cannot be read, or ids are missing, doubled or unknown.
    """
    pairs = list(_lines(path))
    counts = Counter(question for question, _ in pairs)
    known = set(question_ids)
    doubled = [name for name, times in counts.items() if times > 1]
    unknown = [name for name in counts if name not in known]
    missing = [] if partial else [name for name in question_ids if name not in counts]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{', ...' if names[_SHOWN:] else ''}"
        for what, names in (("doubled", doubled), ("unknown", unknown), ("missing", missing))
        if names
    ]
    if problems:
        message = (
            f"question ids in {str(path)!r}: {'; '.join(problems)}; expected one line for each of "
            f"the benchmark's {len(known)} questions"
        )
        raise ValueError(message)
    found = dict(pairs)
    return {name: stored_outcome(found[name]) for name in question_ids if name in found}


def stored_outcome(response: str) -> Outcome:
    """Return a stored response: a reply, or a failure where it is what a harness stores for one."""
    for start, reason in FAILED.items():
        if response.lstrip().startswith(start):
            return Failure(reason=reason, message=f"stored as {response[:200]!r}")
    return Reply(text=response)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig") as lines:
        yield from _rows(lines, str(path))


def _rows(lines: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _row(json.loads(line))
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f"line {number} of {name!r}: {type(error).__name__}: {error}; expected "
                f'{{"question_id": ID, "response": TEXT}}'
            )
            raise ValueError(message) from None


def _row(row: Any) -> tuple[str, str]:
    question, response = row["question_id"], row["response"]
    if isinstance(question, bool) or not isinstance(question, int | str):
        message = f"question_id is {question!r}, neither number nor text"
        raise TypeError(message)
    if not isinstance(response, str):
        message = f"response of {question!r} is {response!r}, no text"
        raise TypeError(message)
    return str(question), response
