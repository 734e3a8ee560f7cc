"""The `paths` table: files of corpora that do not disturb each other."""

import dataclasses

from storage import paths
from storage.paths import PathRow


def row(path, *, corpus="/photos", image="aa", **fields):
    return PathRow(
        corpus=corpus,
        path=path,
        image=image,
        **{"label": None, "caption": None, "size_bytes": 9, "mtime_ns": 2**60, "made_by": "m"}
        | fields,
    )


def test_files_come_back_as_written_and_by_corpus_and_path(db):
    told = row("/photos/b.png", label="cats", caption="a cat's 猫")
    bare = row("/photos/a.png")
    other = row("/more/z.png", corpus="/more")
    paths.upsert(db, [told, bare, other])

    assert paths.read(db, ["/photos", "/more"]) == [other, bare, told]


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


def test_a_new_caption_replaces_the_row(db):
    paths.upsert(db, [row("/photos/a.png")])

    paths.upsert(db, [row("/photos/a.png", caption="told")])

    assert [found.caption for found in paths.read(db, ["/photos"])] == ["told"]


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
