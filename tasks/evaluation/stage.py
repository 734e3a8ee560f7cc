"""The stage `evaluate`: every model asked every question it was not asked before, and scored.

Put here: who is asked what, which answers are missing, the receipts of answers and scores.
Keep out: the ways to ask (`language`, `contrast`) and scores (`scoring`), beside this file.

An answer is named by the whole request: weights, protocol, code, words, picture. What was asked in
the same words before is not asked again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from storage import answers, comparisons, embeddings, models, paths, questions, scores
from storage.answers import AnswerRow
from storage.models import ModelRow
from storage.questions import QuestionRow
from storage.receipts import Receipt, digest_rows
from tasks.embed import EmbedConfig, identify_encoders
from tasks.encoders import EncoderConfig, EncoderIdentity, has_texts, load_texts
from tasks.evaluation.asking import FREE, MMVP_VLM, OPTION_LOGPROB, Asked, Reply, request_of
from tasks.evaluation.contrast import contrast
from tasks.evaluation.jobs import Sitting, ask_models
from tasks.evaluation.places import find_model
from tasks.evaluation.scoring import Candidate, score_all
from tasks.fingerprints import code_digest, library_versions
from tasks.progress import Progress
from tasks.shards import record
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by
from tasks.training.recipe import roles_of
from tasks.workers import cut

NAME = "evaluate"
LANGUAGE = "tasks.evaluation.language"
LOCAL = "tasks.evaluation.local"
CONTRAST = "tasks.evaluation.contrast"
CLIP_ROLES: Mapping[str, str | None] = {"clip": None, "control": "clip-control"}
"""Encoders that are asked by their text towers, and what their scores call their features."""


class EvaluateConfig(BaseModel):
    """How language models are asked; CLIPs are asked by the rule of MMVP-VLM."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    protocols: tuple[Literal["option-logprob", "free"], ...] = (OPTION_LOGPROB, FREE)
    """option-logprob: the likelier option. free: the model's own words."""

    models: tuple[str, ...] = ()
    """Other multimodal models to ask, by folder or by their name on the hub."""

    trust_remote_code: bool = False
    """Run code that comes with these models."""


class Plan(NamedTuple):
    """Who is asked, about what, with which encoders."""

    questions: Sequence[QuestionRow]
    candidates: Sequence[Candidate]
    requests: Mapping[answers.AnswerName, str]
    encoders: EmbedConfig
    identities: Mapping[str, EncoderIdentity]
    corpora: Sequence[str]


