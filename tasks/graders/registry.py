"""The graders that need no server, by name.

Put here: `rules`, and the graders of other packages.
Keep out: grading (`rules`, beside this file); a language model as judge, which is asked (`judge`).

Another package adds a grader by an entry point of the group `mmvp.graders`; its value names a
function from a `Given` to "a", "b" or "neither".
"""

import difflib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Final

from tasks import plugins
from tasks.fingerprints import digest
from tasks.graders.given import TAKEN, Given, Grade, NoVerdict, Verdict
from tasks.graders.rules import grade_by_rules
from tasks.graders.votes import grade
from tasks.protocols import protocol_of

Grader = Callable[[Given], Grade]

RULES: Final = "rules"


def grader_named(name: str) -> Grader:
    """Return a grader.

    Raises:
        ValueError: if there is none of that name, or another package's cannot be loaded.
    """
    if name == RULES:
        return by_own_rules
    others = plugins.offered(plugins.GRADERS, (RULES,))
    if name in others:
        return _of_package(others[name])
    known = [RULES, *others]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    message = f"no grader is called {name!r}{hint} known: {', '.join(known)}"
    raise ValueError(message)


def by_own_rules(given: Given) -> Grade:
    """Grade a reply by the parser of the protocol that asked for it, whatever its control.

    Raises:
        ValueError: if there is no such protocol.
    """
    return grade_by_rules(protocol_of(given.protocol), given)


def _of_package(point: EntryPoint) -> Grader:
    take = plugins.load(point)
    package = plugins.package_of(point)

    def grade_by_package(given: Given) -> Grade:
        try:
            taken = take(given)
            vote: Verdict | NoVerdict = (
                Verdict(taken, "")
                if taken in TAKEN
                else NoVerdict(f"found {taken!r}, expected one of {', '.join(TAKEN)}")
            )
        except Exception as error:  # one reply that it cannot bear is one failed grade
            vote = NoVerdict(f"{type(error).__name__}: {error}")
        request = digest([package, point.value, given.question, given.options, given.reply])
        return grade(given, [vote], grader=point.name, request=request)

    return grade_by_package
