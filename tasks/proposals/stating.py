"""Statements for questions that have none: by a model, or by rule.

Put here: what a model is asked, the reading of what it says, the rule.
Keep out: writing questions (`writing`, beside this file); sending (`tasks.evaluation.replies`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from storage.proposals import ProposalRow
from tasks.backends import Outcome, Reply, Request
from tasks.backends.prompts import Prompt, read_prompt
from tasks.backends.structured import object_of, objects_in
from tasks.evaluation.servers import Server
from tasks.proposals.writing import clean

SCHEMA: Final[Mapping[str, Any]] = object_of(
    statement_1={"type": "string"}, statement_2={"type": "string"}
)
MOST_SIGNS: Final = 200


def prompt() -> Prompt:
    """Return the prompt."""
    return read_prompt(Path(__file__).with_name("state.txt"), SCHEMA)


def state_request(server: Server, row: ProposalRow, *, own: bool = False) -> Request:
    """Return the request for a question's statements; no image is shown."""
    asked = prompt()
    return Request(
        model=server.name,
        messages=asked.messages(
            question=row.question or "",
            answer_1=row.answer_a or "",
            answer_2=row.answer_b or "",
        ),
        protocol=asked.name,
        decoding=server.decoding(1024, own=own, structured=("statements", SCHEMA)),
        revision=server.url,
    )


def lacks_statements(row: ProposalRow) -> bool:
    """Say whether a proposal has a question and lacks a statement."""
    return row.failure is None and not (row.statement_a and row.statement_b)


def read_statements(outcome: Outcome | None) -> tuple[str, str] | None:
    """Return the two statements that a model's words are; None if they are none."""
    if not isinstance(outcome, Reply):
        return None
    found = set()
    for value in objects_in(outcome):
        told = (value.get("statement_1"), value.get("statement_2"))
        if all(isinstance(text, str) and 0 < len(text.strip()) <= MOST_SIGNS for text in told):
            found.add((clean(str(told[0])), clean(str(told[1]))))
    (one,) = found if len(found) == 1 else (None,)
    return one if one and one[0] != one[1] else None


def state_by_rule(row: ProposalRow) -> tuple[str, str]:
    """Return the question with each of its answers: plain, and the same for every question."""
    return f"{row.question} {row.answer_a}", f"{row.question} {row.answer_b}"
