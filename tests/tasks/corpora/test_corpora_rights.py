"""What corpora tell of licences and sources, and what their users say of columns and values."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.corpora.corpus import Rights
from tasks.corpora.opening import open_corpus
from tasks.ingest import IngestConfig
from tests.tasks.corpora.builders import picture, pictures, put, write_tar
from tests.tasks.corpora.listings import read_items

CC = {"license": "CC-BY-4.0", "url": "https://example.org/1", "photographer": "A. Nobody"}
KNOWN = Rights("CC-BY-4.0", "https://example.org/1", "A. Nobody")


def folder(place, rows, name="metadata.jsonl"):
    for number in (0, 1):
        put(place / f"{number}.png", picture(number).data)
    lines = (json.dumps(row) + "\n" for row in rows)
    (place / name).write_text("".join(lines))
    return place


def told_in(corpus, **config):
    """What an ingest with this config would be told of the images, in order."""
    opened = open_corpus(str(corpus), IngestConfig(**config).reading())
    if opened.listing.files:
        return [(e.label, e.caption, e.attributes, e.rights) for e in opened.listing.files]
    parts = [part for one in opened.listing.archives for part in opened.corpus.cut(one)]
    return [tuple(item.told) for part in parts for item in opened.corpus.read(part)]


def table(path, **columns):
    pq.write_table(pa.table({"image": [one.data for one in pictures(1)], **columns}), path)
    return path


@pytest.mark.parametrize("kind", ["folder", "tar", "table"])
def test_licence_and_source_are_no_attributes(tmp_path, kind):
    corpus = {
        "folder": lambda: folder(tmp_path / "f", [{"file_name": "0.png", "fur": "black", **CC}]),
        "tar": lambda: write_tar(tmp_path / "a.tar", pictures(1), **CC),
        "table": lambda: table(
            tmp_path / "a.parquet", fur=["black"], **{k: [v] for k, v in CC.items()}
        ),
    }[kind]()

    first = told_in(corpus)[0]

    assert first[2:] == ({"fur": "black"}, KNOWN)


def test_an_address_that_images_are_fetched_from_is_their_source(tmp_path):
    pq.write_table(pa.table({"url": ["http://127.0.0.1:9/a.png"]}), tmp_path / "a.parquet")

    (item,) = read_items(tmp_path / "a.parquet")

    assert item.told.rights == Rights(source="http://127.0.0.1:9/a.png")


def test_columns_of_any_name_are_what_their_user_says(tmp_path):
    columns = {"species": "label", "alt": "caption", "lic": "licence", "c": "colour"}
    row = {"species": "0", "alt": "a cat", "lic": "4", "c": "red"}
    words = {"label": {"0": "cat"}, "licence": {"4": "CC0"}, "colour": {"red": "scarlet"}}
    expected = ("cat", "a cat", {"colour": "scarlet"}, Rights("CC0", None, None))

    as_table = table(tmp_path / "a.parquet", **{name: [value] for name, value in row.items()})
    as_folder = folder(tmp_path / "f", [{"img": "0.png", **row}], "captions.jsonl")

    assert told_in(as_table, columns=columns, words=words) == [expected]
    _, caption, attributes, rights = told_in(
        as_folder, columns={"img": "path", **columns}, words=words
    )[0]
    assert (caption, attributes, rights) == (
        "a cat",
        {"colour": "scarlet", "label": "cat"},
        Rights("CC0"),
    )


def test_what_a_user_says_of_a_corpus_holds_where_it_tells_nothing_itself(tmp_path):
    corpus = folder(tmp_path / "f", [{"file_name": "0.png", **CC}])

    first, second = told_in(corpus, licence="CC0", attribution="us")[:2]

    assert first[3] == KNOWN
    assert second[3] == Rights("CC0", None, "us")
