"""Ask models on servers what is no question of a benchmark: each request once, its reply kept.

Put here: which requests have no reply yet, asking them, and what is known of all.
Keep out: sending (`remote`, beside this file); prompts and their reading (`tasks.proposals`,
`tasks.checks`, `tasks.discovery`).

A call that failed is recorded as such and made again by the next run.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

from storage import replies
from storage.database import Database
from storage.replies import ReplyRow
from tasks.backends import Failure, Images, Ledger, Outcome, Reason, Reply, Request
from tasks.backends.terms import Terms
from tasks.evaluation.journal import REPLIES, Journal
from tasks.evaluation.remote import send
from tasks.evaluation.servers import Server

log = logging.getLogger(__name__)


class Call(NamedTuple):
    """A request, and the server that is to get it."""

    server: Server
    request: Request


def known(db: Database, calls: Iterable[Call]) -> dict[str, Outcome]:
    """Return what came of calls, failures included, by the request's fingerprint."""
    stored = replies.read(db, {call.request.fingerprint for call in calls})
    return {name: outcome_of(row) for name, row in stored.items()}


def ask(
    db: Database,
    home: Path,
    calls: Sequence[Call],
    images: Images,
    terms: Terms,
    ledger: Ledger,
) -> None:
    """Make the calls that have no reply yet, and store what comes of them.

    Raises:
        ValueError: if a key is missing, or asking on is pointless; what has come is kept.
    """
    journal = Journal(home, REPLIES)
    if kept := journal.move_to(db):
        log.info("%s replies of a run that was stopped are kept", f"{kept:,}")
    stored = known(db, calls)
    todo: dict[Server, dict[str, Request]] = defaultdict(dict)
    for server, request in calls:
        if not isinstance(stored.get(request.fingerprint), Reply):
            todo[server][request.fingerprint] = request
    try:
        with journal:
            for server, requests in todo.items():
                send(
                    server,
                    list(requests.values()),
                    images,
                    partial(_add, journal, server),
                    ledger=ledger,
                    timeout_s=terms.timeout_s,
                    at_once=terms.at_once,
                )
    finally:
        journal.move_to(db)


def _add(journal: Journal[ReplyRow], server: Server, request: Request, outcome: Outcome) -> None:
    journal.add([row_of(server, request, outcome)])


def row_of(server: Server, request: Request, outcome: Outcome) -> ReplyRow:
    """Return what is kept of a call; half characters, which no table can hold, are replaced."""
    answered = isinstance(outcome, Reply)
    words = outcome.text if isinstance(outcome, Reply) else f"{outcome.reason}: {outcome.message}"
    words = words.encode("utf-8", "replace").decode()
    return ReplyRow(
        request=request.fingerprint,
        model=server.label,
        protocol=request.protocol,
        response=words if answered else "",
        cut=isinstance(outcome, Reply) and outcome.cut,
        failure=None if answered else words,
    )


def outcome_of(row: ReplyRow) -> Outcome:
    """Return what came of a call from what is kept of it."""
    if row.failure is None:
        return Reply(text=row.response, cut=row.cut)
    said, _, message = row.failure.partition(": ")
    reason: Reason = next((one for one in get_args(Reason) if one == said), "bad-reply")
    return Failure(reason=reason, message=message)
