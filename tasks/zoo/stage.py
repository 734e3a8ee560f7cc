"""The stage `zoo`: one dual encoder scored on a benchmark's statements, and measured.

Put here: what is missing of an encoder's answers, its scores, its row of the table `zoo`, receipts.
Keep out: which encoders (`listing`), texts on workers (`jobs`), ImageNet (`imagenet`), beside this
file; the rules (`tasks.evaluation.contrast`); images (`tasks.embed`).

An answer is named by the whole request, as in the stage `evaluate`, so none is made twice.

Shapes:
    N  images    D  width of a vector
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import answers, embeddings, scores, zoo
from storage.answers import AnswerName, AnswerRow
from storage.embeddings import PREFIX
from storage.questions import QuestionRow
from storage.receipts import Receipt, digest_rows
from storage.zoo import MEASURED, ZooRow
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig, EncoderIdentity, count_parameters, identify_texts
from tasks.evaluation.asking import CONTRASTS
from tasks.evaluation.candidates import Candidate
from tasks.evaluation.contrast import contrasts, said
from tasks.evaluation.matching import image_vectors
from tasks.evaluation.requests import by_pair, fingerprints
from tasks.evaluation.scoring import score_all
from tasks.fingerprints import digest
from tasks.published import published_imagenet
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by
from tasks.zoo.imagenet import LabelledImages, ZeroShot, nearest, zero_shot
from tasks.zoo.jobs import TextJob, TextVectors, embed_texts
from tasks.zoo.listing import ZooEntry

NAME: Final = "zoo"
ROLE: Final = "clip"
IMAGENET: Final = "imagenet"
NO_STATEMENT: Final = "no-statement"


class OneEncoder(EmbedConfig):
    """A single encoder, to embed images with."""

    def roles(self) -> Mapping[str, EncoderConfig]:
        """Return the encoder."""
        return {ROLE: self.clip}


class Plan(NamedTuple):
    """An encoder, the questions it is asked and their requests, and images by class if any."""

    entry: ZooEntry
    identity: EncoderIdentity
    questions: Sequence[QuestionRow]
    left_out: int
    candidates: Sequence[Candidate]
    requests: Mapping[AnswerName, str]
    labelled: LabelledImages | None


def asked_of(rows: Sequence[QuestionRow]) -> list[QuestionRow]:
    """Return the questions of the pairs that have both statements."""
    pairs = by_pair(rows).values()
    return [row for pair in pairs if all(r.statement is not None for r in pair) for row in pair]


def name(site: Site, entry: ZooEntry) -> EncoderIdentity:
    """Name an encoder with its text tower.

    Raises:
        ValueError: if either cannot be had.
    """
    return identify_texts(
        entry.encoder,
        device=site.workers.config.device_kind(),
        hash_cache=site.home / "cache" / "weights.json",
    )


def prepare(  # all of it names what is asked
    site: Site,
    entry: ZooEntry,
    identity: EncoderIdentity,
    mining: str,
    rows: Sequence[QuestionRow],
    inputs: Receipts,
    labelled: LabelledImages | None,
) -> Context:
    """Name all that an encoder is asked; `inputs` has the receipts of its vectors."""
    asked = asked_of(rows)
    candidates = [Candidate(identity.name, way, None, identity.fingerprint) for way in CONTRASTS]
    requests = fingerprints(asked, candidates, {})
    return Context(
        site=site,
        config=entry,
        facts={
            "mining": mining,
            "entry": entry.key,
            "name": entry.label,
            "encoder": identity.fingerprint,
            "requests": digest(sorted([*name, request] for name, request in requests.items())),
            "imagenet": _published(entry) if labelled is None else labelled.digest,
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=Plan(entry, identity, asked, len(rows) - len(asked), candidates, requests, labelled),
    )


def run(context: Context) -> Outcome:
    """Match the statements that were not matched before, score them, and write the row.

    Raises:
        ValueError: if an image of the benchmark has no vector, or texts cannot be embedded.
    """
    plan: Plan = context.given
    missing = _missing(context)
    texts = _texts(context, missing)
    if missing:
        _match(context, missing, texts)
    _score(context)
    measured = _measure(context, texts) if plan.labelled else None
    zoo.upsert(context.db, [_row(context, measured)])
    return Outcome(
        new=len(missing),
        rows=len(plan.requests),
        reasons={NO_STATEMENT: plan.left_out} if plan.left_out else {},
        figures={"model": plan.identity.name},
    )


def _missing(context: Context) -> set[AnswerName]:
    plan: Plan = context.given
    before = answers.requests(context.db, [plan.identity.name])
    return {name for name, request in plan.requests.items() if before.get(name) != request}


def _texts(context: Context, missing: set[AnswerName]) -> TextVectors:
    plan: Plan = context.given
    job = TextJob(
        key=plan.entry.label,
        encoder=plan.entry.encoder,
        fingerprint=plan.identity.fingerprint,
        statements=sorted({said(row) for row in plan.questions}) if missing else [],
        classes=plan.labelled.prompts if plan.labelled else [],
    )
    if not (job.statements or job.classes):
        return TextVectors(np.zeros((0, 0), np.float32), np.zeros((0, 0)))
    workers = context.site.workers
    embed = partial(embed_texts, device=workers.config.device_kind())
    (done,) = workers.run(embed, [[job]])
    if done.value is None:
        message = f"the text tower of {job.key} took down every worker; is memory short?"
        raise ValueError(message)
    return done.value[0]


def _match(context: Context, missing: set[AnswerName], texts: TextVectors) -> None:
    plan: Plan = context.given
    by_text = dict(
        zip(sorted({said(row) for row in plan.questions}), texts.statements_SD, strict=True)
    )
    wanted = {row.image for row in plan.questions}
    images = image_vectors(context.db, context.inputs[ROLE], wanted)
    if lacking := wanted - images.keys():
        message = (
            f"{len(lacking)} of {len(wanted)} images of the benchmark have no vector of "
            f"{plan.entry.label}; `mmvp show refused` says why"
        )
        raise ValueError(message)
    rows = [
        AnswerRow(
            **name._asdict(),
            request=plan.requests[name],
            response=reply.response,
            choice=reply.choice,
            scores=reply.scores,
            failure=None,
        )
        for pair in by_pair(plan.questions).values()
        for way, replies in contrasts(pair, images, by_text).items()
        for reply in replies
        if (name := AnswerName(reply.question_id, plan.identity.name, way)) in missing
    ]
    answers.upsert(context.db, rows)


def _score(context: Context) -> None:
    plan: Plan = context.given
    mining, model = context.facts["mining"], plan.identity.name
    given = answers.read(context.db, models=[model])
    choices = {row.name: row.choice for row in given}
    known = {row.features for row in scores.read(context.db, mining) if row.model == model}
    features = next(iter(known - {None}), None)  # what evaluate calls it
    candidates = [one._replace(features=features) for one in plan.candidates]
    rows, _ = score_all(mining, plan.questions, candidates, choices)
    scores.upsert(context.db, rows)


def _measure(context: Context, texts: TextVectors) -> ZeroShot:
    labelled: LabelledImages = context.given.labelled
    receipt = context.inputs[IMAGENET]
    name = receipt.table.removeprefix(PREFIX)
    wanted = sorted({image for image, _ in labelled.samples})
    ids, vectors_ND = embeddings.read(context.db, name, wanted, version=receipt.version)
    taken_N: NDArray[np.int64] = nearest(vectors_ND, texts.classes_CD)
    return zero_shot(dict(zip(ids, taken_N.tolist(), strict=True)), labelled.samples)


def _row(context: Context, measured: ZeroShot | None) -> ZooRow:
    plan: Plan = context.given
    encoder = plan.entry.encoder
    counted = count_parameters(encoder)
    values: dict[str, Any] = {}
    if counted is not None:
        values = {
            "image_parameters": counted.image,
            "text_parameters": counted.text,
            "parameters": counted.total,
        }
    if measured is not None:
        values |= {
            "imagenet": measured.accuracy,
            "imagenet_low": measured.low,
            "imagenet_high": measured.high,
            "imagenet_images": measured.images,
            "imagenet_source": MEASURED,
        }
    elif plan.labelled is None and (published := _published(plan.entry)):
        values |= {"imagenet": published[0], "imagenet_source": published[1]}
    return ZooRow(
        mining=context.facts["mining"],
        entry=plan.entry.key,
        name=plan.entry.label,
        spec=encoder.spec,
        model=plan.identity.name,
        image_px=plan.identity.facts["image_px"],
        **values,
    )


def _published(entry: ZooEntry) -> tuple[float, str] | None:
    """Return the published accuracy on ImageNet and its source; of the model's own size only."""
    row = published_imagenet(entry.encoder.spec) if entry.encoder.image_px is None else None
    return None if row is None else (row.top1 / 100, row.source)


