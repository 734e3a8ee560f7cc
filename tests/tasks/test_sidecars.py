"""Sidecars: captions and attributes of images, from the columns of a CSV or JSONL file."""

import json
from pathlib import Path

import pytest

from tasks.sidecars import (
    ATTRIBUTE_CHARACTERS,
    CAPTION_COLUMNS,
    PATH_COLUMNS,
    SIDECARS,
    SidecarEntry,
    read_sidecar,
)
from tests.tasks.corpora.listings import list_corpus


@pytest.fixture
def corpus(tmp_path):
    """An empty folder, by its full name."""
    folder = tmp_path.resolve() / "corpus"
    folder.mkdir()
    return folder


def put(corpus, *names, content="x"):
    for name in names:
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_text(content, encoding="utf-8")


def rows_of(corpus, *rows, name="captions.jsonl"):
    """Return what a sidecar with these rows says, by the path that they write."""
    put(corpus, name, content="".join(json.dumps(row) + "\n" for row in rows))
    told = read_sidecar(str(corpus / name), str(corpus))
    return {str(Path(path).relative_to(corpus)): entry for path, entry in told.items()}


def attributes_of(corpus):
    listing = list_corpus(str(corpus))
    return {Path(entry.path).name: entry.attributes for entry in listing.files}


def captions_of(corpus, **options):
    listing = list_corpus(str(corpus), **options)
    return {Path(entry.path).name: entry.caption for entry in listing.files}


@pytest.mark.parametrize("path_column", PATH_COLUMNS)
@pytest.mark.parametrize("caption_column", CAPTION_COLUMNS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_captions_are_read_under_the_usual_column_names(corpus, kind, path_column, caption_column):
    put(corpus, "a/1.png", "2.png")
    row = {"id": 7, path_column: "a/1.png", caption_column: 'a "quoted", comma\'d 猫'}
    if kind == "csv":
        quoted = ['"' + str(value).replace('"', '""') + '"' for value in row.values()]
        put(corpus, "captions.csv", content=",".join(row) + "\n" + ",".join(quoted) + "\n")
    else:
        put(corpus, "captions.jsonl", content=json.dumps(row) + "\n\n")

    assert captions_of(corpus) == {"1.png": 'a "quoted", comma\'d 猫', "2.png": None}


@pytest.mark.parametrize("name", SIDECARS)
def test_a_captions_file_at_the_top_is_found_and_is_not_listed(corpus, name):
    put(corpus, "1.png")
    row = '{"path": "1.png", "caption": "told"}\n'
    put(corpus, name, content="path,caption\n1.png,told\n" if name.endswith("csv") else row)

    assert captions_of(corpus) == {"1.png": "told"}


def test_a_captions_file_deeper_in_the_tree_is_a_file_like_others(corpus):
    put(corpus, "1.png", "a/captions.csv", content="path,caption\n1.png,told\n")

    assert captions_of(corpus) == {"1.png": None, "captions.csv": None}


def test_a_captions_file_that_is_named_comes_before_the_usual_one(corpus, tmp_path):
    put(corpus, "1.png")
    put(corpus, "captions.csv", content="path,caption\n1.png,usual\n")
    put(tmp_path, "mine.jsonl", content='{"path": "1.png", "caption": "mine"}\n')

    captions = captions_of(corpus, captions_file=str(tmp_path / "mine.jsonl"))

    assert captions["1.png"] == "mine"


def test_paths_of_captions_may_be_written_in_any_way(corpus):
    put(corpus, "a/1.png", "a/2.png", "a/3.png")
    rows = ["./a/1.png,one", "a/../a//2.png,two", f"{corpus}/a/3.png,three"]
    put(corpus, "captions.csv", content="\n".join(["path,caption", *rows]))

    assert captions_of(corpus) == {"1.png": "one", "2.png": "two", "3.png": "three"}


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(corpus):
    put(corpus, "1.png")
    (corpus / "captions.csv").write_bytes(b"\xef\xbb\xbfpath,caption\r\n1.png,told\r\n")

    assert captions_of(corpus) == {"1.png": "told"}


def test_rows_that_no_file_takes_are_counted(corpus):
    put(corpus, "1.png")
    rows = ["1.png,told,", "2.png,lost,", "../3.png,,lost", "4.png,,"]
    put(corpus, "captions.csv", content="\n".join(["path,caption,tag", *rows]))

    assert list_corpus(str(corpus)).entries_unused == 2


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("captions.jsonl", '{"path": "1.png"}\n\n{"path": \n', "line 3: Expecting value"),
        ("captions.jsonl", '{"path": "1.png"}\n["1.png", "told"]\n', "line 2.* list, expected"),
        ("captions.jsonl", '{"path": "1.png"}\n{"caption": "told"}\n', "line 2.* no column names"),
        ("captions.csv", "name,caption\n1.png,told\n", "line 2.* found .'caption', 'name'.*path"),
        ("captions.csv", "path,caption\n1.png,told\n,told\n", "line 3.* no column names the image"),
        ("captions.csv", 'path,caption\n1.png,"two\nlines"\n,told\n', "line 4.* no column names"),
        ("captions.csv", "path,caption\n1.png," + "x" * 200_000, "line 2.* field"),
    ],
)
def test_a_malformed_captions_file_is_refused_by_name_and_line(corpus, name, content, told):
    put(corpus, "1.png")
    put(corpus, name, content=content)

    with pytest.raises(ValueError, match=rf"captions file '{corpus}/{name}'.*{told}"):
        list_corpus(str(corpus))


