"""From votes to a grade: what more than half of them take.

Put here: counting, for any grader.
Keep out: how a vote comes about (`rules`, `judge`, `people`).
"""

from collections import Counter
from collections.abc import Sequence

from tasks.graders.given import NEITHER, Given, Grade, NoVerdict, Taken, Verdict


def majority(votes: Sequence[Taken]) -> Taken:
    """Return what more than half of the votes take, else neither."""
    for taken, count in Counter(votes).items():
        if 2 * count > len(votes):
            return taken
    return NEITHER


def grade(
    given: Given, votes: Sequence[Verdict | NoVerdict], *, grader: str, request: str
) -> Grade:
    """Return the grade of an answer from all votes that were asked for.

    Failed votes do not count. Where no more than half of the votes came, there is no grade but a
    failure: whoever did not fail must not decide alone.

    Raises:
        ValueError: if no vote was asked for.
    """
    if not votes:
        message = f"question {given.question_id!r}: no vote of {grader!r}; expected one or more"
        raise ValueError(message)
    cast = [vote.taken for vote in votes if isinstance(vote, Verdict)]
    failed = [vote.reason for vote in votes if isinstance(vote, NoVerdict)]
    enough = 2 * len(cast) > len(votes)
    return Grade(
        question_id=given.question_id,
        model=given.model,
        protocol=given.protocol,
        grader=grader,
        request=request,
        option=given.text(majority(cast)) if enough else None,
        votes=tuple(vote.taken if isinstance(vote, Verdict) else None for vote in votes),
        failure=None if enough else f"{len(failed)} of {len(votes)} votes failed: {failed[0]}",
    )