def refusal(mining: str, entry: ZooEntry, reason: str) -> ZooRow:
    """Return the row of an encoder that cannot be scored."""
    spec = entry.encoder.spec
    return ZooRow(mining=mining, entry=entry.key, name=entry.label, spec=spec, refused=reason)


def look(context: Context) -> Receipts | None:
    """Measure the receipt `zoo`: the encoder's row and scores; None if answers are missing."""
    plan: Plan = context.given
    db, mining = context.db, context.facts["mining"]
    version = db.version(zoo.SPEC)
    rows = zoo.read(db, mining, {plan.entry.key}, version=version)
    if _missing(context) or [row.model for row in rows] != [plan.identity.name]:
        return None
    scored = [row for row in scores.read(db, mining) if row.model == plan.identity.name]
    if {row.protocol for row in scored} != set(CONTRASTS):
        return None
    accuracies = [[r.benchmark, r.protocol, r.pattern, r.pairs, r.pair_accuracy] for r in scored]
    keys = [repr(rows[0]), *map(repr, accuracies)]
    receipt = Receipt(
        table=zoo.SPEC.name,
        version=version,
        rows=len(keys),
        digest=digest_rows([context.made_by, mining], keys),
    )
    return {NAME: receipt}


STAGE = Stage(name=NAME, module=__name__, reads=(ROLE,), run=run, look=look)
