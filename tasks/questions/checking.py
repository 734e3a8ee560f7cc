"""The stage `check`: what is wrong with proposed questions, found out and stored.

Put here: which checks are made of which proposal, asking those who answer, the receipt of checks.
Keep out: the checks and the policy (`tasks.checks`); which questions are taken (`stage`).

Rules read every proposal. Those who answer are asked only about proposals that pass these, and of
each pair only about the next one while none has passed, so that no call is made for nothing.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Final, NamedTuple

from storage import checks, paths
from storage.checks import CheckRow
from storage.proposals import ProposalRow
from storage.receipts import Receipt, digest_rows
from tasks.checks.answering import Answerer, findings, puts
from tasks.checks.pixels import VISIBLE, gap
from tasks.checks.policy import BY_ANSWERERS, Ruling, rule
from tasks.checks.wording import RULES
from tasks.corpora.locations import find_pixels
from tasks.encoders import EncoderConfig
from tasks.encoders.recipes import Recipe, fit
from tasks.encoders.registry import find_source
from tasks.encoders.vectors import is_precomputed
from tasks.evaluation.replies import Call, ask, known
from tasks.evaluation.servers import images_of
from tasks.evaluation.views import WITHIN, name_of, view_of, within
from tasks.fingerprints import digest
from tasks.images import RefusedImageError
from tasks.proposals.writing import BY_MODEL
from tasks.questions.config import QuestionConfig
from tasks.questions.offers import (
    RULES_NAME,
    candidates,
    findings_of,
    offered,
    ranked,
)
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

log = logging.getLogger(__name__)

NAME: Final = "check"

NO_INPUT: Final = Recipe(
    resize_px=224, crop_px=224, resize="shortest", interpolation="bicubic", mean=(0.0,), std=(1.0,)
)
"""How images are looked at for an encoder of stored vectors, whose input nobody knows."""


class Plan(NamedTuple):
    """Proposals of each pair, the preferred first; how the encoder gets images; their files."""

    pairs: Sequence[Sequence[ProposalRow]]
    recipe: Recipe
    held: Mapping[str, Sequence[str]]

    @property
    def rows(self) -> list[ProposalRow]:
        """All proposals."""
        return [row for rows in self.pairs for row in rows]


def prepare(
    site: Site,
    config: QuestionConfig,
    encoder: EncoderConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    mining: str,
) -> Context:
    """List what is proposed about pairs.

    Raises:
        ValueError: if the encoder is unknown.
    """
    by_source = offered(site.db, site.home, mining, config)
    found = candidates(site.db, mining, config, by_source, version=inputs["pairs"].version)
    recipe = NO_INPUT if is_precomputed(encoder) else find_source(encoder)[1].recipe
    plan = Plan(
        [ranked(by_source, pair.pair_id) for pair in found.all()],
        recipe,
        paths.images(site.db, corpora, version=inputs["paths"].version),
    )
    _tell_who_answers(config, plan.rows)
    counted = _Findings(site, config, plan, mining)
    return Context(
        site=site,
        config=config,
        facts={
            "mining": mining,
            "proposals": digest([[row.proposal_id, list(_said(row))] for row in plan.rows]),
            "answerers": [answerer.name for answerer in config.answering()],
            "policy": config.checks.model_dump(mode="json"),
            "view": name_of(recipe),
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=plan,
        refresh=any(row.passed is None for rows in counted.rows.values() for row in rows),
    )


def _said(row: ProposalRow) -> tuple[str | None, str | None]:
    return row.statement_a, row.statement_b


def _tell_who_answers(config: QuestionConfig, rows: Sequence[ProposalRow]) -> None:
    writers = {row.writer.removeprefix(BY_MODEL) for row in rows}
    answering = config.answering()
    both = sorted(writers & {answerer.server.label for answerer in answering})
    if both:
        log.warning("%s checks questions of its own; better ask another model", ", ".join(both))
    if rows and not answering:
        log.warning("no one answers the proposed questions before they are taken; see --answerers")


class _Findings:
    """The findings so far that are up to date, by proposal."""

    def __init__(self, site: Site, config: QuestionConfig, plan: Plan, mining: str) -> None:
        self.site, self.config, self.plan, self.mining = site, config, plan, mining
        self.view = name_of(plan.recipe) if config.checks.at_input_size else WITHIN
        self.names = config.checks.names(answerers=bool(config.answerers))
        self.rows: dict[str, list[CheckRow]] = {}
        self._made_by = made_by(__name__)
        self._requests: dict[tuple[ProposalRow, str], str] = {}
        self.read()

    def read(self) -> None:
        """Read them from the store."""
        stored = findings_of(self.site.db, self.mining, self.config)
        self.rows = {
            row.proposal_id: [
                found
                for found in stored.get(row.proposal_id, ())
                if not found.request or found.request == self.request(row, found.by)
            ]
            for row in self.plan.rows
        }

    def request(self, row: ProposalRow, by: str) -> str:
        """Return the name of all that an author's findings about a proposal depend on."""
        if (row, by) not in self._requests:
            self._requests[row, by] = self._request(row, by)
        return self._requests[row, by]

    def _request(self, row: ProposalRow, by: str) -> str:
        if by == RULES_NAME:
            policy = self.config.checks
            told = [policy.visible_levels, policy.visible_noises, name_of(self.plan.recipe)]
            return digest([self._made_by, row.proposal_id, list(_said(row)), told])
        who = next(one for one in self.config.answering() if one.name == by)
        return digest([call.request.fingerprint for call in self.calls(row, who)])

    def calls(self, row: ProposalRow, who: Answerer) -> list[Call]:
        """Return the calls by which an answerer is asked about a proposal."""
        asked = puts(who, row, self.view)
        return [Call(who.server, put.request) for check in asked.values() for put in check]

    def ruling(self, row: ProposalRow) -> Ruling:
        """Return what follows from the findings about a proposal."""
        return rule(self.rows[row.proposal_id], self.config.checks, self.names)

    def is_asked(self, row: ProposalRow) -> bool:
        """Say whether every answerer was asked about a proposal."""
        authors = {found.by for found in self.rows[row.proposal_id]}
        return {one.name for one in self.config.answering()} <= authors

    def next(self, tried: Iterable[str] = ()) -> list[ProposalRow]:
        """Return the proposals to ask about now: of each pair at most one.

        Those that were `tried` are not asked about again, whatever came of it.
        """
        tried = set(tried)
        found = []
        for rows in self.plan.pairs:
            for row in rows:
                ruling = self.ruling(row)
                if ruling.taken:
                    break
                if ruling.failed or not set(ruling.lacks) <= BY_ANSWERERS:
                    continue
                if self.config.answering() and row.proposal_id not in tried:
                    found.append(row)
                    break
        return found


