"""Corpora: every file of a tree is listed or reported, with labels and captions where told."""

import errno
import json
import os
from pathlib import Path

import pytest

from tasks.corpora import CAPTION_COLUMNS, PATH_COLUMNS, SIDECARS, list_corpus, resolve_corpus


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


def names_of(corpus, **options):
    listing = list_corpus(str(corpus), **options)
    return [str(Path(entry.path).relative_to(corpus)) for entry in listing.files]


def labels_of(corpus):
    return {Path(entry.path).name: entry.label for entry in list_corpus(str(corpus)).files}


def captions_of(corpus, **options):
    listing = list_corpus(str(corpus), **options)
    return {Path(entry.path).name: entry.caption for entry in listing.files}


def reported(corpus):
    return {
        str(Path(place.path).relative_to(corpus)): place.reason
        for place in list_corpus(str(corpus)).unreadable
    }


def test_files_are_found_at_any_depth_and_by_path(corpus):
    put(corpus, "b/2.png", "a/deep/er/3.jpg", "z.webp", "b/1.png", "b/no-image.txt")

    assert names_of(corpus) == [
        "a/deep/er/3.jpg",
        "b/1.png",
        "b/2.png",
        "b/no-image.txt",
        "z.webp",
    ]


def test_a_file_is_listed_with_its_size_and_time_of_change(corpus):
    put(corpus, "a.png", content="12345")
    os.utime(corpus / "a.png", ns=(1, 1_700_000_000_123_456_789))

    (entry,) = list_corpus(str(corpus)).files

    assert entry.path == str(corpus / "a.png")
    assert (entry.size_bytes, entry.mtime_ns) == (5, 1_700_000_000_123_456_789)


def test_hidden_files_and_folders_are_passed_over(corpus):
    put(corpus, ".hidden.png", ".git/a.png", "a/.cache/b.png", "a/.c.png", "a/shown.png")

    assert names_of(corpus) == ["a/shown.png"]
    assert reported(corpus) == {}


def test_an_empty_folder_has_no_files(corpus):
    listing = list_corpus(str(corpus))

    assert (listing.corpus, listing.files, listing.unreadable) == (str(corpus), [], [])


def test_labels_are_the_folders_where_folders_differ(corpus):
    put(corpus, "cats/1.png", "dogs/2.png", "dogs/small/3.png", "4.png")

    assert labels_of(corpus) == {"1.png": "cats", "2.png": "dogs", "3.png": "small", "4.png": None}


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("1.png", "2.png"), "all lie at the top"),
        (("images/1.png", "images/2.png"), "all lie in one folder"),
        (("data/images/1.png", "data/images/2.png"), "all lie in one folder, deeper"),
    ],
)
def test_there_are_no_labels_where_folders_do_not_differ(corpus, names, why):
    put(corpus, *names)

    assert set(labels_of(corpus).values()) == {None}, why


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


def test_captions_that_no_file_takes_are_counted(corpus):
    put(corpus, "1.png")
    put(corpus, "captions.csv", content="path,caption\n1.png,told\n2.png,lost\n../3.png,lost\n")

    assert list_corpus(str(corpus)).captions_unused == 2


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


def test_a_linked_folder_is_reported_and_not_walked(corpus, tmp_path):
    put(tmp_path, "elsewhere/1.png")
    put(corpus, "a/2.png")
    (corpus / "a/linked").symlink_to(tmp_path / "elsewhere")
    (corpus / "circle").symlink_to(corpus)

    assert names_of(corpus) == ["a/2.png"]
    assert reported(corpus) == {"a/linked": "linked-folder", "circle": "linked-folder"}


def test_a_linked_file_is_a_file(corpus, tmp_path):
    put(tmp_path, "elsewhere.png", content="12345")
    (corpus / "1.png").symlink_to(tmp_path / "elsewhere.png")

    (entry,) = list_corpus(str(corpus)).files

    assert (entry.path, entry.size_bytes) == (str(corpus / "1.png"), 5)


def test_broken_links_are_reported(corpus):
    put(corpus, "1.png")
    (corpus / "broken.png").symlink_to(corpus / "nowhere.png")
    (corpus / "circle.png").symlink_to(corpus / "circle.png")

    assert names_of(corpus) == ["1.png"]
    assert reported(corpus) == {"broken.png": "unreadable", "circle.png": "unreadable"}


def test_names_that_are_not_utf8_are_reported_with_their_bytes_written_out(corpus):
    put(corpus, "caf\u00e9.png")
    try:
        for name in (b"caf\xe9.png", b"fol\xe9der/1.png"):
            path = Path(os.fsdecode(os.fsencode(corpus) + b"/" + name))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"this file system takes UTF-8 names only, try another TMPDIR: {error}")

    assert names_of(corpus) == ["caf\u00e9.png"]
    assert reported(corpus) == {
        "caf\\xe9.png": "name-not-utf8",
        "fol\\xe9der/1.png": "name-not-utf8",
    }


def test_a_folder_that_cannot_be_opened_is_reported(corpus, monkeypatch):
    put(corpus, "a/1.png", "locked/2.png")
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    assert names_of(corpus) == ["a/1.png"]
    assert reported(corpus) == {"locked": "unreadable"}


def test_a_file_that_vanishes_while_the_folder_is_walked_is_reported(corpus, monkeypatch):
    put(corpus, "1.png", "2.png")
    stat = os.stat

    def lose(path, **options):
        if os.fspath(path).endswith("2.png"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", lose)

    assert names_of(corpus) == ["1.png"]
    assert reported(corpus) == {"2.png": "unreadable"}


def test_a_corpus_has_one_name_however_it_is_written(corpus, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(corpus)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    written = ("corpus", "./corpus/", "link", "~/corpus", f"{corpus}/../corpus")

    assert {resolve_corpus(folder) for folder in written} == {str(corpus)}


@pytest.mark.parametrize(("name", "found"), [("1.png", "a file"), ("nowhere", "nothing")])
def test_a_corpus_that_is_no_folder_is_refused(corpus, name, found):
    put(corpus, "1.png")

    with pytest.raises(ValueError, match=f"corpus '.*{name}' must be a folder .* found {found}"):
        resolve_corpus(str(corpus / name))


def test_a_captions_file_without_a_caption_column_is_refused(corpus):
    put(corpus, "1.png")
    put(corpus, "captions.csv", content="path,author\n1.png,me\n")

    with pytest.raises(ValueError, match=r"no column holds captions, found .'author', 'path'"):
        list_corpus(str(corpus))


def test_a_metadata_file_of_another_kind_is_no_captions_file(corpus):
    put(corpus, "1.png")
    put(corpus, "metadata.csv", content="id,licence\n1,MIT\n")

    listing = list_corpus(str(corpus))

    assert [Path(file.path).name for file in listing.files] == ["1.png", "metadata.csv"]
    assert listing.captions_unused == 0
