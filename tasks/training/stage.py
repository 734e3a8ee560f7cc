"""The stage `train`: a model for each mixture of features, on Dask workers.

Put here: the names of models, what they learn from, the receipt of their rows.
Keep out: the training itself (`jobs`, `loop`, beside this file).

A model is named by all that decides a bit of it, so one that is there is never trained again.
Images that a question is asked about are never learnt from.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from storage import models, paths, questions
from storage.models import ModelRow
from storage.receipts import Receipt, digest_rows
from tasks.embed import EmbedConfig, identify_encoders
from tasks.encoders import EncoderIdentity
from tasks.fingerprints import digest
from tasks.progress import Progress
from tasks.shards import record
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by
from tasks.training import material
from tasks.training.assignments import Assignment, Course, Trained, is_whole, names_of
from tasks.training.material import Example
from tasks.training.recipe import TrainConfig, Variant, roles_of, variants
from tasks.workers import cut

NAME = "train"
FEWEST_EXAMPLES = 2


class Plan(NamedTuple):
    """What is trained on what, with which encoders."""

    assignments: Sequence[Assignment]
    examples: Sequence[Example]
    encoders: EmbedConfig
    identities: Mapping[str, EncoderIdentity]


def prepare(
    site: Site,
    config: TrainConfig,
    encoders: EmbedConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    mining: str,
) -> Context:
    """Gather what can be learnt from the corpora and name the models.

    Raises:
        ValueError: if the corpora tell nothing of at least two images outside the benchmark.
    """
    asked = {row.image for row in questions.read(site.db, mining)}
    held = paths.images(site.db, corpora)
    known = paths.metadata(site.db, corpora)
    examples = material.gather(known, held, without=asked, most=config.images)
    if len(examples) < FEWEST_EXAMPLES:
        message = (
            f"{', '.join(corpora)} tell something of {len(examples)} images that are not asked "
            f"about, of {len(held)}; to train, name a corpus with labels, captions or attributes"
        )
        raise ValueError(message)
    found = identify_encoders(site, encoders)
    by = made_by(__name__)
    shared = [by, material.digest_of(examples), config.of_each_model()]
    assignments = [_assignment(variant, shared, found) for variant in variants(config, list(found))]
    return Context(
        site=site,
        config=config,
        facts={"models": [name for one in assignments for name in names_of(one.key, config)]},
        inputs=inputs,
        made_by=by,
        given=Plan(assignments, examples, encoders, found),
    )


def _assignment(
    variant: Variant, shared: Sequence[Any], found: Mapping[str, EncoderIdentity]
) -> Assignment:
    towers = [found[role].fingerprint for role in roles_of(variant.features)]
    name = digest([*shared, variant.features, variant.ssl_share, variant.seed, towers])
    return Assignment(f"{variant.label}-{name[:12]}", variant)


def run(context: Context) -> Outcome:
    """Train the models that are missing, one a worker at a time.

    Raises:
        RuntimeError: if a model took every worker down that tried to train it.
    """
    from tasks.training.jobs import train_models

    plan: Plan = context.given
    site, config = context.site, context.config
    seen = {role for one in plan.assignments for role in roles_of(one.variant.features)}
    course = Course(
        material=material.keep(plan.examples, site.home / "cache"),
        models=site.home / "models",
        config=config,
        encoders={role: plan.encoders.roles()[role] for role in sorted(seen)},
        names={role: plan.identities[role].name for role in sorted(seen)},
        device=site.workers.config.device_kind(),
    )
    there = {row.model for row in models.read(context.db)}
    missing = [
        one
        for one in plan.assignments
        if not all(
            name in there and is_whole(course.models / name) for name in names_of(one.key, config)
        )
    ]
    variant_of = {
        name: one.variant for one in plan.assignments for name in names_of(one.key, config)
    }
    progress = Progress(NAME, len(missing), "models")
    for done in site.workers.run(partial(train_models, course=course), cut(missing, 1)):
        if done.value is None:
            message = f"training {done.shard.items[0].key} took down every worker; is memory short?"
            raise RuntimeError(message)
        rows = [_row(trained, variant_of[trained.model], context) for trained in done.value]
        models.upsert(context.db, rows)
        record(context.db, NAME, done)
        progress.add(len(done.shard.items))
    return Outcome(
        new=len(missing),
        rows=len(context.facts["models"]),
        figures={"models": context.facts["models"], "images": len(plan.examples)},
    )


def _row(trained: Trained, variant: Variant, context: Context) -> ModelRow:
    plan: Plan = context.given
    roles = roles_of(variant.features)
    return ModelRow(
        model=trained.model,
        features=variant.features,
        ssl_share=variant.ssl_share,
        seed=variant.seed,
        steps=trained.steps,
        folder=f"models/{trained.model}",
        weights=trained.weights,
        facts={
            "config": context.config.of_each_model(),
            "encoders": {role: plan.identities[role].name for role in roles},
        },
        figures=trained.figures,
        trained_images=len(plan.examples),
    )


def look(context: Context) -> Receipts | None:
    """Measure the receipt `models`; None when a model's row or folder is not there."""
    names = context.facts["models"]
    version = context.db.version(models.SPEC)
    rows = models.read(context.db, names, version=version)
    folders = [context.site.home / row.folder for row in rows]
    if len(rows) < len(names) or not all(map(is_whole, folders)):
        return None
    keys = [f"{row.model} {row.weights}" for row in rows]
    digest = digest_rows([context.made_by], keys)
    receipt = Receipt(table=models.SPEC.name, version=version, rows=len(rows), digest=digest)
    return {"models": receipt}


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