def run(context: Context) -> Outcome:
    """Make the checks that are missing, in as many rounds as a pair has proposals.

    Raises:
        ValueError: if a key is missing, or asking on is pointless; what has come is stored.
    """
    plan: Plan = context.given
    config: QuestionConfig = context.config
    db, mining = context.db, context.facts["mining"]
    before = set(checks.read(db, mining))
    found = _Findings(context.site, config, plan, mining)
    checks.upsert(db, list(_by_rules(found)))
    found.read()
    images = images_of(plan.held, {WITHIN: within, name_of(plan.recipe): view_of(plan.recipe)})
    tried: set[str] = set()
    ledger = config.ledger()
    while rows := found.next(tried):
        asked = [(row, who) for row in rows for who in config.answering()]
        calls = [call for row, who in asked for call in found.calls(row, who)]
        try:
            ask(db, context.site.home, calls, images, config, ledger)
        finally:
            outcomes = known(db, calls)
            checks.upsert(
                db,
                [
                    CheckRow(
                        mining=mining,
                        check=one.check,
                        by=who.name,
                        proposal_id=row.proposal_id,
                        passed=one.passed,
                        detail=one.detail,
                        request=found.request(row, who.name),
                    )
                    for row, who in asked
                    for one in findings(puts(who, row, found.view), row, outcomes)
                ],
            )
        tried |= {row.proposal_id for row in rows}
        found.read()
    rulings = [found.ruling(row) for row in plan.rows]
    failed = Counter(name for ruling in rulings for name in ruling.failed)
    made = [row for rows in found.rows.values() for row in rows]
    return Outcome(
        new=len(set(made) - before),
        rows=len(made),
        reasons=dict(sorted(failed.items())),
        figures={
            "passed": sum(ruling.taken for ruling in rulings),
            "refused": sum(bool(ruling.failed) for ruling in rulings),
            "open": sum(not ruling.failed and bool(ruling.lacks) for ruling in rulings),
            "spent": ledger.as_json(),
        },
    )


