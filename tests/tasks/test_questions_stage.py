"""The stages `mine` and `questions` on a store: what is asked about, and when it is asked anew."""

import dataclasses
import random
from collections import Counter

import numpy as np
import pytest

from storage import embeddings, pairs, paths, questions
from storage.paths import PathRow, attributes_json
from storage.receipts import Receipt, digest_rows
from tasks.mining import stage as mining
from tasks.mining.selection import PATTERN_FULL
from tasks.mining.thresholds import MineConfig
from tasks.patterns import PATTERNS
from tasks.questions import stage
from tasks.questions.config import QuestionConfig
from tasks.reasons import NOTHING_TO_ASK
from tasks.scenes import PATTERN_FACTORS, caption, sample_scene
from tasks.stage import Site, key_of
from tasks.workers import Workers, WorkersConfig

CORPUS = "/corpus"
IMAGES = 80


@pytest.fixture
def site(db, home):
    return Site(db=db, home=home, workers=Workers(WorkersConfig(scheduler="tcp://127.0.0.1:9")))


def row_of(number, label=None, caption=None, attributes=None):
    return PathRow(
        corpus=CORPUS,
        path=f"{CORPUS}/{number:03}.png",
        image=f"image-{number:03}",
        label=label,
        caption=caption,
        attributes=attributes_json(attributes or {}),
        size_bytes=1,
        mtime_ns=1,
        made_by="test",
    )


def scenes():
    """Rows of red cars and red cups that differ in all else."""
    rng = random.Random(0)
    rows = []
    for number in range(IMAGES):
        kind = "car" if number % 2 else "cup"
        scene = dataclasses.replace(sample_scene(rng), kind=kind, hue="red")
        words = caption(scene, rng, pattern_share=0)
        rows.append(row_of(number, kind, words, dataclasses.asdict(scene)))
    return rows


def put(site, rows):
    """Write rows and, once, vectors by which any two images are a blind pair."""
    paths.upsert(site.db, rows)
    rng = np.random.default_rng(0)
    ids = [f"image-{number:03}" for number in range(IMAGES)]
    clip_ND = np.ones((IMAGES, 4), np.float32) + rng.normal(size=(IMAGES, 4), scale=0.01)
    embeddings.insert(site.db, "clip-1", ids, clip_ND.astype(np.float32), {})
    embeddings.insert(site.db, "ssl-1", ids, rng.normal(size=(IMAGES, 64)).astype(np.float32), {})


def receipt_of(table, version):
    return Receipt(table=table, version=version, rows=1, digest=digest_rows([], [table]))


def inputs_of(site):
    encoders = {
        role: receipt_of(f"embeddings_{role}-1", embeddings.version(site.db, f"{role}-1"))
        for role in ("clip", "ssl")
    }
    told = receipt_of("paths", site.db.version(paths.SPEC))
    return {**encoders, "paths": told, "images": receipt_of("images", 1)}


def prepare_mine(site):
    config = MineConfig(ssl_below=0.9, benchmark_pairs=20)
    return mining.prepare(site, config, [CORPUS], inputs_of(site))


def mine(site):
    """Run the stage `mine`; return its outcome and the receipts so far."""
    context = prepare_mine(site)
    outcome = mining.run(context)
    return outcome, context.inputs | mining.look(context)


def prepare(site, mined, receipts, **options):
    name = mined.figures["mining"]
    return stage.prepare(site, QuestionConfig(**options), [CORPUS], receipts, name)


def ask(site, **options):
    """Run both stages; return the rows, the outcome, and the receipt."""
    context = prepare(site, *mine(site), **options)
    outcome = stage.run(context)
    rows = questions.read(site.db, context.facts["mining"])
    return rows, outcome, stage.look(context)["questions"]


def test_pairs_are_selected_for_what_they_can_be_asked_about(site):
    put(site, scenes())

    outcome, _ = mine(site)

    rows = pairs.read(site.db, outcome.figures["mining"])
    told = paths.metadata(site.db, [CORPUS])
    asked = Counter(row.attribute for row in rows if row.selected)
    assert outcome.figures["source"] == "attribute"
    assert outcome.figures["selected"] == asked.total() == 20
    assert asked.keys() == PATTERN_FACTORS.keys()
    assert max(asked.values()) <= 3
    for row in rows:
        assert row.selected is (row.left_out is None) is (row.attribute is not None)
        if row.selected:
            one, other = told[row.image_a].attributes, told[row.image_b].attributes
            assert one[row.attribute] != other[row.attribute]
            assert one["kind"] == other["kind"]
    reasons = Counter(row.left_out for row in rows if row.left_out)
    assert reasons == outcome.reasons
    assert reasons[NOTHING_TO_ASK] > 0


