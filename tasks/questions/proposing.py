"""The stage `propose`: models write questions about the pairs of the benchmark.

Put here: which requests there are, what comes of them, the receipt of proposals.
Keep out: the prompt and its reading (`tasks.proposals`), checks (`checking`, beside this file).

A call that failed is recorded as a proposal with a failure and made again by the next run. Of
people's questions that lack statements the first writer is asked for these.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from storage import paths, proposals
from storage.pairs import PairRow
from storage.proposals import ProposalRow
from storage.receipts import Receipt, digest_rows
from tasks.backends import Reply
from tasks.evaluation.replies import Call, ask, known
from tasks.evaluation.servers import images_of
from tasks.evaluation.views import WITHIN, within
from tasks.fingerprints import digest
from tasks.people import BY_PEOPLE
from tasks.proposals.stating import lacks_statements, state_request
from tasks.proposals.writing import (
    BY_MODEL,
    NO_DIFFERENCE,
    UNREAD,
    read_proposal,
    write_request,
)
from tasks.questions.config import MODEL, QuestionConfig
from tasks.questions.offers import candidates
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

log = logging.getLogger(__name__)

NAME: Final = "propose"

ANSWERED: Final = frozenset({NO_DIFFERENCE, UNREAD})
"""Why nothing is proposed although the call was answered, so that it is not made again."""


class Plan(NamedTuple):
    """What is asked: a call for each proposal, named by a row without one, and for statements."""

    wanted: Sequence[tuple[ProposalRow, Call]]
    statements: Sequence[Call]
    held: dict[str, list[str]]

    @property
    def calls(self) -> list[Call]:
        """All calls."""
        return [call for _, call in self.wanted] + list(self.statements)


def prepare(
    site: Site,
    config: QuestionConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    mining: str,
    extra: int = 0,
) -> Context:
    """List the requests: every selected pair and so many extra ones, every writer and candidate."""
    found = candidates(site.db, mining, config, version=inputs["pairs"].version)
    rows = [*found.selected, *found.extra[:extra]]
    wanted = [one for row in rows for one in _wanted(config, row)]
    people = [
        row
        for row in proposals.read(site.db, mining)
        if row.writer.startswith(BY_PEOPLE) and lacks_statements(row)
    ]
    first = config.writing()[:1]
    own = config.own_decoding
    statements = [
        Call(server, state_request(server, row, own=own)) for server in first for row in people
    ]
    held = paths.images(site.db, corpora, version=inputs["paths"].version)
    plan = Plan(wanted, statements, held)
    names = sorted(call.request.fingerprint for call in plan.calls)
    stored = {(row.writer, row.number, row.pair_id): row for row in proposals.read(site.db, mining)}
    failed = [
        row for row, _ in wanted if _has_failed(stored.get((row.writer, row.number, row.pair_id)))
    ]
    return Context(
        site=site,
        config=config,
        facts={"mining": mining, "requests": digest(names)},
        inputs=inputs,
        made_by=made_by(__name__),
        given=plan,
        refresh=bool(failed),
    )


def _wanted(config: QuestionConfig, pair: PairRow) -> list[tuple[ProposalRow, Call]]:
    found = []
    images = (pair.image_a, pair.image_b)
    for server in config.writing() if MODEL in config.by else ():
        for number in range(config.candidates):
            request = write_request(server, images, number, own=config.own_decoding)
            row = ProposalRow(
                mining=pair.mining,
                pair_id=pair.pair_id,
                writer=BY_MODEL + server.label,
                number=number,
                request=request.fingerprint,
                image_a=pair.image_a,
                image_b=pair.image_b,
            )
            found.append((row, Call(server, request)))
    return found


def _has_failed(row: ProposalRow | None) -> bool:
    """Say whether a call has failed, so that it is made again."""
    return row is not None and row.failure is not None and _reason(row) not in ANSWERED


def _reason(row: ProposalRow) -> str:
    return (row.failure or "").partition(":")[0]


def failed(reasons: Mapping[str, int]) -> int:
    """Return how many calls have failed, from the reasons why nothing was proposed."""
    return sum(count for reason, count in reasons.items() if reason not in ANSWERED)


def run(context: Context) -> Outcome:
    """Ask what was not asked before, and store what came of it as proposals.

    Raises:
        ValueError: if a key is missing, or asking on is pointless; what has come is stored.
    """
    plan: Plan = context.given
    db = context.db
    ledger = context.config.ledger()
    before = set(proposals.read(db, context.facts["mining"]))
    try:
        images = images_of(plan.held, {WITHIN: within})
        ask(db, context.site.home, plan.calls, images, context.config, ledger)
    finally:
        outcomes = known(db, plan.calls)
        rows = [read_proposal(outcomes.get(row.request), row) for row, _ in plan.wanted]
        proposals.upsert(db, rows)
    reasons = Counter(_reason(row) for row in rows if row.failure)
    if reasons:
        log.warning("no question came of %s", _in_words(reasons, len(rows)))
    return Outcome(
        new=len(set(rows) - before),
        rows=len(rows),
        reasons=dict(reasons),
        figures={
            "proposed": len(rows) - reasons.total(),
            "statements": sum(
                isinstance(outcomes.get(call.request.fingerprint), Reply)
                for call in plan.statements
            ),
            "spent": ledger.as_json(),
        },
    )


def forecast(context: Context) -> dict[str, int]:
    """Return what a run would do: requests it would send."""
    outcomes = known(context.db, context.given.calls)
    names = {call.request.fingerprint for call in context.given.calls}
    return {"requests": sum(not isinstance(outcomes.get(name), Reply) for name in names)}


def _in_words(reasons: Counter[str], total: int) -> str:
    why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    said = f"{reasons.total():,} of {total:,} requests ({why})"
    return f"{said}; calls that failed are made again by the next run" if failed(reasons) else said


def look(context: Context) -> Receipts | None:
    """Measure the receipt `proposals`; None when a proposal is missing or of another request."""
    plan: Plan = context.given
    mining = context.facts["mining"]
    version = context.db.version(proposals.SPEC)
    stored = {
        (row.writer, row.number, row.pair_id): row for row in proposals.read(context.db, mining)
    }
    keys = []
    for row, _ in plan.wanted:
        found = stored.get((row.writer, row.number, row.pair_id))
        if found is None or found.request != row.request:
            return None
        keys.append(repr(found))
    digest_ = digest_rows([context.made_by, mining], keys)
    receipt = Receipt(table=proposals.SPEC.name, version=version, rows=len(keys), digest=digest_)
    return {"proposals": receipt}


STAGE = Stage(name=NAME, module=__name__, reads=("pairs",), run=run, look=look)
