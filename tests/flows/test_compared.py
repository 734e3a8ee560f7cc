"""An export is compared with other data: by bytes, and by the encoders of its own mining."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from flows.compared import compare
from flows.settings import Settings
from storage import embeddings, paths
from storage.database import Database
from storage.embeddings import PREFIX
from storage.minings import MiningRow
from storage.tables import SPECS
from tasks.encoders import EncoderConfig, load
from tasks.images import decode, image_id
from tasks.workers import WorkersConfig
from tests.flows.test_export_benchmark import path_of
from tests.pictures import draw_photo

CPU = WorkersConfig(device="cpu")


@pytest.fixture(scope="module")
def encoders():
    return {role: load(EncoderConfig(spec=f"tiny:{role}")) for role in ("clip", "ssl")}


@pytest.fixture
def db(home):
    found = Database(Settings.read().store)
    found.make(SPECS.values())
    return found


@pytest.fixture
def files(tmp_path):
    """Three pictures of the benchmark."""
    return [draw_photo(tmp_path / "photos" / f"{number}.png", number) for number in (1, 2, 3)]


@pytest.fixture
def mining(db, encoders, files):
    """A mining whose images have vectors."""
    ids = [image_id(file.read_bytes()) for file in files]
    for encoder in encoders.values():
        vectors_ND = encoder.embed([decode(file.read_bytes()).pixels_HWC for file in files])
        embeddings.insert(db, encoder.identity.name, ids, vectors_ND, encoder.identity.facts)
    return MiningRow(
        mining="m",
        made_by="f" * 64,
        clip=PREFIX + encoders["clip"].identity.name,
        ssl=PREFIX + encoders["ssl"].identity.name,
        clip_above=0.95,
        ssl_below=0.6,
        found=1,
        alike=0,
        images=sorted(ids),
    )


@pytest.fixture
def elsewhere(tmp_path, files):
    """Other data: the first picture itself, the second as a JPEG, one of its own."""
    folder = tmp_path / "training"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "copy.png").write_bytes(files[0].read_bytes())
    Image.open(files[1]).save(folder / "again.jpg", quality=98)
    draw_photo(folder / "other.png", 77)
    return folder


def found_in(db, mining, place, **more):
    options = {"above": 0.99, "workers": CPU} | more
    return compare(db, mining, mining.images, [str(place)], **options)


def test_the_same_bytes_and_near_duplicates_are_found(db, mining, files, elsewhere):
    found = found_in(db, mining, elsewhere)

    first, second, _ = (image_id(file.read_bytes()) for file in files)
    assert {(one.image, one.place, one.path, one.kind) for one in found.held} == {
        (first, "training", "a/copy.png", "same-bytes"),
        (second, "training", "again.jpg", "near-duplicate"),
    }
    assert (found.images, found.unreadable) == (3, 0)
    (near,) = (one for one in found.held if one.kind == "near-duplicate")
    assert 0.99 < near.clip_cosine <= 1
    assert 0.99 < near.ssl_cosine <= 1


@pytest.mark.parametrize("stored", [False, True])
def test_a_mirrored_picture_is_found_if_it_is_asked_for(
    db, mining, encoders, files, elsewhere, stored
):
    """So is an image of which the store has the vectors."""
    turned = elsewhere / "turned.png"
    ImageOps.mirror(Image.open(files[2])).save(turned)
    if stored:
        paths.upsert(db, [path_of(turned, corpus=str(elsewhere))])
        for encoder in encoders.values():
            vectors_ND = encoder.embed([decode(turned.read_bytes()).pixels_HWC])
            ids = [image_id(turned.read_bytes())]
            embeddings.insert(db, encoder.identity.name, ids, vectors_ND, {})
    by_id = {image_id(file.read_bytes()): file.read_bytes() for file in files}

    plain, found = (
        found_in(db, mining, elsewhere, mirrored=read) for read in (None, by_id.__getitem__)
    )

    assert "turned.png" not in {one.path for one in plain.held}
    assert set(plain.held) < set(found.held)
    (mirrored,) = set(found.held) - set(plain.held)
    assert (mirrored.image, mirrored.path, mirrored.kind) == (
        image_id(files[2].read_bytes()),
        "turned.png",
        "mirrored",
    )


def test_vectors_in_the_store_are_taken_as_they_are(db, mining, encoders, files, elsewhere):
    """The other picture is given the third's vectors, which no encoder would give it."""
    third, other = files[2], elsewhere / "other.png"
    paths.upsert(db, [path_of(other, corpus=str(elsewhere))])
    for role in ("clip", "ssl"):
        name = encoders[role].identity.name
        version = embeddings.version(db, name)
        ids = [image_id(third.read_bytes())]
        _, vectors_ND = embeddings.read(db, name, ids, version=version)
        embeddings.insert(db, name, [image_id(other.read_bytes())], vectors_ND, {})

    found = found_in(db, mining, elsewhere)

    assert found.images == 1, "of a corpus in the store, the images are those that were ingested"
    assert [(one.image, one.path) for one in found.held] == [(ids[0], "other.png")]


def test_what_cannot_be_read_is_counted(db, mining, elsewhere):
    (elsewhere / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")

    assert found_in(db, mining, elsewhere).unreadable == 1


def test_an_encoder_that_nobody_knows_is_named(db, mining, elsewhere):
    name = "gone-0123456789ab"
    images = np.eye(3, 5)
    embeddings.insert(db, name, mining.images, images, {})

    with pytest.raises(ValueError, match="no vectors of gone-0123456789ab"):
        found_in(db, replace(mining, clip=PREFIX + name), elsewhere)


def test_images_without_vectors_are_not_taken_for_unique(db, mining, elsewhere):
    with pytest.raises(ValueError, match="1 images of the benchmark have no vectors"):
        compare(db, mining, ["f" * 64], [str(elsewhere)], above=0.99, workers=CPU)
