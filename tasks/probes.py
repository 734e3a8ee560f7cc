"""The stage `probe`: what each encoder sees, told by linear probes on its stored vectors.

Put here: fitting probes, which images teach and which test, the receipt of their rows.
Keep out: vectors (`storage.embeddings`); what is known of images (`tasks.attributes`).

A probe is a ridge classifier from an encoder's one vector of an image to an attribute's value. What
it finds, the encoder's vector holds; what it does not, a linear reader cannot have from it.

Shapes:
    N  images    D  width of a vector
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import embeddings, paths, probes
from storage.probes import ProbeRow
from storage.receipts import Receipt, digest_rows
from tasks.attributes import CAPTION, Knowledge, know
from tasks.fingerprints import digest
from tasks.scores.statistics import wilson
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "probe"
MOST_CLASSES: Final = 100
RIDGE: Final = 1e-3
"""Strength of the ridge, as a share of the images that teach; vectors are standardised."""


class Plan(NamedTuple):
    """What is known of the images that teach and of those that test."""

    teaching: Knowledge
    testing: Knowledge


def prepare(
    site: Site, corpora: Sequence[str], teachers: Sequence[str], inputs: Receipts
) -> Context:
    """Gather what is known of the images; without `teachers` half of the corpora's images teach.

    `inputs` holds a receipt a role for the corpora, and for the teachers under `train-` names.
    """
    testing = know(paths.metadata(site.db, corpora, version=inputs["paths"].version))
    teaching = testing
    if teachers:
        version = inputs["train-paths"].version
        teaching = know(paths.metadata(site.db, teachers, version=version))
    roles = [role for role in ("clip", "ssl", "control") if role in inputs]
    encoders = {role: inputs[role].table for role in roles}
    return Context(
        site=site,
        config=None,
        facts={
            "scope": digest([sorted(corpora), sorted(teachers), encoders])[:16],
            "roles": roles,
            "halved": not teachers,
            "teaching": teaching.digest(),
            "testing": testing.digest(),
            "vectors": {
                name: receipt.digest
                for name, receipt in inputs.items()
                if name.removeprefix("train-") in roles
            },
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=Plan(teaching, testing),
    )


def run(context: Context) -> Outcome:
    """Fit a probe for each encoder and attribute."""
    plan: Plan = context.given
    rows: list[ProbeRow] = []
    for role in context.facts["roles"]:
        teaching = _vectors(context, role, plan.teaching, teaches=True)
        testing = _vectors(context, role, plan.testing, teaches=False)
        for attribute in sorted(plan.testing.patterns.keys() - {CAPTION}):
            found = probe(
                *_chosen(teaching, plan.teaching, attribute),
                *_chosen(testing, plan.testing, attribute),
            )
            if found is not None:
                encoder = context.inputs[role].table.removeprefix(embeddings.PREFIX)
                rows.append(
                    ProbeRow(
                        scope=context.facts["scope"],
                        encoder=encoder,
                        role=role,
                        attribute=attribute,
                        **found._asdict(),
                    )
                )
    before = probes.read(context.db, context.facts["scope"])
    probes.replace(context.db, context.facts["scope"], rows)
    return Outcome(
        new=len(set(rows) - set(before)),
        rows=len(rows),
        figures={"scope": context.facts["scope"]},
    )


class Found(NamedTuple):
    """How well a probe does on the images that test; `low` to `high` is a 95 % interval."""

    classes: int
    train_images: int
    test_images: int
    accuracy: float
    low: float
    high: float
    chance: float


def probe(
    teaching_ND: NDArray[np.floating],
    taught: Sequence[str],
    testing_ND: NDArray[np.floating],
    tested: Sequence[str],
) -> Found | None:
    """Fit a linear probe to vectors and values, and test it on others.

    `chance` is the share of the value that is commonest among those that test. A value that was
    not taught is never found. Returns None where there is nothing to tell apart, or more than a
    hundred values.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = len(set(taught))
    if min(classes, len(set(tested))) < 2 or classes > MOST_CLASSES:
        return None
    ridge = RidgeClassifier(alpha=RIDGE * len(taught), solver="cholesky")
    fitted = make_pipeline(StandardScaler(), ridge)
    fitted.fit(teaching_ND.astype(np.float64), np.asarray(taught))
    right = int((fitted.predict(testing_ND.astype(np.float64)) == np.asarray(tested)).sum())
    low, high = wilson(right, len(tested))
    commonest = Counter(tested).most_common(1)[0][1]
    return Found(
        classes=classes,
        train_images=len(taught),
        test_images=len(tested),
        accuracy=right / len(tested),
        low=low,
        high=high,
        chance=commonest / len(tested),
    )


Vectors = tuple[list[str], NDArray[np.float32]]


def _vectors(context: Context, role: str, known: Knowledge, *, teaches: bool) -> Vectors:
    halved = context.facts["halved"]
    receipt = context.inputs[role if halved or not teaches else f"train-{role}"]
    images = [image for image in known.facts if not halved or _teaches(image) == teaches]
    encoder = receipt.table.removeprefix(embeddings.PREFIX)
    return embeddings.read(context.db, encoder, images, version=receipt.version)


def _teaches(image: str) -> bool:
    """Say whether an image teaches, where one corpus does both: by lot, the same every time."""
    return hashlib.sha256(image.encode()).digest()[0] % 2 == 0


def _chosen(
    vectors: Vectors, known: Knowledge, attribute: str
) -> tuple[NDArray[np.float32], list[str]]:
    ids, all_ND = vectors
    values: Mapping[str, str | None] = {i: known.facts[i].get(attribute) for i in ids}
    chosen = [row for row, image in enumerate(ids) if values[image] is not None]
    return all_ND[chosen], [str(values[ids[row]]) for row in chosen]


def look(context: Context) -> Receipts | None:
    """Measure the receipt `probes` of the scope."""
    version = context.db.version(probes.SPEC)
    keys = [repr(row) for row in probes.read(context.db, context.facts["scope"], version=version)]
    receipt = Receipt(
        table=probes.SPEC.name,
        version=version,
        rows=len(keys),
        digest=digest_rows([context.made_by, context.facts["scope"]], keys),
    )
    return {"probes": receipt}


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
