"""What the page shows of pairs and images, read from a real store."""

import io

import numpy as np
import pytest
from PIL import Image

from storage import embeddings, paths
from storage.embeddings import PREFIX
from tasks.annotation.material import Material
from tasks.annotation.outcome import pairs_in_order
from tasks.annotation.pictures import LARGEST_PX, SMALL_PX, Pictures
from tasks.images import RefusedImageError, image_id
from tests.flows.annotation.site import ENCODER, MINING, caption_of, make_home, path_row


@pytest.fixture
def held(tmp_path):
    """A store with four pairs of pictures, and its corpus."""
    db = make_home(tmp_path / "home", tmp_path / "photos", count=4)
    return db, str(tmp_path / "photos")


def test_pairs_come_with_wide_gaps_first_and_with_what_the_corpus_tells(held):
    db, corpus = held
    material = Material(db, MINING, [corpus])

    gaps = [row.clip_cosine - row.ssl_cosine for row in pairs_in_order(db, MINING)]
    first = next(iter(material.rows))

    assert gaps == sorted(gaps, reverse=True)
    assert {one["caption"] for one in material.told(first)} == set(map(caption_of, (0, 1)))
    assert {one["attributes"]["place"] for one in material.told(first)} == {"left", "right"}
    assert len(material.images) == 8


def test_similar_pairs_are_those_of_images_near_by_without_those_that_are_hidden(held):
    db, corpus = held
    rows = list(Material(db, MINING, [corpus]).rows.values())
    angles = dict(zip(rows, (0.0, 0.4, 0.1, 0.2), strict=True))
    vectors = [(i, a) for row, a in angles.items() for i in (row.image_a, row.image_b)]
    write_vectors(db, vectors)

    material = Material(db, MINING, [corpus])
    found = material.similar(rows[0].pair_id)

    assert found == [rows[2], rows[3], rows[1]]
    assert material.similar(rows[0].pair_id, [rows[3].pair_id]) == [rows[2], rows[1]]


def write_vectors(db, vectors):
    ids = [image for image, _ in vectors]
    turned = np.array([[np.cos(angle), np.sin(angle)] for _, angle in vectors], np.float16)
    written = embeddings.write(db.uri, ENCODER, 2, [(ids, turned)])
    embeddings.append(db, ENCODER, [written], {}, read_version=0)


def test_without_vectors_similar_pairs_are_those_that_share_an_image(held):
    db, corpus = held
    material = Material(db, MINING, [corpus])

    assert PREFIX + ENCODER not in db.tables()
    assert material.similar(next(iter(material.rows))) == []


def stored(db, corpus, file, data):
    file.write_bytes(data)
    image = image_id(data)
    paths.upsert(db, [path_row(corpus, file, image, 99)])
    return image


def encoded(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "mode", "as_it_is", "why"),
    [
        ("PNG", "RGB", True, "every browser shows it"),
        ("JPEG", "L", True, "every browser shows it"),
        ("PNG", "RGBA", False, "a browser lays it on the page's ground, the encoders on white"),
        ("TIFF", "RGB", False, "browsers do not show it"),
        ("GIF", "P", False, "it may move"),
    ],
)
def test_an_image_is_sent_so_that_people_see_what_encoders_saw(
    held, tmp_path, form, mode, as_it_is, why
):
    db, corpus = held
    data = encoded(Image.new("RGBA", (40, 20), (200, 30, 30, 128)).convert(mode), form)
    image = stored(db, corpus, tmp_path / "extra", data)

    found = Pictures(db, [corpus]).read(image)

    assert (found.data == data) is as_it_is, why
    assert found.media_type == ("image/jpeg" if form == "JPEG" else "image/png")
    shown = Image.open(io.BytesIO(found.data))
    assert shown.size == (40, 20)
    if mode == "RGBA":
        assert shown.convert("RGB").getpixel((0, 0)) == (227, 142, 142)


def test_large_images_are_scaled_down_and_small_ones_are_small(held, tmp_path):
    db, corpus = held
    large = Image.new("RGB", (LARGEST_PX + 400, 90))
    image = stored(db, corpus, tmp_path / "large", encoded(large, "PNG"))
    pictures = Pictures(db, [corpus])

    assert Image.open(io.BytesIO(pictures.read(image).data)).width == LARGEST_PX
    assert Image.open(io.BytesIO(pictures.read_small(image).data)).width == SMALL_PX


def test_an_image_whose_file_has_changed_is_not_shown(held, tmp_path):
    db, corpus = held
    image = stored(db, corpus, tmp_path / "one", encoded(Image.new("RGB", (9, 9)), "PNG"))
    (tmp_path / "one").write_bytes(b"something else")

    with pytest.raises(RefusedImageError):
        Pictures(db, [corpus]).read(image)
