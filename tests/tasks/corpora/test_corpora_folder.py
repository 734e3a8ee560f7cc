"""Corpora: every file of a tree is listed or reported, with labels where folders differ."""

import errno
import os
from pathlib import Path

import pytest

from tasks.corpora.opening import resolve_corpus
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


def names_of(corpus, **options):
    listing = list_corpus(str(corpus), **options)
    return [str(Path(entry.path).relative_to(corpus)) for entry in listing.files]


def labels_of(corpus):
    return {Path(entry.path).name: entry.label for entry in list_corpus(str(corpus)).files}


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

    with pytest.raises(
        ValueError, match=f"corpus '.*{name}' must be a folder of images.* found {found}"
    ):
        resolve_corpus(str(corpus / name))
