"""Probes: what a linear reader finds in vectors, on images that did not teach it."""

import numpy as np
import pytest

from storage import embeddings, paths
from storage import probes as table
from storage.paths import PathRow, attributes_json
from storage.receipts import Receipt, digest_rows
from tasks import probes
from tasks.attributes import know
from tasks.probes import MOST_CLASSES, probe
from tasks.scores.statistics import wilson
from tasks.stage import Site, key_of
from tasks.workers import Workers, WorkersConfig

WIDTH = 8


def vectors_of(seed, count):
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def told_by(vectors_ND):
    """Values that a line through the vectors tells."""
    return ["up" if first + second > 0 else "down" for first, second, *_ in vectors_ND]


def told_by_lot(seed, count):
    return list(np.random.default_rng(seed).choice(["up", "down"], count))


def test_a_probe_finds_what_a_line_tells():
    teaching_ND, testing_ND = vectors_of(0, 2000), vectors_of(1, 500)

    found = probe(teaching_ND, told_by(teaching_ND), testing_ND, told_by(testing_ND))

    assert found.accuracy > 0.97
    assert found.low > 0.95 > found.chance
    assert (found.classes, found.train_images, found.test_images) == (2, 2000, 500)


@pytest.mark.parametrize("seed", range(3))
def test_a_probe_does_not_find_what_the_vectors_do_not_hold(seed):
    teaching_ND, testing_ND = vectors_of(seed, 400), vectors_of(seed + 10, 200)

    found = probe(teaching_ND, told_by_lot(seed, 400), testing_ND, told_by_lot(seed + 10, 200))

    assert found.low < 0.5 < found.high


def test_a_probe_tells_many_values_apart():
    values = [str(number % 7) for number in range(350)]
    vectors_ND = (
        np.eye(7, dtype=np.float32)[[int(v) for v in values]] + 0.1 * vectors_of(0, 350)[:, :7]
    )

    found = probe(vectors_ND[:200], values[:200], vectors_ND[200:], values[200:])

    assert (found.classes, found.accuracy) == (7, 1)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_scale_and_the_middle_of_vectors_do_not_count(scale):
    teaching_ND, testing_ND = vectors_of(0, 400), vectors_of(1, 200)
    values = told_by(teaching_ND), told_by(testing_ND)
    moved = teaching_ND * scale + 3 * scale, testing_ND * scale + 3 * scale

    found = probe(moved[0], values[0], moved[1], values[1])

    assert found == probe(teaching_ND, values[0], testing_ND, values[1])


def test_chance_is_the_share_of_the_commonest_value_that_is_tested():
    taught = ["a", "a", "a", "b"] * 5
    tested = ["b", "b", "b", "a", "c"] * 4

    found = probe(np.zeros((20, WIDTH)), taught, np.zeros((20, WIDTH)), tested)

    assert found.chance == 0.6
    assert found.accuracy == 0.2, "of vectors that say nothing, the commonest taught value"


def test_the_interval_is_wilsons():
    teaching_ND, testing_ND = vectors_of(0, 20), vectors_of(1, 50)

    found = probe(teaching_ND, told_by_lot(0, 20), testing_ND, told_by(testing_ND))

    assert (found.low, found.high) == wilson(round(found.accuracy * 50), 50)
    assert found.low < found.accuracy < found.high


def test_a_value_that_was_not_taught_is_never_found():
    teaching_ND, testing_ND = vectors_of(0, 400), vectors_of(1, 200)
    tested = told_by(testing_ND)
    tested[:50] = ["sideways"] * 50

    found = probe(teaching_ND, told_by(teaching_ND), testing_ND, tested)

    assert 0.7 < found.accuracy <= 0.75
    assert found.classes == 2


@pytest.mark.parametrize(
    ("taught", "tested", "why"),
    [
        ([], ["a", "b"], "nothing teaches"),
        (["a", "b"], [], "nothing tests"),
        (["a", "a"], ["a", "b"], "one value is taught"),
        (["a", "b"], ["b", "b"], "one value is tested"),
        ([str(n) for n in range(MOST_CLASSES + 1)], ["1", "2"], "there are too many values"),
    ],
)
def test_where_nothing_can_be_told_apart_there_is_no_probe(taught, tested, why):
    assert probe(vectors_of(0, len(taught)), taught, vectors_of(1, len(tested)), tested) is None, (
        why
    )