def forecast(context: Context) -> dict[str, int]:
    """Return what a run would do: proposals it would check; after some, others may follow."""
    found = _Findings(context.site, context.config, context.given, context.facts["mining"])
    by_rules = {name for name, rows in found.rows.items() if not _has_rules(rows)}
    return {"proposals to check": len(by_rules | {row.proposal_id for row in found.next()})}


def _by_rules(found: _Findings) -> Iterable[CheckRow]:
    """Yield what rules find about proposals, and whether the images of their pair differ."""
    for rows in found.plan.pairs:
        lacking = [row for row in rows if not _has_rules(found.rows[row.proposal_id])]
        if not lacking:
            continue
        visible, detail = _see(found, lacking[0])
        for row in lacking:
            made = {name: check(row) for name, check in RULES.items()}
            verdicts = {name: (why is None, why or "") for name, why in made.items()}
            for name, (passed, why) in {**verdicts, VISIBLE: (visible, detail)}.items():
                yield CheckRow(
                    mining=found.mining,
                    check=name,
                    by=RULES_NAME,
                    proposal_id=row.proposal_id,
                    passed=passed,
                    detail=why,
                    request=found.request(row, RULES_NAME),
                )


def _has_rules(rows: Sequence[CheckRow]) -> bool:
    made = {row.check: row.passed for row in rows if row.by == RULES_NAME}
    return {*RULES, VISIBLE} <= made.keys() and made[VISIBLE] is not None


def _see(found: _Findings, row: ProposalRow) -> tuple[bool | None, str]:
    """Say whether a pair's images differ as the encoder gets them; None if one is gone."""
    policy, held = found.config.checks, found.plan.held
    try:
        one, other = (
            fit(find_pixels(image, held.get(image, ())), found.plan.recipe)
            for image in (row.image_a, row.image_b)
        )
    except RefusedImageError as error:
        return None, str(error)
    apart = gap(one, other)
    least = max(policy.visible_levels, policy.visible_noises * apart.noise)
    said = f"{apart.images:.1f} levels at {len(one)} px; re-encoding makes {apart.noise:.1f}"
    return apart.images > least, said


def look(context: Context) -> Receipts | None:
    """Measure the receipt `checks`; None when a check is missing that could be made."""
    mining = context.facts["mining"]
    version = context.db.version(checks.SPEC)
    found = _Findings(context.site, context.config, context.given, mining)
    if not all(_has_all_rules(rows) for rows in found.rows.values()):
        return None
    asked = [row.proposal_id for row in context.given.rows if found.is_asked(row)]
    if found.next(asked):
        return None
    keys = sorted(repr(asdict(row)) for rows in found.rows.values() for row in rows)
    digest_ = digest_rows([context.made_by, mining], keys)
    receipt = Receipt(table=checks.SPEC.name, version=version, rows=len(keys), digest=digest_)
    return {"checks": receipt}


def _has_all_rules(rows: Sequence[CheckRow]) -> bool:
    return {*RULES, VISIBLE} <= {row.check for row in rows if row.by == RULES_NAME}


STAGE = Stage(name=NAME, module=__name__, reads=("pairs",), run=run, look=look)
