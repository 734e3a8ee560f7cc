"""Which of the nine patterns a question is about: models vote.

Put here: what a model is asked, reading and counting its votes, how far authors agree.
Keep out: sending (`tasks.evaluation.replies`); finding patterns (`discovering`, beside this file).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from storage.assignments import AssignmentRow
from tasks.backends import Failure, Outcome, Reply, Request
from tasks.backends.prompts import Prompt, read_prompt
from tasks.backends.structured import object_of, objects_in
from tasks.discovery.asked import PairAsked
from tasks.evaluation.servers import Server
from tasks.fingerprints import digest
from tasks.graders.agreement import cohens_kappa
from tasks.patterns import NAMES, NONE_OF_THESE, listed
from tasks.people import BY_PEOPLE
from tasks.scores.statistics import Interval, wilson

SCHEMA: Final[Mapping[str, Any]] = object_of(pattern={"type": "string", "enum": list(NAMES)})
TEMPERATURE: Final = 0.7
_SHOWN: Final = 80


def prompt() -> Prompt:
    """Return the prompt."""
    return read_prompt(Path(__file__).with_name("assign.txt"), SCHEMA, nine=listed())


def assign_requests(
    server: Server, asked: PairAsked, votes: int, *, own: bool = False
) -> list[Request]:
    """Return the requests of all votes on a question, first vote first; no image is shown.

    With `own` the model is asked by its server's own settings.
    """
    words = prompt()
    first, second = asked.options
    return [
        Request(
            model=server.name,
            messages=words.messages(question=asked.question, a=first, b=second),
            protocol=f"{words.name}/{vote + 1}",
            decoding=server.decoding(
                512,
                TEMPERATURE if votes > 1 else 0.0,
                draw=vote,
                own=own,
                structured=("pattern", SCHEMA),
            ),
            revision=server.url,
        )
        for vote in range(votes)
    ]


def read_assignment(
    server: Server,
    asked: PairAsked,
    mining: str,
    requests: Sequence[Request],
    outcomes: Mapping[str, Outcome],
) -> AssignmentRow:
    """Return what more than half of the votes cast take the question to be about.

    Where no more than half of the votes came, nothing is known.
    """
    votes = [_vote(outcomes.get(request.fingerprint)) for request in requests]
    cast = [vote.pattern for vote in votes if vote.pattern is not None]
    enough = 2 * len(cast) > len(votes)
    name, count = (Counter(cast).most_common(1) or [(NONE_OF_THESE, 0)])[0]
    why = next((vote.why for vote in votes if vote.pattern is None), "")
    taken = name if enough and 2 * count > len(cast) else NONE_OF_THESE
    return AssignmentRow(
        mining=mining,
        by=server.label,
        question_id=asked.question_id,
        pattern=None if taken == NONE_OF_THESE else taken,
        votes=tuple(vote.pattern for vote in votes),
        request=digest([request.fingerprint for request in requests]),
        failure=None if enough else f"{len(votes) - len(cast)} of {len(votes)} votes failed: {why}",
    )


class _Vote(NamedTuple):
    pattern: str | None
    why: str


def _vote(outcome: Outcome | None) -> _Vote:
    if not isinstance(outcome, Reply):
        return _Vote(None, _why(outcome))
    found = {value["pattern"] for value in objects_in(outcome) if value.get("pattern") in NAMES}
    if len(found) != 1:
        said = outcome.text[:_SHOWN]
        return _Vote(None, f"{len(found) or 'no'} patterns in {said!r}; expected one")
    return _Vote(found.pop(), "")


def _why(outcome: Failure | None) -> str:
    return "not asked" if outcome is None else f"{outcome.reason}: {outcome.message}"


class Accord(NamedTuple):
    """Two authors on the questions that both assigned: share that they take alike, and kappa.

    `interval` is of the share, 95 %; `kappa` takes off what they agree on by chance, None where
    both always say the same.
    """

    questions: int
    share: float | None
    interval: Interval
    kappa: float | None


def accord(one: Mapping[str, str | None], other: Mapping[str, str | None]) -> Accord:
    """Return how far two authors agree; both are patterns by question, None for none of nine."""
    both = [
        (one[name] or NONE_OF_THESE, other[name] or NONE_OF_THESE)
        for name in sorted(one.keys() & other.keys())
    ]
    same = sum(a == b for a, b in both)
    share = same / len(both) if both else None
    return Accord(len(both), share, wilson(same, len(both)), cohens_kappa(both))


def by_author(rows: Sequence[AssignmentRow]) -> dict[str, dict[str, str | None]]:
    """Return what each author assigned, by question; failures are left out."""
    found: dict[str, dict[str, str | None]] = {}
    for row in rows:
        if row.failure is None:
            found.setdefault(row.by, {})[row.question_id] = row.pattern
    return found


def agreed(rows: Sequence[AssignmentRow]) -> dict[str, str]:
    """Return the pattern that more than half of the authors take each question to be about.

    Where people assigned a question, models do not count.
    """
    told: dict[str, list[AssignmentRow]] = {}
    for row in rows:
        if row.failure is None:
            told.setdefault(row.question_id, []).append(row)
    found = {}
    for name, several in told.items():
        people = [row for row in several if row.by.startswith(BY_PEOPLE)]
        counted = [row.pattern for row in people or several]
        pattern, count = Counter(counted).most_common(1)[0]
        if pattern is not None and 2 * count > len(counted):
            found[name] = pattern
    return found