def test_a_captions_file_that_is_no_text_is_refused_by_name(corpus):
    (corpus / "captions.csv").write_bytes(b"path,caption\n1.png,\xff\xfe\n")

    with pytest.raises(ValueError, match=rf"captions file '{corpus}/captions.csv'.*'utf-8'"):
        list_corpus(str(corpus))


def test_a_captions_file_that_is_not_there_is_refused(corpus):
    with pytest.raises(ValueError, match=r"captions file 'nowhere\.csv' does not exist"):
        list_corpus(str(corpus), "nowhere.csv")


@pytest.mark.parametrize("content", ["path\n1.png\n", "path,file\n1.png,1.png\n"])
def test_a_captions_file_of_nothing_but_paths_is_refused(corpus, content):
    put(corpus, "1.png", "captions.csv", content=content)

    with pytest.raises(ValueError, match=r"no column holds captions or attributes, .*'path'"):
        list_corpus(str(corpus))


@pytest.mark.parametrize("content", ["id,licence\n1,MIT\n", "path\n1.png\n", ""])
def test_a_metadata_file_of_another_kind_is_no_sidecar(corpus, content):
    put(corpus, "1.png")
    put(corpus, "metadata.csv", content=content)

    listing = list_corpus(str(corpus))

    assert [Path(file.path).name for file in listing.files] == ["1.png", "metadata.csv"]
    assert listing.entries_unused == 0


@pytest.mark.parametrize("name", SIDECARS)
def test_a_file_of_paths_and_attributes_needs_no_captions(corpus, name):
    put(corpus, "1.png", "2.png")
    row = '{"path": "1.png", "author": "me"}\n'
    put(corpus, name, content="path,author\n1.png,me\n" if name.endswith("csv") else row)

    assert captions_of(corpus) == {"1.png": None, "2.png": None}
    assert attributes_of(corpus) == {"1.png": {"author": "me"}, "2.png": {}}


def test_the_first_row_of_a_metadata_file_may_tell_nothing(corpus):
    put(corpus, "1.png", "2.png")
    rows = ['{"path": "1.png"}', '{"path": "2.png", "author": "me"}']
    put(corpus, "metadata.jsonl", content="\n".join(rows))

    assert attributes_of(corpus) == {"1.png": {}, "2.png": {"author": "me"}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" red \n", "red"),
        ("猫", "猫"),
        (7, "7"),
        (0, "0"),
        (0.5, "0.5"),
        (True, "yes"),
        (False, "no"),
        ("x" * ATTRIBUTE_CHARACTERS, "x" * ATTRIBUTE_CHARACTERS),
    ],
)
def test_short_scalars_are_attributes(corpus, value, text):
    told = rows_of(corpus, {"path": "1.png", "what": value})

    assert told == {"1.png": SidecarEntry(None, {"what": text})}


@pytest.mark.parametrize(
    "value",
    [None, "", " \t", [], ["red"], {"of": "red"}, float("nan"), "x" * (ATTRIBUTE_CHARACTERS + 1)],
)
def test_other_values_are_no_attributes(corpus, value):
    told = rows_of(corpus, {"path": "1.png", "hue": "red", "what": value})

    assert told == {"1.png": SidecarEntry(None, {"hue": "red"})}


def test_columns_of_a_csv_file_are_attributes_as_they_are_written(corpus):
    put(corpus, "1.png", "2.png")
    rows = ["path, caption ,hue,,count", "1.png,told, red ,index,007,too,much", "2.png,,blue"]
    put(corpus, "metadata.csv", content="\n".join(rows))

    assert attributes_of(corpus) == {
        "1.png": {"hue": "red", "count": "007"},
        "2.png": {"hue": "blue"},
    }
    assert captions_of(corpus) == {"1.png": "told", "2.png": None}


def test_columns_of_paths_and_the_column_of_the_caption_are_no_attributes(corpus):
    told = rows_of(
        corpus,
        {"file": "1.png", "image": "7", "caption": "a car", "text": "STOP"},
        {"file": "2.png", "image": "8", "caption": "", "text": "a dog"},
    )

    assert told == {
        "1.png": SidecarEntry("a car", {"text": "STOP"}),
        "2.png": SidecarEntry("a dog", {}),
    }


def test_of_several_rows_of_an_image_later_ones_win(corpus):
    told = rows_of(
        corpus,
        {"path": "1.png", "caption": "one", "hue": "red", "count": 1},
        {"path": "./1.png", "caption": "two", "hue": "blue"},
        {"path": "1.png", "caption": None, "state": "new"},
    )

    assert told == {"1.png": SidecarEntry("two", {"hue": "blue", "count": "1", "state": "new"})}


def test_a_row_that_tells_nothing_gives_no_entry(corpus):
    assert rows_of(corpus, {"path": "1.png", "caption": "", "hue": None}) == {}


def test_half_a_character_in_a_text_is_written_out_as_unknown(corpus):
    told = rows_of(corpus, {"path": "1.png", "caption": "a 🐈 and \ud83d", "mood": "\ud83d"})

    assert told == {"1.png": SidecarEntry("a 🐈 and ?", {"mood": "?"})}
