"""Opening: what a corpus is follows from what lies there, or from what stands before its name."""

import pytest

from tasks.corpora.corpus import Reading
from tasks.corpora.locations import read_location
from tasks.corpora.opening import KINDS, open_corpus, resolve_corpus
from tests.tasks.corpora import builders
from tests.tasks.corpora.builders import picture, pictures, put
from tests.tasks.corpora.listings import list_corpus, read_items, rows_of

PNG = picture(0).data


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_part_of_a_name(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert resolve_corpus(f"{kind}:.") == f"{kind}:{tmp_path.resolve()}"
    assert resolve_corpus(f"{kind}:{tmp_path}/../{tmp_path.name}/") == f"{kind}:{tmp_path}"


def test_a_uri_of_the_hub_is_no_kind():
    assert resolve_corpus("hf://datasets/owner/name/") == "hf://datasets/owner/name"


def test_one_archive_is_a_corpus(tmp_path):
    path = builders.write_tar(tmp_path / "a.tar", pictures(2))

    assert list(rows_of(path)) == ["000000000.png", "000000001.png"]
    assert list(rows_of(f"webdataset:{path}")) == ["000000000.png", "000000001.png"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "found nothing there"),
        ("a.txt", "found a file there"),
        ("webdataset:nowhere", "found nothing there"),
        ("nothing://x", "nothing here reads nothing://"),
        ("zip://a.png::file://b.zip", "chains file systems"),
        ("memory://nowhere", "found nothing there"),
        ("parquet:memory://nowhere/at/all", "found nothing there"),
    ],
)
def test_what_is_not_there_is_no_corpus(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "a.txt", b"x")

    with pytest.raises(ValueError, match=words):
        open_corpus(resolve_corpus(name), Reading())


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a.png", "b.tar"), "a.png and .*b.tar; .*webdataset:.* or folder:"),
        (("x/a.JPG", "x/y/metadata.parquet"), "a.JPG and .*metadata.parquet"),
        (("a.tar", "a.parquet"), "a.tar and .*a.parquet"),
        (("a.arrow", "a.parquet"), "a.parquet and .*a.arrow"),
    ],
)
def test_a_mixture_is_refused_until_it_is_said_what_to_read(tmp_path, names, told):
    for name in names:
        put(tmp_path / "mixed" / name, b"x")

    with pytest.raises(ValueError, match=f"mixes kinds: .*{told}"):
        list_corpus(str(tmp_path / "mixed"))


def test_of_a_mixture_the_kind_that_is_named_is_read(tmp_path):
    put(tmp_path / "a.png", PNG)
    builders.write_tar(tmp_path / "b.tar", pictures(1, 1))
    builders.write_parquet(tmp_path / "c.parquet", pictures(1, 2))

    assert rows_of(f"webdataset:{tmp_path}") == {"000000001.png": picture(1).data}
    assert rows_of(f"parquet:{tmp_path}") == {"000000000": picture(2).data}
    files = {item.location.rpartition("/")[2] for item in read_items(f"folder:{tmp_path}")}
    assert files == {"a.png", "b.tar", "c.parquet"}


def test_labels_and_captions_of_a_named_folder_are_those_of_the_folder(tmp_path):
    folder = builders.write_files(tmp_path / "f", pictures(3))

    plain, named = list_corpus(str(folder)), list_corpus(f"folder:{folder}")

    assert named.files == plain.files
    assert [entry.label for entry in named.files] == ["cats", "cats", "dogs"]


def test_a_folder_that_is_called_like_an_archive_is_a_folder(tmp_path):
    put(tmp_path / "x.tar!/a.png", PNG)

    (entry,) = list_corpus(str(tmp_path)).files
    assert read_location(entry.path) == PNG


@pytest.mark.parametrize("name", ["A.TAR", "A.Parquet"])
def test_endings_may_be_in_any_letters(tmp_path, name):
    write = builders.write_tar if name == "A.TAR" else builders.write_parquet
    write(tmp_path / name, pictures(2))

    items = read_items(tmp_path)
    assert [read_location(item.location) for item in items] == [item.content for item in items]
    assert len(items) == 2


def test_text_beside_archives_is_passed_over(tmp_path):
    builders.write_tar(tmp_path / "a.tar", pictures(1))
    put(tmp_path / "README.md", b"x")
    put(tmp_path / "index.json", b"{}")

    listing = list_corpus(str(tmp_path))

    assert (len(listing.archives), listing.files, listing.unreadable) == (1, [], [])


def test_links_out_of_a_folder_of_archives_are_not_walked(tmp_path):
    builders.write_tar(tmp_path / "c/a.tar", pictures(1))
    builders.write_tar(tmp_path / "elsewhere/b.tar", pictures(1))
    (tmp_path / "c/link").symlink_to(tmp_path / "elsewhere")

    listing = list_corpus(str(tmp_path / "c"))

    assert [archive.path for archive in listing.archives] == [f"{tmp_path}/c/a.tar"]
    assert [place.reason for place in listing.unreadable] == ["linked-folder"]
