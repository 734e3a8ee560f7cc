"""The stage `questions`: two questions for each selected pair, and for pairs drawn by lot.

Put here: which pairs are asked about, whose question is taken, the receipt of their questions.
Keep out: wordings (`wording`), drawing pairs (`writing`), what is proposed (`proposing`), what
checks make of it (`checking`) and what is taken (`taking`), beside this file.

Three benchmarks are written. `mined` asks about the selected CLIP-blind pairs. `random` asks the
same kinds of question about pairs that no encoder chose, so that blindness by selection can be told
from blindness. `captioned` asks about what captions name: the general ability. The last two are
written from metadata alone.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from storage import assignments, paths, questions, refused
from storage.pairs import PairRow
from storage.proposals import ProposalRow
from storage.questions import CAPTIONED, MINED, RANDOM
from storage.receipts import Receipt, digest_rows
from tasks.attributes import Knowledge, know
from tasks.checks.balance import balance
from tasks.checks.policy import rule
from tasks.discovery.assigning import agreed
from tasks.evaluation.replies import Call, known
from tasks.fingerprints import digest
from tasks.proposals.stating import (
    lacks_statements,
    read_statements,
    state_by_rule,
    state_request,
)
from tasks.questions.config import METADATA, QuestionConfig
from tasks.questions.offers import candidates, findings_of, offered, source_of
from tasks.questions.taking import BY_RULE, FULL, UNPROPOSED, Offer, Offered, Taken, take
from tasks.questions.writing import asked_attributes, draw_pairs, write_pair, write_proposed
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

log = logging.getLogger(__name__)

NAME: Final = "questions"
ALIKE: Final = "answers-read-alike"
REFUSED: Final = "proposals-refused"
UNCHECKED: Final = "proposals-unchecked"

REASONS: Final[Mapping[str, str]] = {
    ALIKE: "the two images' answers to the question are the same words",
    UNPROPOSED: "no question was proposed about the pair",
    REFUSED: "no question that was proposed about the pair passed the checks",
    UNCHECKED: "a question was proposed about the pair, and not all checks of it were made yet",
    FULL: "the benchmark needs no more pairs of the question's pattern",
    BY_RULE: "nobody stated the answers, so a statement is the question with its answer",
}


class Plan(NamedTuple):
    """What the corpus knows, and what is offered about each pair, preferred first."""

    known: Knowledge
    offered: Offered


def prepare(
    site: Site, config: QuestionConfig, corpora: Sequence[str], inputs: Receipts, mining: str
) -> Context:
    """Gather what metadata tells of images that have vectors, and what is offered about pairs."""
    version = inputs["paths"].version
    lacking = {row.path for row in refused.read(site.db, "embed", corpora)}
    held = paths.images(site.db, corpora, version=version) if lacking else {}
    gone = {image for image, files in held.items() if lacking.issuperset(files)}
    metadata = paths.metadata(site.db, corpora, version=version)
    known = know({image: told for image, told in metadata.items() if image not in gone})
    offering = _Offers(site, config, mining, known)
    by_source, version = offering.by_source, inputs["pairs"].version
    found = candidates(site.db, mining, config, by_source, version=version)
    written = {row.pair_id for row in found.written}
    extra = {row.pair_id for row in found.extra} - written
    offers = {
        pair.pair_id: list(offering.about(pair, told=pair.pair_id not in written))
        for pair in found.all()
    }
    settings = config.model_dump(
        mode="json", include={"lot_pairs", "by", "pairs_per_pattern", "extra_pairs"}
    )
    proposed = [[p, repr(offer)] for p, made in offers.items() for offer in made]
    return Context(
        site=site,
        config=config,
        facts={
            "mining": mining,
            "config": settings,
            "knowledge": known.digest(),
            "proposed": digest(proposed) if config.proposes else None,
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=Plan(known, Offered(offers, {row.pair_id for row in found.selected}, extra)),
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

    def about(self, pair: PairRow, *, told: bool) -> Iterator[Offer]:
        """Yield what is offered about a pair, the preferred first; what is `told` of it, or not."""
        images = (pair.image_a, pair.image_b)
        for source in self.config.by:
            if source != METADATA:
                for row in self.by_source[source].get(pair.pair_id, ()):
                    yield self._proposed(row)
            elif told:
                for name in self._attributes(pair):
                    made = write_pair(self.found, name, images, mining=self.mining, benchmark=MINED)
                    yield Offer(made, refused=None if made else ALIKE)

    def _attributes(self, pair: PairRow) -> Sequence[str]:
        """Return what a pair may be asked about: if selected what it was selected for."""
        if pair.selected:
            return [pair.attribute] if pair.attribute is not None else []
        return self.found.differences(pair.image_a, pair.image_b)

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
    taken = take(plan.offered, config)
    rows, reasons = list(taken.rows), taken.reasons.copy()
    asked = Counter({MINED: taken.patterns.total()})
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
            **_told_of(config, taken),
        },
    )


def _told_of(config: QuestionConfig, taken: Taken) -> dict[str, Any]:
    """Return figures of the mined benchmark that are asked for by its settings."""
    told: dict[str, Any] = {}
    if config.proposes:
        sources = Counter(row.source for row in taken.rows)
        told["sources"] = {source: count // 2 for source, count in sorted(sources.items())}
        told["balance"] = balance(taken.rows)._asdict()
    if config.proposes or config.pairs_per_pattern is not None:
        told["patterns"] = {name or "none": count for name, count in taken.patterns.items()}
    if config.pairs_per_pattern is not None:
        told["short"] = taken.short
    elif config.extra_pairs:
        told["lacking"] = taken.lacking
    if taken.lacking and (config.pairs_per_pattern or config.extra_pairs):
        lacks = ", ".join(f"{count} of {name}" for name, count in taken.short.items())
        log.warning(
            "short of %s; mine more images, look at more pairs (--extra-pairs), or have more "
            "questions proposed about each (--candidates)",
            lacks or f"{taken.lacking} pairs",
        )
    return told


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
