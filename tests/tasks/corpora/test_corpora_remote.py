"""Remote corpora: every kind is listed, read and read again from memory:// and from s3://."""

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from storage import paths
from tasks import ingest
from tasks.corpora import locations
from tasks.corpora.locations import find_pixels, read_location
from tasks.corpora.opening import resolve_corpus
from tasks.images import RefusedImageError
from tasks.ingest import IngestConfig
from tasks.stage import Site
from tasks.workers import Workers, WorkersConfig
from tests.tasks.corpora import builders
from tests.tasks.corpora.builders import picture, pictures
from tests.tasks.corpora.listings import list_corpus, read_items
from tests.tasks.corpora.test_corpora_ingest import WRITERS, told, truth

BUCKET = "s3://pictures"


@pytest.fixture
def memory():
    """The file system in memory, empty."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()


@pytest.fixture(scope="module")
def s3():
    """An S3 server on loopback, with a bucket, that this process and its workers use."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fs = fsspec.filesystem("s3", skip_instance_cache=True)
        fs.mkdir(BUCKET)
        yield fs
    server.stop()


def upload(fs, folder, place):
    """Put all files of a folder at a place."""
    for path in folder.rglob("*"):
        if path.is_file():
            fs.pipe(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_is_read_from_a_remote_system(memory, tmp_path, kind):
    WRITERS[kind](tmp_path / "c")
    upload(memory, tmp_path / "c", "memory://c")

    items = read_items("memory://c")

    assert sorted(item.content for item in items) == sorted(one.data for one in pictures(5))
    assert all(item.location.startswith("memory:///c/") for item in items)
    assert [read_location(item.location) for item in items] == [item.content for item in items]


def test_a_remote_folder_has_labels_captions_and_hidden_files_as_any(memory, tmp_path):
    builders.write_files(tmp_path / "c", pictures(3))
    builders.put(tmp_path / "c/.hidden/x.png", b"x")
    upload(memory, tmp_path / "c", "memory://c")

    files = list_corpus("memory://c").files

    assert [(entry.label, entry.caption) for entry in files] == [
        (picture(n).label, picture(n).caption) for n in (0, 2, 1)
    ]


def test_a_remote_file_that_is_written_anew_has_another_time_of_change(memory, tmp_path):
    memory.pipe("memory://c/a.png", b"1")
    (before,) = list_corpus("memory://c").files
    memory.pipe("memory://c/a.png", b"2")
    (after,) = list_corpus("memory://c").files

    assert before.size_bytes == after.size_bytes
    assert before.mtime_ns != after.mtime_ns
    assert list_corpus("memory://c").files == [after]


def test_an_archive_that_is_written_anew_is_read_at_its_new_places(memory, tmp_path):
    tar = builders.tar_of([("a.png", picture(1).data), ("b.png", picture(2).data)])
    memory.pipe("memory://c/a.tar", tar)
    place = "memory://c/a.tar!/b.png"
    assert read_location(place) == picture(2).data

    memory.pipe("memory://c/a.tar", builders.tar_of([("b.png", picture(2).data)]))

    assert find_pixels(picture(2).image, [place]).shape == (32, 32, 3)
    with pytest.raises(RefusedImageError):
        find_pixels(picture(1).image, ["memory://c/a.tar!/a.png"])


def test_a_corpus_on_s3_is_ingested_grown_and_shrunk(s3, db, home, tmp_path):
    with Workers(WorkersConfig(workers=1, device="cpu")) as workers:
        site = Site(db=db, home=home, workers=workers)
        names = [resolve_corpus(f"{BUCKET}/{kind}") for kind in ("tars", "rows", "files")]
        builders.write_tar(tmp_path / "tars/00000.tar", pictures(2))
        builders.write_parquet(tmp_path / "rows/a.parquet", pictures(2, 2))
        builders.write_files(tmp_path / "files", pictures(2, 4))
        upload(s3, tmp_path, BUCKET)

        ingest.run(ingest.prepare(site, IngestConfig(), names))

        assert told(site) == truth(pictures(6))
        held = paths.images(db, names)
        for one in pictures(6):
            assert find_pixels(one.image, held[one.image]).shape == (32, 32, 3)
        builders.write_tar(tmp_path / "more/00001.tar", pictures(1, 6))
        upload(s3, tmp_path / "more", f"{BUCKET}/tars")
        s3.rm(f"{BUCKET}/rows/a.parquet")
        s3.pipe(f"{BUCKET}/rows/b.parquet", (tmp_path / "rows/a.parquet").read_bytes()[:-4])
        outcome = ingest.run(ingest.prepare(site, IngestConfig(), names))
    assert outcome.reasons == {"archive-damaged": 1}
    assert set(told(site)) == {picture(n).image for n in (0, 1, 4, 5, 6)}


def test_a_bucket_that_is_not_there_is_no_corpus(s3):
    with pytest.raises(ValueError, match="found nothing there"):
        list_corpus("s3://nowhere/at/all")


def test_what_is_remembered_of_archives_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(locations, "MEMBERS", 3)
    monkeypatch.setattr(locations, "TABLES", 2)
    locations.forget()
    for number in range(4):
        tar = builders.write_tar(tmp_path / f"{number}.tar", pictures(2, number))
        rows = builders.write_parquet(tmp_path / f"{number}.parquet", pictures(2, number))
        assert read_location(f"{tar}!/{number:09d}.png") == picture(number).data
        assert read_location(f"{rows}!/000000001") == picture(number + 1).data

    assert sum(map(len, locations._tars._known.values())) <= 6
    assert len(locations._tables._open) == 2
