"""The stage `questions`: two questions for each selected pair, and for pairs drawn by lot.

Put here: which pairs are asked about, whose question is taken, the receipt of their questions.
Keep out: wordings (`wording`) and drawing pairs (`writing`), what people and models propose
(`proposing`) and what checks make of it (`checking`), beside this file.

Three benchmarks are written. `mined` asks about the selected CLIP-blind pairs. `random` asks the
same kinds of question about pairs that no encoder chose, so that blindness by selection can be told
from blindness. `captioned` asks about what captions name: the general ability. The last two are
written from metadata alone.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from storage import assignments, paths, questions, refused
from storage.pairs import PairRow
from storage.proposals import ProposalRow
from storage.questions import CAPTIONED, MINED, RANDOM, QuestionRow
from storage.receipts import Receipt, digest_rows
from tasks.attributes import Knowledge, know
from tasks.checks.balance import balance
from tasks.checks.policy import rule
from tasks.discovery.assigning import agreed
from tasks.evaluation.replies import Call, known
from tasks.fingerprints import digest
from tasks.patterns import PATTERNS
from tasks.proposals.stating import (
    lacks_statements,
    read_statements,
    state_by_rule,
    state_request,
)
from tasks.questions.config import METADATA, QuestionConfig
from tasks.questions.offers import findings_of, offered, pairs_offered, source_of
from tasks.questions.writing import asked_attributes, draw_pairs, write_pair, write_proposed
from tasks.reasons import IMAGE_USED
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

log = logging.getLogger(__name__)

NAME: Final = "questions"
ALIKE: Final = "answers-read-alike"
UNPROPOSED: Final = "nothing-proposed"
REFUSED: Final = "proposals-refused"
UNCHECKED: Final = "proposals-unchecked"
FULL: Final = "pattern-full"
BY_RULE: Final = "statement-by-rule"

REASONS: Final[Mapping[str, str]] = {
    ALIKE: "the two images' answers to the question are the same words",
    UNPROPOSED: "no question was proposed about the pair",
    REFUSED: "no question that was proposed about the pair passed the checks",
    UNCHECKED: "a question was proposed about the pair, and not all checks of it were made yet",
    FULL: "the benchmark has as many pairs as asked for of the question's pattern",
    BY_RULE: "nobody stated the answers, so a statement is the question with its answer",
}


class Offer(NamedTuple):
    """A pair's questions if they were taken, else what keeps them out."""

    rows: Sequence[QuestionRow]
    refused: str | None = None
    by_rule: bool = False

    @property
    def images(self) -> frozenset[str]:
        """The images that it asks about."""
        return frozenset(row.image for row in self.rows)


class Plan(NamedTuple):
    """What the corpus knows, and what is offered about each pair, preferred first."""

    known: Knowledge
    offers: Mapping[str, Sequence[Offer]]
    selected: frozenset[str]


