"""Judges on servers: a language model that grades stored replies, several votes each.

Put here: votes as calls, and grades from what came of them.
Keep out: what a judge is asked and how it is read (`tasks.graders`); sending (`replies`).

A vote is stored with the other replies; the next run makes those again that failed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from storage.database import Database
from tasks.backends import Picture
from tasks.backends.terms import Terms
from tasks.evaluation import replies
from tasks.evaluation.replies import Call
from tasks.evaluation.servers import ROOM_TO_THINK, Server
from tasks.graders import Given, Grade, LLMJudge, grade_by_judge, judge_requests

VOTES: Final = 3
TEMPERATURE: Final = 0.7
MOST_TOKENS: Final = 512


def judge_server(spec: str) -> Server:
    """Return the server whose model judges.

    Raises:
        ValueError: if the spec names no server.
    """
    server = Server.parse(spec)
    if server is None:
        message = f"judge {spec!r} is no server; expected openai:NAME@URL, openai:NAME, ..."
        raise ValueError(message)
    return server


def judge_of(spec: str, votes: int = VOTES, *, own: bool = False) -> tuple[Server, LLMJudge]:
    """Return the server that a spec names, and the judge that votes there.

    With `own` the server decodes as it likes, and there is room to think.

    Raises:
        ValueError: if it names no server, or the number of votes is not odd.
    """
    server = judge_server(spec)
    return server, LLMJudge(
        model=server.name,
        revision=server.url,
        votes=votes,
        temperature=None if own else TEMPERATURE,
        max_new_tokens=ROOM_TO_THINK if own else MOST_TOKENS,
        seeded=server.seed(0) is not None,
        structured=server.kind == "openai",
    )


def grade_by_server(
    db: Database,
    home: Path,
    who: tuple[Server, LLMJudge],
    given: Sequence[Given],
    terms: Terms,
) -> list[Grade]:
    """Return a grade for each reply, in order; votes that are stored are not asked for again.

    Raises:
        ValueError: if a key is missing, or asking on is pointless; what has come is kept.
    """
    server, judge = who
    calls = [Call(server, request) for one in given for request in judge_requests(judge, one)]
    replies.ask(db, home, calls, no_image, terms, terms.ledger())
    outcomes = replies.known(db, calls)
    return [grade_by_judge(judge, one, outcomes) for one in given]


def no_image(picture: Picture) -> bytes:
    """Stand in the place of images, for judges: they see words alone."""
    message = f"a judge sees words alone, not image {picture.image!r}"
    raise ValueError(message)
