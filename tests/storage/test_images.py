"""The `images` table: one row per content."""

import dataclasses

from storage import images
from storage.images import ImageRow

ROW = ImageRow(
    image="aa", width=640, height=480, format="JPEG", mode="RGB", frames=1, size_bytes=2**33
)


def test_an_image_is_stored_once_however_often_it_is_found(db):
    images.upsert(db, [ROW, dataclasses.replace(ROW, image="ab"), ROW])
    images.upsert(db, [ROW])

    assert images.ids(db) == ["aa", "ab"]
    assert db.read(images.SPEC).to_pylist()[0] == dataclasses.asdict(ROW)


def test_ids_are_those_of_the_version_asked_for(db):
    images.upsert(db, [ROW])
    version = db.version(images.SPEC)
    images.upsert(db, [dataclasses.replace(ROW, image="ab")])

    assert images.ids(db, version=version) == ["aa"]
    assert images.ids(db, version=0) == []
