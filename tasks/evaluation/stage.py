"""The stage `evaluate`: every model asked every question it was not asked before, and scored.

Put here: which answers are missing, asking for them, the receipts of answers and scores.
Keep out: who is asked (`candidates`), the requests (`requests`), the ways to ask (`language`,
`local`, `remote`, `contrast`) and scores (`scoring`), beside this file.

An answer is named by the whole request: weights, protocol, code, words, picture. What was asked in
the same words before is not asked again. A call that failed is recorded as such and made again by
the next run; a model that lacks answers gets no score unless that is asked for.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from storage import answers, comparisons, models, paths, questions, scores, zoo
from storage.answers import AnswerName, AnswerRow
from storage.database import Database
from storage.questions import QuestionRow
from storage.receipts import Receipt, digest_rows
from tasks import plugins
from tasks.backends import Ledger
from tasks.embed import EmbedConfig, identify_encoders
from tasks.encoders import EncoderConfig, EncoderIdentity, load_texts
from tasks.evaluation.asking import MMVP_VLM, Reply
from tasks.evaluation.candidates import (
    CLIP_ROLES,
    Candidate,
    EvaluateConfig,
    clips,
    others,
    trained_here,
)
from tasks.evaluation.contrast import contrast, said
from tasks.evaluation.given import came_in_file
from tasks.evaluation.journal import ANSWERS, Journal
from tasks.evaluation.matching import image_vectors
from tasks.evaluation.remote import ask_server
from tasks.evaluation.requests import ToAsk, by_pair, fingerprints, list_asked
from tasks.evaluation.scoring import score_all
from tasks.people import PEOPLE
from tasks.progress import Progress
from tasks.shards import record
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by
from tasks.training.recipe import roles_of
from tasks.workers import cut

log = logging.getLogger(__name__)

NAME: Final = "evaluate"
FAILED: Final = "failed"
_SHOWN: Final = 3

ToDo = dict[tuple[str, str], list[ToAsk]]
"""What is still to be asked, by model and way; CLIPs are asked by pair and are not among them."""


class Plan(NamedTuple):
    """Who is asked, about what, with which encoders."""

    questions: Sequence[QuestionRow]
    candidates: Sequence[Candidate]
    asked: Mapping[AnswerName, ToAsk]
    requests: Mapping[AnswerName, str]
    encoders: EmbedConfig
    identities: Mapping[str, EncoderIdentity]


def prepare(  # noqa: PLR0913 # all of it names what is asked
    site: Site,
    config: EvaluateConfig,
    encoders: EmbedConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    mining: str,
    trained: Sequence[str],
    *,
    published: bool = False,
) -> Context:
    """List the models, of which `trained` were trained here, and fingerprint all requests.

    Of a `published` benchmark models that were asked by earlier runs keep their scores.

    Raises:
        ValueError: if an encoder or a model cannot be had, a model was trained on another's
            tokens, or a server cannot be asked in a way.
    """
    found = identify_encoders(site, encoders)
    asked = questions.read(site.db, mining, version=inputs["questions"].version)
    candidates: list[Candidate] = []
    if any(row.statement for row in asked):
        device, cache = site.workers.config.device_kind(), site.home / "cache" / "weights.json"
        candidates += clips(encoders, found, device, cache)
    candidates += trained_here(config, models.read(site.db, trained), found, site.home)
    candidates += others(config, site.home / "cache" / "weights.json", published=published)
    held = paths.images(site.db, corpora, version=inputs["paths"].version)
    to_ask = list_asked(asked, candidates, held)
    return Context(
        site=site,
        config=config,
        facts={
            "mining": mining,
            "published": published,
            "config": config.model_dump(mode="json"),
            "candidates": [[one.model, one.way] for one in candidates],
            "weights": [one.weights for one in candidates],
            "plugins": plugins.installed(),
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=Plan(
            asked,
            candidates,
            to_ask,
            fingerprints(asked, candidates, to_ask),
            encoders,
            found,
        ),
        refresh=_has_failed(site, candidates),
    )


def _has_failed(site: Site, candidates: Sequence[Candidate]) -> bool:
    names = sorted({one.model for one in candidates if one.server})
    rows = answers.read(site.db, models=names) if names else []
    return any(row.failure for row in rows)


def run(context: Context) -> Outcome:
    """Ask what was not asked before, then score every model on every benchmark.

    Raises:
        ValueError: if calls have failed; all that is complete is scored before.
    """
    plan: Plan = context.given
    db = context.db
    journal = Journal(context.site.home, ANSWERS)
    if kept := journal.move_to(db):
        log.info("%s answers of a run that was stopped are kept", f"{kept:,}")
    missing = _missing(context)
    todo = _todo(plan, missing)
    _ask_clips(context, missing)
    _ask_language_models(context, todo)
    ledger = context.config.ledger()
    try:
        _ask_servers(context, todo, journal, ledger)
    finally:
        journal.move_to(db)
    reread(db, plan.asked)
    failed = _failed(context)
    _score(context, failed)
    if failed and not context.config.allow_incomplete:
        raise ValueError(_incomplete(plan, failed))
    asked = _names(plan.candidates)
    overall = [
        row
        for row in scores.read(db, context.facts["mining"])
        if row.pattern is None and (row.model, row.protocol) in asked
    ]
    unread = {(r.benchmark, r.model, r.protocol): r.unread for r in overall}
    return Outcome(
        new=len(missing),
        rows=len(plan.requests),
        reasons={"unread": sum(unread.values())} | ({FAILED: len(failed)} if failed else {}),
        figures={
            "scores": len(overall),
            "models": len({one.model for one in plan.candidates}),
            "spent": ledger.as_json(),
        },
    )


def _missing(context: Context) -> set[AnswerName]:
    plan: Plan = context.given
    before = answers.requests(context.db, sorted({one.model for one in plan.candidates}))
    return {name for name, request in plan.requests.items() if before.get(name) != request}


def _failed(context: Context) -> dict[AnswerName, str]:
    """Return the requests without an answer, and why."""
    lacking = _missing(context)
    rows = answers.read(context.db, models=sorted({name.model for name in lacking}))
    why = {row.name: row.failure for row in rows if row.failure}
    return {name: why.get(name, "not asked") for name in sorted(lacking)}


def _incomplete(plan: Plan, failed: Mapping[AnswerName, str]) -> str:
    models = Counter((name.model, name.protocol) for name in failed)
    shown = "; ".join(dict.fromkeys(list(failed.values())[:_SHOWN]))
    counts = ", ".join(f"{n:,} of {model} by {way}" for (model, way), n in models.items())
    own = ", with --own-decoding if a model takes no temperature" if "temperature" in shown else ""
    return (
        f"{len(failed):,} of {len(plan.requests):,} questions have no answer ({counts}): {shown}; "
        f"run again to ask only these{own}, or score without them with --allow-incomplete"
    )


def reread(db: Database, asked: Mapping[AnswerName, ToAsk]) -> None:
    """Read replies that are in the store by the parsers of today."""
    models = sorted({name.model for name in asked})
    changed = []
    for row in answers.read(db, models=models) if models else ():
        to_ask = asked.get(row.name)
        if to_ask is None or row.failure is not None:
            continue
        choice = to_ask.way.reads(to_ask.question, row.response)
        if choice != row.choice:
            changed.append(replace(row, choice=choice))
    if changed:
        answers.upsert(db, changed)


def _names(candidates: Sequence[Candidate]) -> set[tuple[str, str]]:
    return {(one.model, one.way) for one in candidates}


def _score(context: Context, failed: Mapping[AnswerName, str]) -> None:
    """Score all models that have all their answers, or all if incomplete ones are wanted."""
    plan: Plan = context.given
    db, mining = context.db, context.facts["mining"]
    given = answers.read(db, question_ids={row.question_id for row in plan.questions})
    out = set() if context.config.allow_incomplete else {(n.model, n.protocol) for n in failed}
    candidates = [one for one in plan.candidates if (one.model, one.way) not in out]
    choices = {row.name: row.choice for row in given}
    ours, published = _names(plan.candidates), context.facts["published"]
    others = [
        row
        for row in given
        if (row.model, row.protocol) not in ours and _counts(row, published=published)
    ]
    rows, compared = score_all(mining, plan.questions, candidates, choices, others)
    if published:
        scores.upsert(db, rows)
    else:
        own, matched = {(row.model, row.protocol) for row in rows}, zoo.models(db, mining)
        before = [row for row in scores.read(db, mining) if row.model in matched]
        kept = [row for row in before if (row.model, row.protocol) not in own]
        scores.replace(db, mining, [*rows, *kept])
    comparisons.replace(db, mining, compared)


def _counts(row: AnswerRow, *, published: bool) -> bool:
    """Say whether an answer of whom no candidate is counts.

    That of a person or of a file does; that of a model does on a published benchmark.
    """
    if row.protocol == PEOPLE or came_in_file(row):
        return True
    return published and row.failure is None


def _ask_clips(context: Context, missing: set[answers.AnswerName]) -> None:
    plan: Plan = context.given
    for role in CLIP_ROLES:
        if role not in plan.identities:
            continue
        name = plan.identities[role].name
        todo = [
            pair
            for pair in by_pair(plan.questions).values()
            if any((row.question_id, name, MMVP_VLM) in missing for row in pair)
        ]
        if todo:
            replies = _contrast(context, role, todo)
            _store(context, name, MMVP_VLM, replies)


def _contrast(context: Context, role: str, todo: Sequence[Sequence[QuestionRow]]) -> list[Reply]:
    plan: Plan = context.given
    encoder: EncoderConfig = plan.encoders.roles()[role]
    rows = [row for pair in todo for row in pair]
    prompts = sorted({said(row) for row in rows})
    towers = load_texts(encoder, device=context.site.workers.config.device_kind())
    texts = dict(zip(prompts, towers.embed(prompts), strict=True))
    images = image_vectors(context.db, context.inputs[role], {row.image for row in rows})
    return [reply for pair in todo for reply in contrast(pair, images, texts)]


def _todo(plan: Plan, missing: set[AnswerName]) -> ToDo:
    todo: ToDo = defaultdict(list)
    for name in sorted(missing & plan.asked.keys()):
        todo[name.model, name.protocol].append(plan.asked[name])
    return todo


def _ask_language_models(context: Context, todo: ToDo) -> None:
    from tasks.evaluation.jobs import Sitting, ask_models

    plan: Plan = context.given
    site = context.site
    names = {role: identity.name for role, identity in plan.identities.items()}
    sittings = []
    for one in plan.candidates:
        mine = todo.get((one.model, one.way))
        if not mine or one.server:
            continue
        roles = () if one.folder else roles_of(str(one.features))
        sittings.append(
            Sitting(
                key=f"{one.model} {one.way}",
                model=one.model,
                folder=one.folder or site.home / "models" / one.model,
                way=one.way,
                manner=mine[0].way.manner,
                questions=[each.asked for each in mine],
                encoders={role: plan.encoders.roles()[role] for role in roles},
                names={role: names[role] for role in roles},
                trust_remote_code=context.config.trust_remote_code and one.row is None,
            )
        )
    progress = Progress(NAME, len(sittings), "sittings")
    ask = partial(ask_models, device=site.workers.config.device_kind())
    for done in site.workers.run(ask, cut(sittings, 1)):
        if done.value is None:
            message = f"asking {done.shard.items[0].key} took down every worker; is memory short?"
            raise RuntimeError(message)
        for answered in done.value:
            _store(context, answered.model, answered.way, answered.replies)
        record(context.db, NAME, done)
        progress.add(len(done.shard.items))


def _ask_servers(context: Context, todo: ToDo, journal: Journal[AnswerRow], ledger: Ledger) -> None:
    plan: Plan = context.given
    config: EvaluateConfig = context.config
    with journal:
        for server in dict.fromkeys(one.server for one in plan.candidates if one.server):
            ways = [(one.model, one.way) for one in plan.candidates if one.server == server]
            mine = [each for way in ways for each in todo.get(way, ())]
            if mine:
                ask_server(
                    server,
                    mine,
                    journal,
                    ledger=ledger,
                    timeout_s=config.timeout_s,
                    at_once=config.at_once,
                )


def _store(context: Context, model: str, way: str, replies: Sequence[Reply]) -> None:
    plan: Plan = context.given
    rows = []
    for reply in replies:
        name = AnswerName(reply.question_id, model, way)
        choice = reply.choice
        if choice is None:
            choice = plan.asked[name].way.reads(plan.asked[name].question, reply.response)
        rows.append(
            AnswerRow(
                **name._asdict(),
                request=plan.requests[name],
                response=reply.response,
                choice=choice,
                scores=reply.scores,
                failure=None,
            )
        )
    answers.upsert(context.db, rows)


def look(context: Context) -> Receipts | None:
    """Measure the receipts of all three tables; None when an answer is missing."""
    plan: Plan = context.given
    db, mining = context.db, context.facts["mining"]
    version = db.version(answers.SPEC)
    if not context.config.allow_incomplete and _missing(context):
        return None
    keys = [" ".join([*name, plan.requests[name]]) for name in sorted(plan.requests)]
    receipts = {"answers": (answers.SPEC.name, version, keys)}
    for table, rows in (
        (scores, scores.read(db, mining)),
        (comparisons, comparisons.read(db, mining)),
    ):
        receipts[table.SPEC.name] = (
            table.SPEC.name,
            db.version(table.SPEC),
            [repr(row) for row in rows],
        )
    return {
        name: Receipt(
            table=table,
            version=version,
            rows=len(keys),
            digest=digest_rows([context.made_by, mining], keys),
        )
        for name, (table, version, keys) in receipts.items()
    }


STAGE = Stage(name=NAME, module=__name__, reads=("questions",), run=run, look=look)
