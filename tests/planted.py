"""Questions with planted errors, put through the stages that write, check and take questions."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow as pa

from storage import checks, pairs, paths, proposals, questions
from storage.paths import PathRow
from storage.receipts import Receipt, digest_rows
from tasks.checks.policy import rule
from tasks.encoders import EncoderConfig
from tasks.questions import checking, proposing, stage
from tasks.questions.config import QuestionConfig
from tasks.stage import Site
from tasks.workers import Workers, WorkersConfig
from tests.cases import GOOD
from tests.onlookers import Onlooker
from tests.tasks.backends.server import serve

MINING = "planted"
CLIP = EncoderConfig(spec="tiny:clip")


def site_of(db, home):
    return Site(db=db, home=home, workers=Workers(WorkersConfig(scheduler="tcp://127.0.0.1:9")))


def place(site, world, folder):
    """Write a world's pictures to a folder, and its pairs into the store as selected ones."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, data in world.files.items():
        path = folder / f"{name[:16]}.png"
        path.write_bytes(data)
        rows.append(
            PathRow(
                corpus=str(folder),
                path=str(path),
                image=name,
                label=None,
                caption=None,
                attributes=None,
                size_bytes=len(data),
                mtime_ns=1,
                made_by="test",
            )
        )
    paths.upsert(site.db, rows)
    found = [
        {
            "mining": MINING,
            "pair_id": pairs.pair_id(*case.images),
            "image_a": case.images[0],
            "image_b": case.images[1],
            "clip_cosine": 0.96,
            "ssl_cosine": 0.25,
            "selected": True,
            "left_out": None,
            "attribute": None,
        }
        for case in world.cases
    ]
    pairs.replace(site.db, MINING, pa.Table.from_pylist(found, schema=pairs.SPEC.schema))
    return str(folder)


def inputs_of(site):
    return {
        table.SPEC.name: Receipt(
            table=table.SPEC.name,
            version=site.db.version(table.SPEC),
            rows=1,
            digest=digest_rows([], [table.SPEC.name]),
        )
        for table in (paths, pairs)
    }


def contexts(site, corpus, config):
    """The three stages with what prepares them, in their order."""
    common = ([corpus], inputs_of(site), MINING)
    return (
        (proposing, lambda: proposing.prepare(site, config, *common)),
        (checking, lambda: checking.prepare(site, config, CLIP, *common)),
        (stage, lambda: stage.prepare(site, config, *common)),
    )


def run_all(site, corpus, config):
    """Run the stages; return their outcomes by name."""
    outcomes = {}
    for module, prepare in contexts(site, corpus, config):
        if module is proposing and not config.writers:
            continue
        context = prepare()
        outcomes[module.NAME] = module.run(context)
        assert module.look(prepare()) is not None, module.NAME
    return outcomes


@dataclass
class Found:
    """What became of the planted questions: kind -> how many there are, and were refused."""

    planted: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    by_check: dict = field(default_factory=dict)
    taken: list = field(default_factory=list)
    lost: list = field(default_factory=list)
    calls: int = 0

    @property
    def caught(self):
        """The share of all planted errors that was refused."""
        bad = [kind for kind in self.planted if kind != GOOD]
        return sum(self.refused[kind] for kind in bad) / sum(self.planted[kind] for kind in bad)

    @property
    def good_refused(self):
        return self.refused[GOOD] / self.planted[GOOD]


def study(site, folder, world, *, seed, answerers=5, errs=0.1):
    """Put a world's questions through the stages, and count what was caught and by what."""
    corpus = place(site, world, folder)
    with ExitStack() as stack:
        stub = stack.enter_context(serve(Onlooker(world, errs=errs, seed=seed)))
        spec = f"openai:onlooker@{stub.url}"
        config = QuestionConfig(
            by=("model",),
            writers=(spec,),
            answerers=(spec,),
            answers_each=answerers,
            at_once=8,
        )
        run_all(site, corpus, config)
    found = Found(calls=len(stub.bodies))
    rows = {row.pair_id: row for row in proposals.read(site.db, MINING)}
    taken = {row.pair_id for row in questions.read(site.db, MINING)}
    made = {}
    for row in checks.read(site.db, MINING):
        made.setdefault(row.proposal_id, []).append(row)
    names = config.checks.names(answerers=answerers > 0)
    for case in world.cases:
        pair = pairs.pair_id(*case.images)
        found.planted[case.kind] += 1
        if pair in taken:
            (found.taken if case.kind != GOOD else []).append(case)
            continue
        found.refused[case.kind] += 1
        ruling = rule(made.get(rows[pair].proposal_id, ()), config.checks, names)
        found.by_check.setdefault(case.kind, Counter())[(*ruling.failed, "lacking")[0]] += 1
        if case.kind == GOOD:
            found.lost.append((case, ruling))
    return found