def prepare(
    site: Site,
    config: EvaluateConfig,
    encoders: EmbedConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    mining: str,
    trained: Sequence[str],
) -> Context:
    """List the models, of which `trained` were trained here, and fingerprint all requests.

    Raises:
        ValueError: if an encoder cannot be had, or a model was trained on another's tokens.
    """
    found = identify_encoders(site, encoders)
    asked = questions.read(site.db, mining, version=inputs["questions"].version)
    candidates = _clips(encoders, found)
    for row in models.read(site.db, trained):
        _check_encoders(row, found)
        folder = None if row.facts["encoders"] else site.home / row.folder
        candidates += [
            Candidate(row.model, p, row.features, row.weights, row, folder)
            for p in config.protocols
        ]
    candidates += _others(config, site.home / "cache" / "weights.json")
    requests = _requests(asked, candidates)
    return Context(
        site=site,
        config=config,
        facts={
            "mining": mining,
            "config": config.model_dump(mode="json"),
            "candidates": [[one.model, one.protocol] for one in candidates],
            "weights": [one.weights for one in candidates],
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=Plan(asked, candidates, requests, encoders, found, corpora),
    )


def _clips(encoders: EmbedConfig, found: Mapping[str, EncoderIdentity]) -> list[Candidate]:
    clips: dict[str, Candidate] = {}
    for role, features in CLIP_ROLES.items():
        if role in found and has_texts(encoders.roles()[role]):
            name = found[role].name  # an encoder that plays both roles is asked once
            clips.setdefault(name, Candidate(name, MMVP_VLM, features, found[role].fingerprint))
    return list(clips.values())


def _others(config: EvaluateConfig, hash_cache: Path) -> list[Candidate]:
    trust = config.trust_remote_code
    found = [find_model(p, trust_remote_code=trust, hash_cache=hash_cache) for p in config.models]
    return [
        Candidate(one.name, protocol, None, one.weights, folder=one.folder)
        for one in dict.fromkeys(found)
        for protocol in config.protocols
    ]


def _check_encoders(row: ModelRow, found: Mapping[str, EncoderIdentity]) -> None:
    for role, name in row.facts["encoders"].items():
        here = found[role].name if role in found else None
        if here != name:
            message = (
                f"model {row.model!r} was trained on tokens of the {role} encoder {name!r}, found "
                f"{here!r}; give the encoders and device of its training, or run `mmvp train`"
            )
            raise ValueError(message)


def _requests(
    asked: Sequence[QuestionRow],
    candidates: Sequence[Candidate],
) -> dict[answers.AnswerName, str]:
    """Return the fingerprint of all that each model is asked."""
    pairs = _by_pair(asked)
    code = {
        module: f"{code_digest(module)} {library_versions(module)}"
        for module in (LANGUAGE, LOCAL, CONTRAST)
    }
    requests = {}
    content: Any
    for one in candidates:
        for pair in pairs.values():
            for own in pair:
                if one.protocol == MMVP_VLM:
                    content = sorted([other.image, other.statement or ""] for other in pair)
                    module = CONTRAST
                else:
                    content = [own.image, own.question, list(own.options)]
                    module = LOCAL if one.folder else LANGUAGE
                name = answers.AnswerName(own.question_id, one.model, one.protocol)
                requests[name] = request_of(
                    one.weights, one.protocol, code[module], own.image, content
                )
    return requests


def _by_pair(asked: Sequence[QuestionRow]) -> dict[tuple[str, str, str], list[QuestionRow]]:
    pairs: dict[tuple[str, str, str], list[QuestionRow]] = defaultdict(list)
    for row in asked:
        pairs[row.benchmark, row.pair_id, row.attribute].append(row)
    return pairs


def run(context: Context) -> Outcome:
    """Ask what was not asked before, then score every model on every benchmark."""
    plan: Plan = context.given
    db = context.db
    asked_before = answers.requests(db, sorted({one.model for one in plan.candidates}))
    missing = {name for name, request in plan.requests.items() if asked_before.get(name) != request}
    _ask_clips(context, missing)
    _ask_language_models(context, missing)
    mining = context.facts["mining"]
    rows, compared = score_all(db, mining, plan.questions, plan.candidates)
    scores.replace(db, mining, rows)
    comparisons.replace(db, mining, compared)
    overall = [row for row in rows if row.pattern is None]
    return Outcome(
        new=len(missing),
        rows=len(plan.requests),
        reasons={"unread": sum(row.unread for row in overall)},
        figures={"scores": len(rows), "models": len({one.model for one in plan.candidates})},
    )


def _ask_clips(context: Context, missing: set[answers.AnswerName]) -> None:
    plan: Plan = context.given
    for role in CLIP_ROLES:
        if role not in plan.identities:
            continue
        name = plan.identities[role].name
        todo = [
            pair
            for pair in _by_pair(plan.questions).values()
            if any((row.question_id, name, MMVP_VLM) in missing for row in pair)
        ]
        if todo:
            replies = _contrast(context, role, todo)
            _store(context, name, MMVP_VLM, replies)


def _contrast(context: Context, role: str, todo: Sequence[Sequence[QuestionRow]]) -> list[Reply]:
    plan: Plan = context.given
    encoder: EncoderConfig = plan.encoders.roles()[role]
    rows = [row for pair in todo for row in pair]
    statements = sorted({row.statement for row in rows if row.statement is not None})
    towers = load_texts(encoder, device=context.site.workers.config.device_kind())
    texts = dict(zip(statements, towers.embed(statements), strict=True))
    receipt = context.inputs[role]
    wanted = sorted({row.image for row in rows})
    ids, vectors_ND = embeddings.read(
        context.db, plan.identities[role].name, wanted, version=receipt.version
    )
    wide_ND = vectors_ND.astype(np.float64)  # a unit vector that is rounded is none any more
    wide_ND /= np.linalg.norm(wide_ND, axis=1, keepdims=True)
    images = dict(zip(ids, wide_ND, strict=True))
    return [reply for pair in todo for reply in contrast(pair, images, texts)]


def _ask_language_models(context: Context, missing: set[answers.AnswerName]) -> None:
    plan: Plan = context.given
    site = context.site
    held = paths.images(context.db, plan.corpora, version=context.inputs["paths"].version)
    names = {role: identity.name for role, identity in plan.identities.items()}
    sittings = []
    for one in plan.candidates:
        if one.protocol == MMVP_VLM:
            continue
        todo = {
            row.question_id: Asked(
                row.question_id, row.image, held[row.image], row.question, row.options
            )
            for row in plan.questions
            if (row.question_id, one.model, one.protocol) in missing
        }
        if todo:
            roles = () if one.folder else roles_of(str(one.features))
            sittings.append(
                Sitting(
                    key=f"{one.model} {one.protocol}",
                    model=one.model,
                    folder=one.folder or site.home / "models" / one.model,
                    protocol=one.protocol,
                    questions=[todo[question] for question in sorted(todo)],
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
            _store(context, answered.model, answered.protocol, answered.replies)
        record(context.db, NAME, done)
        progress.add(len(done.shard.items))


def _store(context: Context, model: str, protocol: str, replies: Sequence[Reply]) -> None:
    plan: Plan = context.given
    rows = [
        AnswerRow(
            question_id=reply.question_id,
            model=model,
            protocol=protocol,
            request=plan.requests[answers.AnswerName(reply.question_id, model, protocol)],
            response=reply.response,
            choice=reply.choice,
            scores=reply.scores,
            failure=None,
        )
        for reply in replies
    ]
    answers.upsert(context.db, rows)


def look(context: Context) -> Receipts | None:
    """Measure the receipts of all three tables; None when an answer is missing."""
    plan: Plan = context.given
    db, mining = context.db, context.facts["mining"]
    version = db.version(answers.SPEC)
    given = answers.requests(db, sorted({one.model for one in plan.candidates}))
    if any(given.get(name) != request for name, request in plan.requests.items()):
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
