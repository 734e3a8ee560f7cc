"""Answers that came in a file: all that is known of how they were asked for is what was said.

Put here: the name of such a request, by which the answers are told from those of calls.
Keep out: formats of files (`tasks.bridges`), their scores (`scoring`, beside this file).
"""

from typing import Final

from storage.answers import AnswerName, AnswerRow
from tasks.fingerprints import digest

STORED: Final = "stored"
"""Stands in requests for all that is not known of how a stored answer was asked for."""


def request_of(name: AnswerName, response: str) -> str:
    """Return the fingerprint that stands for the request of an answer from a file."""
    return digest([STORED, *name, response])


def came_in_file(row: AnswerRow) -> bool:
    """Say whether an answer came in a file."""
    return row.request == request_of(row.name, row.response)
