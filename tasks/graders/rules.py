"""A protocol's own parser as a grader.

Put here: a grade from a protocol, so that rules, judges and people are compared alike.
Keep out: the parsers (`tasks.protocols`).
"""

from functools import cache

from tasks import plugins
from tasks.fingerprints import code_digest, digest
from tasks.graders.given import Given, Grade, Taken, Verdict
from tasks.graders.votes import grade
from tasks.protocols import Protocol


def grade_by_rules(protocol: Protocol, given: Given) -> Grade:
    """Return what a protocol's parser reads; unread is neither. Nothing is drawn by lot."""
    place = protocol.parse(given.reply, given.options)
    taken: Taken = "neither" if place is None else "a" if place == 0 else "b"
    request = digest([protocol.name, _code(protocol.parse.__module__), given.reply])
    return grade(given, [Verdict(taken, "")], grader=f"rules:{protocol.name}", request=request)


@cache
def _code(module: str) -> str:
    """Name the code of a parser; of another package's all that is known is its version."""
    return code_digest(module) if module.startswith("tasks.") else digest(plugins.installed())