def prepare(
    site: Site, config: QuestionConfig, corpora: Sequence[str], inputs: Receipts, mining: str
) -> Context:
    """Gather what metadata tells of images that have vectors, and what is offered about pairs."""
    version = inputs["paths"].version
    lacking = {row.path for row in refused.read(site.db, "embed", corpora)}
    held = paths.images(site.db, corpora, version=version) if lacking else {}
    gone = {image for image, files in held.items() if lacking.issuperset(files)}
    metadata = paths.metadata(site.db, corpora, version=version)
    found = know({image: told for image, told in metadata.items() if image not in gone})
    offering = _Offers(site, config, mining, found)
    by_source, version = offering.by_source, inputs["pairs"].version
    rows = pairs_offered(site.db, mining, by_source, version=version)
    offers = {pair.pair_id: list(offering.about(pair)) for pair in rows}
    settings = config.model_dump(mode="json", include={"lot_pairs", "by", "pairs_per_pattern"})
    proposed = [[p, repr(offer)] for p, made in offers.items() for offer in made]
    return Context(
        site=site,
        config=config,
        facts={
            "mining": mining,
            "config": settings,
            "knowledge": found.digest(),
            "proposed": digest(proposed) if config.proposes else None,
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=Plan(found, offers, frozenset(row.pair_id for row in rows if row.selected)),
    )


class _Offers:
    """What is offered about each pair, by whom the policy says."""

    def __init__(self, site: Site, config: QuestionConfig, mining: str, found: Knowledge) -> None:
        self.config, self.mining, self.found = config, mining, found
        self.by_source = offered(site.db, site.home, mining, config)
        self.findings = findings_of(site.db, mining, config) if config.proposes else {}
        self.names = config.checks.names(answerers=bool(config.answerers))
        self.assigned = agreed(assignments.read(site.db, mining)) if config.proposes else {}
        rows = [r for by_pair in self.by_source.values() for rows in by_pair.values() for r in rows]
        self.calls = {
            row: Call(server, state_request(server, row, own=config.own_decoding))
            for server in config.writing()[:1]
            for row in rows
            if lacks_statements(row)
        }
        self.said = known(site.db, self.calls.values())

    def about(self, pair: PairRow) -> Iterator[Offer]:
        """Yield what is offered about a pair, the preferred first."""
        for source in self.config.by:
            if source != METADATA:
                for row in self.by_source[source].get(pair.pair_id, ()):
                    yield self._proposed(row)
            elif pair.attribute is not None:
                images = (pair.image_a, pair.image_b)
                made = write_pair(
                    self.found, pair.attribute, images, mining=self.mining, benchmark=MINED
                )
                yield Offer(made, refused=None if made else ALIKE)

    def _proposed(self, row: ProposalRow) -> Offer:
        found = self.findings.get(row.proposal_id, ())
        ruling = rule(found, self.config.checks, self.names)
        if not ruling.taken:
            return Offer((), refused=REFUSED if ruling.failed else UNCHECKED)
        statements, by_rule = self._statements(row)
        made = write_proposed(row, statements, source=source_of(row), benchmark=MINED)
        if row.pattern is None:
            pattern = self.assigned.get(made[0].question_id)
            made = [replace(one, pattern=pattern) for one in made]
        return Offer(made, by_rule=by_rule)

    def _statements(self, row: ProposalRow) -> tuple[tuple[str | None, str | None], bool]:
        """Return a proposal's statements, and whether they are by rule."""
        if not lacks_statements(row):
            return (row.statement_a, row.statement_b), False
        call = self.calls.get(row)
        stated = read_statements(self.said.get(call.request.fingerprint)) if call else None
        return stated or state_by_rule(row), stated is None


def run(context: Context) -> Outcome:
    """Write the questions of all three benchmarks, in one commit."""
    mining, config = context.facts["mining"], context.config
    plan: Plan = context.given
    rows: list[QuestionRow] = []
    asked: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    patterns: Counter[str | None] = Counter()
    used: set[str] = set()
    for pair_id, offers in plan.offers.items():
        others = () if pair_id in plan.selected else used
        taken, why = _take(offers, patterns, others, config.pairs_per_pattern)
        if taken is not None:
            rows += taken.rows
            used |= taken.images
            asked[MINED] += 1
            patterns[taken.rows[0].pattern] += 1
            reasons[BY_RULE] += taken.by_rule
        elif why is not None or config.proposes:
            reasons[why or UNPROPOSED] += 1
    mined = list(rows)
    for benchmark, captioned in ((RANDOM, False), (CAPTIONED, True)):
        if METADATA not in config.by:
            break
        for attribute in asked_attributes(plan.known, captioned=captioned):
            for drawn in draw_pairs(plan.known, attribute, config.lot_pairs):
                made = write_pair(plan.known, attribute, drawn, mining=mining, benchmark=benchmark)
                rows += made
                asked[benchmark] += bool(made)
                reasons[ALIKE] += not made
    before = questions.read(context.db, mining)
    questions.replace(context.db, mining, rows)
    return Outcome(
        new=len(set(rows) - set(before)),
        rows=len(rows),
        reasons={why: count for why, count in reasons.items() if count},
        figures={
            "source": plan.known.source,
            "captioned": sorted(plan.known.captioned),
            "pairs": {name: asked[name] for name in (MINED, RANDOM, CAPTIONED)},
            **_told_of(config, mined, patterns),
        },
    )


def _take(
    offers: Sequence[Offer],
    patterns: Mapping[str | None, int],
    used: Collection[str],
    most: int | None,
) -> tuple[Offer | None, str | None]:
    """Return the first offer that is taken, else why the last one is not.

    `used` are images that must not be asked about again: of pairs that people wrote about beyond
    the selected ones, those that are asked about already.
    """
    why = None
    for offer in offers:
        why = offer.refused
        if why is None and not offer.images.isdisjoint(used):
            why = IMAGE_USED
        elif why is None:
            if most is None or patterns.get(offer.rows[0].pattern, 0) < most:
                return offer, None
            why = FULL
    return None, why


def _told_of(
    config: QuestionConfig, mined: Sequence[QuestionRow], patterns: Mapping[str | None, int]
) -> dict[str, Any]:
    """Return figures of the mined benchmark that are asked for by its settings."""
    told: dict[str, Any] = {}
    if config.proposes:
        sources = Counter(row.source for row in mined)
        told["sources"] = {source: count // 2 for source, count in sorted(sources.items())}
        told["balance"] = balance(mined)._asdict()
    if config.proposes or config.pairs_per_pattern is not None:
        told["patterns"] = {name or "none": count for name, count in patterns.items()}
    if config.pairs_per_pattern is not None:
        short = short_of(patterns, config.pairs_per_pattern)
        told["short"] = short
        if short:
            lacks = ", ".join(f"{count} of {name}" for name, count in short.items())
            log.warning(
                "short of %s; select more pairs (--benchmark-pairs), or have more questions "
                "proposed about each (--candidates)",
                lacks,
            )
    return told


def short_of(patterns: Mapping[str | None, int], wanted: int) -> dict[str, int]:
    """Return how many pairs each of the nine patterns lacks; those that lack none are left out."""
    counts = {name: wanted - patterns.get(name, 0) for name in PATTERNS.values()}
    return {name: count for name, count in counts.items() if count > 0}


def look(context: Context) -> Receipts | None:
    """Measure the receipt `questions` of the mining."""
    mining = context.facts["mining"]
    version = context.db.version(questions.SPEC)
    keys = [
        f"{row.benchmark} {row.question_id} {row.pattern} {row.attribute} {row.statement}"
        for row in questions.read(context.db, mining, version=version)
    ]
    named = digest_rows([context.made_by, mining], keys)
    receipt = Receipt(table=questions.SPEC.name, version=version, rows=len(keys), digest=named)
    return {"questions": receipt}


STAGE = Stage(name=NAME, module=__name__, reads=("pairs",), run=run, look=look)