def test_a_hundred_values_are_probed():
    taught = [str(n) for n in range(MOST_CLASSES)]

    assert probe(vectors_of(0, MOST_CLASSES), taught, vectors_of(1, 2), ["1", "2"]).classes == 100


@pytest.fixture
def site(db, home):
    return Site(db=db, home=home, workers=Workers(WorkersConfig(scheduler="tcp://127.0.0.1:9")))


def put(site, corpus, facts):
    """Write what is told of images: id -> attributes, or a caption."""
    rows = [
        PathRow(
            corpus=corpus,
            path=f"{corpus}/{image}.png",
            image=image,
            label=None,
            caption=told if isinstance(told, str) else None,
            attributes=attributes_json({} if isinstance(told, str) else told),
            size_bytes=1,
            mtime_ns=1,
            made_by="test",
        )
        for image, told in facts.items()
    ]
    paths.upsert(site.db, rows)


def teach(site, *, corpus="/corpus", count=300, seed=0, first=0):
    """Fill a corpus with images whose side the encoder z-1 sees, and the encoder a-1 does not."""
    images = [f"{number:04}" for number in range(first, first + count)]
    seen_ND, unseen_ND = vectors_of(seed, count), vectors_of(seed + 1000, count)
    moods = told_by_lot(seed, count)
    facts = {
        image: {"side": side, "mood": mood, "world": "real"}
        for image, side, mood in zip(images, told_by(seen_ND), moods, strict=True)
    }
    put(site, corpus, facts)
    embeddings.insert(site.db, "z-1", images, seen_ND, {})
    embeddings.insert(site.db, "a-1", images, unseen_ND, {})
    return facts


def receipts(site, corpus="/corpus", **roles):
    found = {}
    for role, encoder in (roles or {"clip": "z-1", "ssl": "a-1"}).items():
        name = embeddings.PREFIX + encoder
        version = embeddings.version(site.db, encoder)
        found[role] = Receipt(table=name, version=version, rows=1, digest=digest_rows([], [corpus]))
    version = site.db.version(paths.SPEC)
    return found | {"paths": Receipt(table="paths", version=version, rows=1, digest="")}


def prepare(site, teachers=(), **roles):
    inputs = receipts(site, **roles)
    for corpus in teachers:
        inputs |= {
            f"train-{name}": found for name, found in receipts(site, corpus, **roles).items()
        }
    return probes.prepare(site, ["/corpus"], list(teachers), inputs)


def run(context):
    """Run the stage; return its outcome, its rows by role and attribute, and its receipt."""
    outcome = probes.run(context)
    rows = table.read(context.db, context.facts["scope"])
    by_name = {(row.role, row.attribute): row for row in rows}
    return outcome, by_name, probes.look(context)["probes"]


def test_each_encoder_is_probed_for_each_attribute(site):
    teach(site)

    outcome, rows, receipt = run(prepare(site))

    assert rows.keys() == {(role, name) for role in ("clip", "ssl") for name in ("mood", "side")}
    assert outcome.rows == outcome.new == receipt.rows == 4
    assert rows["clip", "side"].accuracy > 0.9
    for place in rows.keys() - {("clip", "side")}:
        assert rows[place].low < rows[place].chance + 0.05, place
    assert {row.encoder for row in rows.values() if row.role == "clip"} == {"z-1"}
    assert {row.encoder for row in rows.values() if row.role == "ssl"} == {"a-1"}


def test_of_one_corpus_each_image_teaches_or_tests(site):
    facts = teach(site)

    context = prepare(site)

    teaching, testing = context.given.teaching, context.given.testing
    assert not teaching.keys() & testing.keys()
    assert {**teaching, **testing} == know(paths.metadata(site.db, ["/corpus"])).facts
    assert 110 < len(teaching) < 190
    _, rows, _ = run(context)
    assert rows["clip", "side"].train_images == len(teaching)
    assert rows["clip", "side"].test_images == len(facts) - len(teaching)


def test_an_image_keeps_its_side_when_the_corpus_grows(site):
    teach(site)
    before = prepare(site).given
    teach(site, first=300, seed=1)

    after = prepare(site).given

    assert before.teaching.items() <= after.teaching.items()
    assert before.testing.items() <= after.testing.items()


