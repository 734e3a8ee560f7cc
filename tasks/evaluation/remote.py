"""Ask models on servers what they were not asked before: one journal, one budget.

Put here: sending requests to a server; from questions to recorded answers and recorded failures.
Keep out: one call and second tries (`tasks.backends`), names and keys (`servers`), beside this.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext

from storage.answers import AnswerRow
from tasks.backends import (
    Backend,
    Images,
    Ledger,
    OpenAIServer,
    Outcome,
    Pacing,
    Reply,
    Request,
    ServerFailsError,
    ask_all,
    forecast,
)
from tasks.backends.running import HandOver
from tasks.evaluation.journal import Journal
from tasks.evaluation.requests import ToAsk
from tasks.evaluation.servers import Server, images_of

log = logging.getLogger(__name__)


def ask_server(
    server: Server,
    todo: Sequence[ToAsk],
    journal: Journal[AnswerRow],
    *,
    ledger: Ledger,
    timeout_s: float,
    at_once: int,
) -> None:
    """Ask everything, writing each outcome into the journal the moment it is known.

    Questions that make equal requests are asked once.

    Raises:
        ValueError: if a way cannot be asked, a key is missing, or asking on is pointless.
    """
    requests: dict[str, Request] = {}
    wanted: dict[str, list[ToAsk]] = defaultdict(list)
    for one in todo:
        request = server.request(one.way, one.asked)
        requests[request.fingerprint] = request
        wanted[request.fingerprint].append(one)

    def hand_over(request: Request, outcome: Outcome) -> None:
        fingerprint = request.fingerprint
        journal.add([_row(one, fingerprint, outcome) for one in wanted[fingerprint]])

    send(
        server,
        list(requests.values()),
        images_of({one.asked.image: one.asked.paths for one in todo}),
        hand_over,
        ledger=ledger,
        timeout_s=timeout_s,
        at_once=at_once,
    )


def send(
    server: Server,
    requests: Sequence[Request],
    images: Images,
    hand_over: HandOver,
    *,
    ledger: Ledger,
    timeout_s: float,
    at_once: int,
) -> None:
    """Tell what requests are to take, send them, and hand over each outcome when it is known.

    Raises:
        ValueError: if a key is missing, or asking on is pointless.
    """
    _tell(server, requests, ledger)
    pacing = Pacing(start=min(4, at_once), most=at_once)
    try:
        asyncio.run(_ask(server, requests, images, hand_over, pacing, ledger, timeout_s))
    except ServerFailsError as error:
        message = str(error)
        raise ValueError(message) from error


async def _ask(  # it only makes the back end within the loop
    server: Server,
    requests: Sequence[Request],
    images: Images,
    hand_over: HandOver,
    pacing: Pacing,
    ledger: Ledger,
    timeout_s: float,
) -> None:
    backend: Backend = server.backend(images, timeout_s=timeout_s)
    async with backend if isinstance(backend, OpenAIServer) else nullcontext(backend) as ready:
        await ask_all(ready, requests, hand_over, pacing=pacing, ledger=ledger)


def _tell(server: Server, requests: Sequence[Request], ledger: Ledger) -> None:
    found = forecast(requests, ledger)
    cost = ""
    if ledger.prices is not None:
        left = "" if ledger.budget is None else f"; the budget is {ledger.budget:g}"
        cost = f", about {found.money:.2f}, at most {found.most:.2f} {ledger.prices.currency}{left}"
    log.info(
        "%s: %s requests, about %s tokens to read%s",
        server.label,
        f"{found.calls:,}",
        f"{found.read:,}",
        cost,
    )


def _row(one: ToAsk, fingerprint: str, outcome: Outcome) -> AnswerRow:
    answered = isinstance(outcome, Reply)
    response = outcome.text if isinstance(outcome, Reply) else ""
    return AnswerRow(
        question_id=one.name.question_id,
        model=one.name.model,
        protocol=one.name.protocol,
        request=fingerprint,
        response=response,
        choice=one.way.reads(one.question, response) if answered else None,
        scores=None,
        failure=None if isinstance(outcome, Reply) else f"{outcome.reason}: {outcome.message}",
    )
