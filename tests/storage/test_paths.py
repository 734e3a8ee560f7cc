"""The `paths` table: files of corpora that do not disturb each other, and what they tell."""

import dataclasses

import pyarrow as pa
import pytest

from storage import paths
from storage.paths import Metadata, PathRow

BARE = {"label": None, "caption": None, "attributes": None}


def row(path, *, corpus="/photos", image="aa", **fields):
    return PathRow(
        corpus=corpus,
        path=path,
        image=image,
        **BARE | {"size_bytes": 9, "mtime_ns": 2**60, "made_by": "m"} | fields,
    )


def told(label=None, caption=None, **attributes):
    return Metadata(label=label, caption=caption, attributes=attributes)


def test_files_come_back_as_written_and_by_corpus_and_path(db):
    full = row("/photos/b.png", label="cats", caption="a cat's 猫", attributes='{"fur":"猫"}')
    bare = row("/photos/a.png")
    other = row("/more/z.png", corpus="/more")
    paths.upsert(db, [full, bare, other])

    assert paths.read(db, ["/photos", "/more"]) == [other, bare, full]


def test_only_the_corpora_asked_for_are_read(db):
    paths.upsert(db, [row("/photos/a.png"), row("/more/z.png", corpus="/more")])

    assert [found.path for found in paths.read(db, ["/photos"])] == ["/photos/a.png"]
    assert paths.read(db, []) == []
    assert paths.corpora(db) == ["/more", "/photos"]


def test_a_file_that_two_corpora_hold_has_a_row_in_each(db):
    outer = row("/photos/in/a.png")
    inner = dataclasses.replace(outer, corpus="/photos/in")
    paths.upsert(db, [outer, inner])

    paths.remove(db, "/photos", [outer.path])

    assert paths.read(db, ["/photos", "/photos/in"]) == [inner]


@pytest.mark.parametrize("column", list(BARE))
def test_a_new_text_replaces_the_row(db, column):
    paths.upsert(db, [row("/photos/a.png")])

    paths.upsert(db, [row("/photos/a.png", **{column: "told"})])

    assert [getattr(found, column) for found in paths.read(db, ["/photos"])] == ["told"]


def test_a_store_from_before_attributes_gains_them(db):
    column = paths.SPEC.schema.get_field_index("attributes")
    older = paths.SPEC._replace(schema=paths.SPEC.schema.remove(column))
    rows = [row("/photos/a.png"), row("/photos/b.png", caption="b")]
    values = [dataclasses.asdict(each) for each in rows]
    db.upsert(older, pa.Table.from_pylist(values, schema=older.schema))
    pinned = db.version(older)

    again = dataclasses.replace(rows[0], attributes='{"hue":"red"}')
    paths.upsert(db, [again])

    assert paths.read(db, ["/photos"]) == [again, rows[1]]
    assert paths.read(db, ["/photos"], version=pinned) == rows
    assert paths.metadata(db, ["/photos"], version=pinned) == {"aa": told(caption="b")}


def test_equal_attributes_are_equal_texts():
    one, two = {"hue": "猫", "count": "2"}, {"count": "2", "hue": "猫"}

    assert paths.attributes_json(one) == paths.attributes_json(two) == '{"count":"2","hue":"猫"}'
    assert paths.attributes_json({}) is None


def test_files_with_quotes_in_their_names_can_be_removed(db):
    names = ["/it's/a.png", "/it's/'; DROP TABLE paths; --.png", '/it\'s/"b".png', "/it's/猫.png"]
    paths.upsert(db, [row(name, corpus="/it's") for name in names])

    paths.remove(db, "/it's", names[:3])

    assert [found.path for found in paths.read(db, ["/it's"])] == ["/it's/猫.png"]


def test_removing_no_files_removes_none(db):
    paths.upsert(db, [row("/photos/a.png")])

    paths.remove(db, "/photos", [])

    assert len(paths.read(db, ["/photos"])) == 1