@pytest.mark.parametrize(
    ("rows", "source", "asked"),
    [
        ([row_of(n) for n in range(IMAGES)], "none", {None}),
        ([row_of(n, "ab"[n % 2]) for n in range(IMAGES)], "label", {"label"}),
        ([row_of(n, "a", f"number {n}") for n in range(IMAGES)], "caption", {"caption"}),
        (
            [row_of(n, attributes={"weather": "sunny" if n % 3 else "wet"}) for n in range(IMAGES)],
            "attribute",
            {"weather"},
        ),
    ],
    ids=["none", "label", "caption", "attribute"],
)
def test_a_mining_says_where_its_facts_come_from(site, rows, source, asked):
    put(site, rows)

    outcome, _ = mine(site)

    selected = [row for row in pairs.read(site.db, outcome.figures["mining"]) if row.selected]
    assert outcome.figures["source"] == source
    assert len(selected) == 20
    assert {row.attribute for row in selected} == asked


def test_a_changed_fact_mines_and_asks_anew(site):
    rows = scenes()
    put(site, rows)
    mined, receipts = mine(site)
    before = prepare(site, mined, receipts)
    stage.run(before)
    asked = stage.look(before)
    turned = [
        dataclasses.replace(row, attributes=row.attributes.replace('"whole"', '"broken"'))
        for row in rows
    ]
    paths.upsert(site.db, turned)

    mined_again, receipts_again = mine(site)
    after = prepare(site, mined_again, receipts_again)
    stage.run(after)

    assert mined_again.figures["mining"] == mined.figures["mining"]
    assert receipts_again["pairs"].digest != receipts["pairs"].digest
    assert key_of(stage.STAGE, after) != key_of(stage.STAGE, before)
    assert stage.look(after)["questions"].digest != asked["questions"].digest
    assert "state" not in {row.attribute for row in questions.read(site.db, after.facts["mining"])}


def test_a_changed_fact_that_captions_name_asks_anew_about_the_same_pairs(site):
    rows = scenes()
    put(site, rows)
    mined, receipts = mine(site)
    before = prepare(site, mined, receipts)
    paths.upsert(
        site.db,
        [
            dataclasses.replace(row, attributes=row.attributes.replace('"beach"', '"snow"'))
            for row in rows
        ],
    )

    mined_again, receipts_again = mine(site)
    after = prepare(site, mined_again, receipts_again)

    assert receipts_again["pairs"].digest == receipts["pairs"].digest
    assert key_of(stage.STAGE, after) != key_of(stage.STAGE, before)


def test_why_a_pair_is_left_out_enters_the_digest_of_pairs(site):
    put(site, scenes())
    outcome, before = mine(site)
    rows = site.db.read(pairs.SPEC)
    reasons = rows["left_out"].to_pylist()
    reasons[reasons.index(NOTHING_TO_ASK)] = PATTERN_FULL
    place = rows.schema.get_field_index("left_out")

    changed = rows.set_column(place, "left_out", [reasons])
    pairs.replace(site.db, outcome.figures["mining"], changed)

    assert mining.look(prepare_mine(site))["pairs"].digest != before["pairs"].digest