def test_other_corpora_teach_where_there_are_some(site):
    teach(site, count=100)
    teach(site, corpus="/teachers", first=100, seed=1)

    context = prepare(site, ["/teachers"])

    _, rows, _ = run(context)
    assert context.facts["scope"] != prepare(site).facts["scope"]
    assert rows["clip", "side"].train_images == 300
    assert rows["clip", "side"].test_images == 100
    assert rows["clip", "side"].accuracy > 0.9


def test_an_image_of_the_corpus_does_not_teach(site):
    facts = teach(site, count=100)
    teach(site, corpus="/teachers", first=100, seed=1)
    put(site, "/teachers", facts)

    _, rows, _ = run(prepare(site, ["/teachers"]))

    assert rows["clip", "side"].train_images == 300


def test_images_without_a_vector_or_a_value_neither_teach_nor_test(site):
    teach(site)
    put(site, "/corpus", {f"bare-{n}": {"side": "up"} for n in range(50)})
    put(site, "/corpus", {f"{n:04}": {"side": "up"} for n in range(100)})

    _, rows, _ = run(prepare(site))

    images = {name: row.train_images + row.test_images for name, row in rows.items()}
    assert images["clip", "side"] == images["ssl", "side"] == 300
    assert images["clip", "mood"] == images["ssl", "mood"] == 200


def test_probing_again_changes_nothing(site):
    teach(site)
    _, rows, receipt = run(prepare(site))

    outcome, rows_again, receipt_again = run(prepare(site))

    assert (outcome.new, outcome.rows) == (0, 4)
    assert rows_again == rows
    assert receipt_again == receipt
    assert key_of(probes.STAGE, prepare(site)) == key_of(probes.STAGE, prepare(site))


@pytest.mark.parametrize("corpus", ["/corpus", "/teachers"])
def test_a_changed_fact_probes_anew(site, corpus):
    facts = {"/corpus": teach(site, count=100)}
    facts["/teachers"] = teach(site, corpus="/teachers", first=100, seed=1)
    before = prepare(site, ["/teachers"])
    _, _, receipt = run(before)
    turned = {image: {**told, "side": told["mood"]} for image, told in facts[corpus].items()}
    put(site, corpus, turned)

    after = prepare(site, ["/teachers"])

    assert key_of(probes.STAGE, after) != key_of(probes.STAGE, before)
    assert after.facts["scope"] == before.facts["scope"]
    assert run(after)[2].digest != receipt.digest


def test_a_vector_that_is_new_probes_anew(site):
    teach(site)
    context = prepare(site)

    inputs = context.inputs | receipts(site, "more", ssl="a-1")
    after = probes.prepare(site, ["/corpus"], [], inputs)

    assert key_of(probes.STAGE, after) != key_of(probes.STAGE, context)


def test_what_cannot_be_told_apart_is_counted(site):
    facts = teach(site)
    put(site, "/corpus", {i: {**told, "rare": "a"} for i, told in list(facts.items())[:1]})
    put(site, "/corpus", {i: {**told, "rare": "b"} for i, told in list(facts.items())[-1:]})

    outcome, rows, _ = run(prepare(site))

    assert "rare" not in {attribute for _, attribute in rows}
    assert outcome.reasons == {"nothing-to-tell": 2}
    assert outcome.reasons.keys() == probes.REASONS.keys()


@pytest.mark.parametrize("told", [{}, {f"{n:04}": f"number {n}" for n in range(300)}])
def test_captions_are_not_probed(site, told):
    teach(site)
    run(prepare(site))
    put(site, "/corpus", {f"{n:04}": {} for n in range(300)} | told)

    outcome, rows, receipt = run(prepare(site))

    assert (rows, outcome.rows, outcome.reasons, receipt.rows) == ({}, 0, {}, 0)


def test_a_control_is_probed_too_and_an_encoder_in_two_roles_once(site):
    teach(site)

    _, rows, _ = run(prepare(site, clip="z-1", ssl="a-1", control="z-1"))
    assert {role for role, _ in rows} == {"clip", "ssl"}

    _, rows, _ = run(prepare(site, clip="a-1", ssl="a-1", control="z-1"))
    assert {(row.role, row.encoder) for row in rows.values()} == {
        ("clip", "a-1"),
        ("control", "z-1"),
    }