def test_images_are_distinct_and_know_their_files(db):
    paths.upsert(
        db,
        [
            row("/photos/c.png", image="zz"),
            row("/photos/b.png", image="aa"),
            row("/photos/a.png", image="zz"),
            row("/more/z.png", corpus="/more", image="bb"),
        ],
    )

    held = paths.images(db, ["/photos"])

    assert paths.images(db, ["/photos"], only=["zz", "bb"]) == {"zz": held["zz"]}
    assert list(held.items()) == [
        ("aa", ["/photos/b.png"]),
        ("zz", ["/photos/a.png", "/photos/c.png"]),
    ]


def test_files_and_images_are_those_of_the_version_asked_for(db):
    paths.upsert(db, [row("/photos/a.png")])
    version = db.version(paths.SPEC)
    paths.remove(db, "/photos", ["/photos/a.png"])

    assert len(paths.read(db, ["/photos"], version=version)) == 1
    assert paths.images(db, ["/photos"], version=version) == {"aa": ["/photos/a.png"]}
    assert paths.images(db, ["/photos"]) == {}


def test_an_image_of_one_file_has_the_metadata_of_its_file(db):
    attributes = {"hue": "red", "it's": 'a "quoted" 猫'}
    full = row("/photos/a.png", label="cats", caption="a cat")
    full = dataclasses.replace(full, attributes=paths.attributes_json(attributes))
    paths.upsert(db, [full, row("/photos/b.png", image="bb"), row("/x/c.png", corpus="/x")])

    held = paths.metadata(db, ["/photos"])

    assert held == {
        "aa": Metadata(label="cats", caption="a cat", attributes=attributes),
        "bb": told(),
    }
    assert paths.metadata(db, []) == {}
    assert paths.metadata(db, ["/photos"], only=["bb"]) == {"bb": told()}
    assert paths.metadata(db, ["/photos"], version=0) == {}


def test_files_of_an_image_that_contradict_each_other_tell_nothing(db):
    paths.upsert(
        db,
        [
            row("/a/1.png", corpus="/a", label="cats", attributes='{"hue":"red","size":"big"}'),
            row("/a/2.png", corpus="/a", attributes='{"size":"small","state":"new"}'),
            row("/b/1.png", corpus="/b", label="dogs", attributes='{"hue":"red"}'),
            row("/c/1.png", corpus="/c", label="cats", attributes='{"state":"old"}'),
        ],
    )

    assert paths.metadata(db, ["/a"]) == {"aa": told("cats", hue="red", state="new")}
    assert paths.metadata(db, ["/a", "/b"]) == {"aa": told(None, hue="red", state="new")}
    assert paths.metadata(db, ["/a", "/c"]) == {"aa": told("cats", hue="red")}


def test_the_caption_is_that_of_the_first_file_that_has_one(db):
    rows = [
        row("/a/1.png", corpus="/a"),
        row("/a/3.png", corpus="/a", caption="third"),
        row("/a/2.png", corpus="/a", caption="second"),
        row("/0/9.png", corpus="/0", caption="of the first corpus"),
    ]
    paths.upsert(db, rows)

    assert paths.metadata(db, ["/a"]) == {"aa": told(caption="second")}
    assert paths.metadata(db, ["/a", "/0"]) == {"aa": told(caption="of the first corpus")}


def test_metadata_is_that_of_the_version_asked_for_in_the_order_of_images(db):
    paths.upsert(db, [row("/a/1.png", corpus="/a", image="zz", caption="before")])
    version = db.version(paths.SPEC)
    changed = row("/a/1.png", corpus="/a", image="zz", caption="after")
    paths.upsert(db, [changed, row("/a/2.png", corpus="/a")])

    assert paths.metadata(db, ["/a"], version=version) == {"zz": told(caption="before")}
    assert list(paths.metadata(db, ["/a"])) == ["aa", "zz"]
