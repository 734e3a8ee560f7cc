"""The stage `ingest`: what folders tell of images is kept, and told again without opening them."""

import dataclasses
import json

import pytest

from storage import paths
from tasks import ingest
from tasks.ingest import IngestConfig
from tasks.scenes import FACTORS, scene_at, write_scenes
from tasks.stage import Site, key_of
from tasks.workers import Workers, WorkersConfig
from tests import pictures

NOBODY = Workers(WorkersConfig(scheduler="tcp://127.0.0.1:9"))
"""Workers that fail whoever gives them a file to open."""


@pytest.fixture(scope="module")
def workers():
    """A worker that all tests of this module share."""
    with Workers(WorkersConfig(workers=1, device="cpu")) as started:
        yield started


@pytest.fixture
def site(db, home, workers):
    return Site(db=db, home=home, workers=workers)


def tell(photos, *rows):
    """Write the sidecar of a corpus."""
    lines = [json.dumps({"file_name": name, **said}) for name, said in rows]
    (photos / "metadata.jsonl").write_text("\n".join(lines))


def prepare(site, *folders):
    return ingest.prepare(site, IngestConfig(), ingest.resolve_corpora(list(map(str, folders))))


def ingested(site, *folders):
    """Run the stage; return its receipts."""
    context = prepare(site, *folders)
    ingest.run(context)
    return ingest.look(context)


def told_of(site, folder):
    """What is stored of the files of a corpus, by their names."""
    (corpus,) = ingest.resolve_corpora([str(folder)])
    return {
        row.path.removeprefix(f"{corpus}/"): (row.label, row.caption, row.attributes)
        for row in paths.read(site.db, [corpus])
    }


@pytest.fixture
def two(tmp_path):
    """A corpus of two pictures, one of which is told of."""
    folder = tmp_path / "two"
    for name, seed in (("1.png", 1), ("2.png", 2)):
        pictures.draw_photo(folder / name, seed)
    tell(folder, ("1.png", {"caption": "a cat", "fur": "white", "age": 7}))
    return folder


def test_captions_and_attributes_are_stored_with_the_file(site, two):
    ingested(site, two)

    assert told_of(site, two) == {
        "1.png": (None, "a cat", '{"age":"7","fur":"white"}'),
        "2.png": (None, None, None),
    }


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ({"caption": "a cat", "fur": "grey", "age": 7}, ("a cat", '{"age":"7","fur":"grey"}')),
        ({"caption": "a dog", "fur": "white", "age": 7}, ("a dog", '{"age":"7","fur":"white"}')),
        ({"caption": "a cat"}, ("a cat", None)),
        ({}, (None, None)),
    ],
)
def test_a_changed_sidecar_is_told_again_without_opening_an_image(site, two, said, stored):
    before, key = ingested(site, two), key_of(ingest.STAGE, prepare(site, two))
    tell(two, ("1.png", said), ("2.png", {"fur": "black"}))
    idle = dataclasses.replace(site, workers=NOBODY)

    context = prepare(idle, two)
    forecast = ingest.forecast(context)
    after = ingested(idle, two)

    assert key_of(ingest.STAGE, context) != key
    assert forecast == {"files to open": 0, "files gone": 0}
    assert told_of(site, two) == {
        "1.png": (None, *stored),
        "2.png": (None, None, '{"fur":"black"}'),
    }
    assert after["paths"].digest != before["paths"].digest
    assert after["images"] == before["images"]


def test_a_sidecar_that_says_the_same_in_other_words_changes_nothing(site, two):
    before = ingested(site, two)
    tell(two, ("./1.png", {"age": "7", "fur": " white", "weight": None, "caption": "a cat"}))

    after = ingested(dataclasses.replace(site, workers=NOBODY), two)

    assert after == before


@pytest.mark.parametrize("column", ["label", "caption", "attributes"])
def test_every_text_enters_the_digest_of_paths(site, two, column):
    ingested(site, two)
    context = prepare(site, two)
    told, bare = paths.read(site.db, context.facts["corpora"])
    digests = set()

    for text in ("told", "None", "", None):
        paths.upsert(site.db, [dataclasses.replace(told, **{column: text}), bare])
        digests.add(ingest.look(context)["paths"].digest)

    assert len(digests) == 4


def test_rows_of_no_file_are_counted(site, two):
    tell(two, ("1.png", {"fur": "white"}), ("lost.png", {"fur": "white"}))

    outcome = ingest.run(prepare(site, two))

    assert outcome.reasons == {"caption-without-file": 1}


def test_scenes_bring_their_thirteen_factors(site, tmp_path):
    folder = tmp_path / "scenes"
    write_scenes(folder, 12, seed=5)

    ingested(site, folder)

    stored = told_of(site, folder)
    assert len(stored) == 12
    for number in range(12):
        scene, *_ = scene_at(5, number)
        label, caption, attributes = stored[f"{scene.kind}/scene-{number:05d}.png"]
        assert json.loads(attributes) == dataclasses.asdict(scene)
        assert len(json.loads(attributes)) == len(FACTORS) == 13
        assert label == scene.kind
        assert scene.kind in caption.split()
