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
from tasks.attributes import CAPTION, Facts, Knowledge, know
from tasks.fingerprints import digest
from tasks.scores.statistics import wilson
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "probe"
ROLES: Final = ("clip", "ssl", "control")
TEACH: Final = "train-"
"""What the names of the teachers' receipts begin with."""

MOST_CLASSES: Final = 100
RIDGE: Final = 1e-3
"""Strength of the ridge, as a share of the images that teach; vectors are standardised."""

REASONS: Final = {
    "nothing-to-tell": "an attribute has one value, or more than a hundred, in a probe's images",
}


class Plan(NamedTuple):
    """The attributes, and the facts of the images that teach and of those that test, by id."""

    attributes: Sequence[str]
    teaching: Mapping[str, Facts]
    testing: Mapping[str, Facts]


def prepare(
    site: Site, corpora: Sequence[str], teachers: Sequence[str], inputs: Receipts
) -> Context:
    """Gather what is known of the images; without `teachers` half of the corpora's images teach.

    `inputs` holds the receipts of paths and of each role for the corpora, and under `train-` names
    for the teachers. An encoder that plays two roles is probed in the first.
    """
    known = know(paths.metadata(site.db, corpora, version=inputs["paths"].version))
    taught = None
    if teachers:
        version = inputs[f"{TEACH}paths"].version
        taught = know(paths.metadata(site.db, teachers, version=version))
    encoders: dict[str, str] = {}
    for role in ROLES:
        if role in inputs and inputs[role].table not in encoders.values():
            encoders[role] = inputs[role].table
    return Context(
        site=site,
        config=None,
        facts={
            "scope": digest([sorted(corpora), sorted(teachers), encoders])[:16],
            "roles": list(encoders),
            "halved": taught is None,
            "teaching": (taught or known).digest(),
            "testing": known.digest(),
            "vectors": {
                name: receipt.digest
                for name, receipt in inputs.items()
                if name.removeprefix(TEACH) in encoders
            },
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=_plan(known, taught),
    )


def _plan(known: Knowledge, taught: Knowledge | None) -> Plan:
    """Let no image both teach and test; where one corpus does both, half of it teaches, by lot."""
    if taught is None:
        teaching = {image: facts for image, facts in known.facts.items() if _teaches(image)}
    else:
        teaching = {
            image: taught.facts[image] for image in taught.facts.keys() - known.facts.keys()
        }
    testing = {image: known.facts[image] for image in known.facts.keys() - teaching.keys()}
    return Plan(sorted(known.patterns.keys() - {CAPTION}), teaching, testing)


def _teaches(image: str) -> bool:
    """Say whether an image teaches where one corpus does both: the same every time."""
    return hashlib.sha256(image.encode()).digest()[0] % 2 == 0


def run(context: Context) -> Outcome:
    """Fit a probe for each encoder and attribute."""
    plan: Plan = context.given
    scope = context.facts["scope"]
    rows: list[ProbeRow] = []
    for role in context.facts["roles"]:
        teacher = role if context.facts["halved"] else f"{TEACH}{role}"
        teaching = _vectors(context, teacher, plan.teaching)
        testing = _vectors(context, role, plan.testing)
        encoder = context.inputs[role].table.removeprefix(embeddings.PREFIX)
        for attribute in plan.attributes:
            found = probe(
                *_known(teaching, plan.teaching, attribute),
                *_known(testing, plan.testing, attribute),
            )
            if found is not None:
                row = ProbeRow(
                    scope=scope, encoder=encoder, role=role, attribute=attribute, **found._asdict()
                )
                rows.append(row)
    left_out = len(context.facts["roles"]) * len(plan.attributes) - len(rows)
    before = probes.read(context.db, scope)
    probes.replace(context.db, scope, rows)
    return Outcome(
        new=len(set(rows) - set(before)),
        rows=len(rows),
        reasons={"nothing-to-tell": left_out} if left_out else {},
        figures={"scope": scope},
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


Vectors = tuple[list[str], NDArray[np.floating]]


def _vectors(context: Context, role: str, images: Mapping[str, Facts]) -> Vectors:
    receipt = context.inputs[role]
    encoder = receipt.table.removeprefix(embeddings.PREFIX)
    return embeddings.read(context.db, encoder, list(images), version=receipt.version)


def _known(
    vectors: Vectors, facts: Mapping[str, Facts], attribute: str
) -> tuple[NDArray[np.floating], list[str]]:
    """Return the vectors of the images whose value is known, and the values."""
    ids, all_ND = vectors
    known = [row for row, image in enumerate(ids) if attribute in facts[image]]
    return all_ND[known], [facts[ids[row]][attribute] for row in known]


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
