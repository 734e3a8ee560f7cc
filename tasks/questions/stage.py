"""The stage `questions`: two questions for each selected pair, and for pairs drawn by lot.

Put here: which pairs are asked about, the receipt of their questions.
Keep out: wordings (`wording`) and drawing pairs (`writing`), beside this file.

Three benchmarks are written. `mined` asks about the selected CLIP-blind pairs. `random` asks the
same kinds of question about pairs that no encoder chose, so that blindness by selection can be told
from blindness. `captioned` asks about what captions name: the general ability.
"""

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from storage import pairs, paths, questions, refused
from storage.questions import CAPTIONED, MINED, RANDOM, QuestionRow
from storage.receipts import Receipt, digest_rows
from tasks.attributes import know
from tasks.questions.writing import asked_attributes, draw_pairs, write_pair
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "questions"

REASONS = {
    "answers-read-alike": "the two images' answers to the question are the same words",
}


class QuestionConfig(BaseModel):
    """Which pairs are asked about beside the mined ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lot_pairs: int = Field(default=32, ge=0)
    """Pairs drawn by lot for each attribute: of those that captions name for the benchmark
    `captioned`, of the others for the benchmark `random`."""


def prepare(
    site: Site, config: QuestionConfig, corpora: Sequence[str], inputs: Receipts, mining: str
) -> Context:
    """Gather what the corpora's metadata tells of the images that have vectors."""
    version = inputs["paths"].version
    lacking = {row.path for row in refused.read(site.db, "embed", corpora)}
    held = paths.images(site.db, corpora, version=version) if lacking else {}
    gone = {image for image, files in held.items() if lacking.issuperset(files)}
    metadata = paths.metadata(site.db, corpora, version=version)
    known = know({image: told for image, told in metadata.items() if image not in gone})
    return Context(
        site=site,
        config=config,
        facts={
            "mining": mining,
            "config": config.model_dump(mode="json"),
            "knowledge": known.digest(),
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=known,
    )


def run(context: Context) -> Outcome:
    """Write the questions of all three benchmarks, in one commit."""
    mining, known = context.facts["mining"], context.given
    rows: list[QuestionRow] = []
    asked: Counter[str] = Counter()
    reasons: Counter[str] = Counter()

    def ask(attribute: str, images: tuple[str, str], benchmark: str) -> None:
        written = write_pair(known, attribute, images, mining=mining, benchmark=benchmark)
        rows.extend(written)
        if written:
            asked[benchmark] += 1
        else:
            reasons["answers-read-alike"] += 1

    for pair in pairs.read(context.db, mining, version=context.inputs["pairs"].version):
        if pair.attribute is not None:
            ask(pair.attribute, (pair.image_a, pair.image_b), MINED)
    for benchmark, captioned in ((RANDOM, False), (CAPTIONED, True)):
        for attribute in asked_attributes(known, captioned=captioned):
            for drawn in draw_pairs(known, attribute, context.config.lot_pairs):
                ask(attribute, drawn, benchmark)
    before = questions.read(context.db, mining)
    questions.replace(context.db, mining, rows)
    return Outcome(
        new=len(set(rows) - set(before)),
        rows=len(rows),
        reasons=dict(reasons),
        figures={
            "source": known.source,
            "captioned": sorted(known.captioned),
            "pairs": {name: asked[name] for name in (MINED, RANDOM, CAPTIONED)},
        },
    )


def look(context: Context) -> Receipts | None:
    """Measure the receipt `questions` of the mining."""
    mining = context.facts["mining"]
    version = context.db.version(questions.SPEC)
    keys = [
        f"{row.benchmark} {row.question_id} {row.pattern} {row.attribute} {row.statement}"
        for row in questions.read(context.db, mining, version=version)
    ]
    digest = digest_rows([context.made_by, mining], keys)
    receipt = Receipt(table=questions.SPEC.name, version=version, rows=len(keys), digest=digest)
    return {"questions": receipt}


STAGE = Stage(name=NAME, module=__name__, reads=("pairs",), run=run, look=look)