def test_three_benchmarks_are_written(site):
    put(site, scenes())

    rows, outcome, receipt = ask(site, lot_pairs=5)

    by_benchmark = Counter(row.benchmark for row in rows)
    assert outcome.figures["pairs"] == {name: n // 2 for name, n in by_benchmark.items()}
    assert outcome.figures["pairs"] == {"mined": 20, "random": 5 * 9, "captioned": 5 * 3}
    assert outcome.figures["captioned"] == ["hue", "kind", "setting", "thing"]
    assert outcome.figures["source"] == "attribute"
    assert outcome.new == outcome.rows == receipt.rows == len(rows) == 160
    assert outcome.reasons == {}
    for row in rows:
        assert row.pattern == PATTERNS.get(row.attribute)
        assert (row.attribute in PATTERNS) is (row.benchmark != "captioned")


def test_a_pair_that_was_mined_can_be_drawn_by_lot_too(site):
    put(site, [row_of(n, attributes={"weather": weather}) for n, weather in enumerate("ab")])

    rows, outcome, _ = ask(site)

    assert [row.benchmark for row in rows] == ["mined", "mined", "random", "random"]
    assert len({row.question_id for row in rows}) == 2
    assert outcome.new == outcome.rows == 4
    assert outcome.figures["pairs"] == {"mined": 1, "random": 1, "captioned": 0}


def test_the_mined_questions_are_about_the_selected_pairs(site):
    put(site, scenes())

    rows, *_ = ask(site)

    selected = {
        (row.pair_id, image, row.attribute)
        for row in pairs.read(site.db, rows[0].mining)
        if row.selected
        for image in (row.image_a, row.image_b)
    }
    mined = [row for row in rows if row.benchmark == "mined"]
    assert {(row.pair_id, row.image, row.attribute) for row in mined} == selected
    assert len(mined) == len(selected) == 40


def test_asking_again_changes_nothing(site):
    put(site, scenes())
    rows, _, receipt = ask(site)

    rows_again, outcome, receipt_again = ask(site)

    assert outcome.new == 0
    assert rows_again == rows
    assert receipt_again == receipt


def test_fewer_pairs_by_lot_are_a_part_of_more(site):
    put(site, scenes())
    many, *_ = ask(site, lot_pairs=6)

    few, outcome, _ = ask(site, lot_pairs=2)

    assert outcome.new == 0
    assert {row.question_id for row in few} < {row.question_id for row in many}
    assert outcome.figures["pairs"] == {"mined": 20, "random": 18, "captioned": 6}


def test_where_nothing_is_known_nothing_is_asked(site):
    put(site, [row_of(number) for number in range(IMAGES)])

    rows, outcome, receipt = ask(site)

    assert (rows, outcome.rows, outcome.new, outcome.reasons, receipt.rows) == ([], 0, 0, {}, 0)
    assert outcome.figures["source"] == "none"


def test_where_nothing_is_known_any_more_the_questions_are_gone(site):
    put(site, scenes())
    assert ask(site)[0]
    paths.upsert(site.db, [row_of(number) for number in range(IMAGES)])

    rows, outcome, receipt = ask(site)

    assert (rows, outcome.rows, receipt.rows) == ([], 0, 0)


def test_a_pair_of_which_one_image_is_asked_otherwise_is_counted(site):
    rows = scenes()
    for number in range(0, IMAGES, 2):  # no scenes any more: half of what is known of each is gone
        facts = {"kind": "cup", "hue": "red", "mood": str(number % 7)}
        rows[number] = row_of(number, "cup", None, facts)
    rows[1] = row_of(1, "car", None, {"kind": "car", "hue": "red", "text": "Q"})
    put(site, rows)

    found, outcome, _ = ask(site)

    assert "mood" in {row.attribute for row in found}
    assert outcome.reasons.keys() == {"answers-read-alike"} <= stage.REASONS.keys()
    by_pair = Counter((row.benchmark, row.pair_id, row.attribute) for row in found)
    assert set(by_pair.values()) == {2}


def test_what_is_known_is_read_at_the_version_of_the_receipts(site):
    put(site, scenes())
    mined, receipts = mine(site)
    before = prepare(site, mined, receipts)
    paths.upsert(site.db, [row_of(number) for number in range(IMAGES)])

    after = prepare(site, mined, receipts)

    assert after.facts == before.facts


def test_pairs_in_line_are_asked_about_patterns_that_are_short(site):
    put(site, scenes())

    few, before, _ = ask(site, pairs_per_pattern=4, extra_pairs=0)
    more, after, _ = ask(site, pairs_per_pattern=4)

    selected = {row.pair_id for row in pairs.read(site.db, few[0].mining) if row.selected}
    beyond = {row.pair_id for row in more if row.benchmark == questions.MINED} - selected
    lacking = [sum(outcome.figures["short"].values()) for outcome in (before, after)]
    assert lacking[0] - lacking[1] == len(beyond) > 0
    assert {row.pair_id for row in few if row.benchmark == questions.MINED} <= selected
    assert max(after.figures["patterns"].values()) == 4
    mined = [row.image for row in more if row.benchmark == questions.MINED]
    assert len(mined) == len(set(mined)), "no image is asked about twice"
