"""Corpora of every kind through the real stage `ingest`: the same images, told of alike."""

import json
import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage import corpus_shards, paths, refused
from tasks import ingest
from tasks.corpora.locations import find_pixels
from tasks.images import decode
from tasks.ingest import IngestConfig
from tasks.stage import Site
from tasks.workers import Done, Shard, Workers, WorkersConfig
from tests.tasks.corpora import builders
from tests.tasks.corpora.builders import pictures

NOBODY = Workers(WorkersConfig(scheduler="tcp://127.0.0.1:9"))
"""Workers that fail whoever gives them anything to read."""


@pytest.fixture(scope="module")
def workers():
    """A worker that all tests of this module share."""
    with Workers(WorkersConfig(workers=1, device="cpu")) as started:
        yield started


@pytest.fixture
def site(db, home, workers):
    return Site(db=db, home=home, workers=workers)


def run(site, *corpora, **config):
    """Ingest corpora; return the outcome."""
    names = ingest.resolve_corpora([str(corpus) for corpus in corpora])
    return ingest.run(ingest.prepare(site, IngestConfig(**config), names))


def told(site):
    """What is stored of each image: label, caption, attributes."""
    found = paths.metadata(site.db, paths.corpora(site.db))
    return {
        image: (said.label, said.caption, dict(said.attributes)) for image, said in found.items()
    }


def content(site, corpus):
    """All rows of a corpus, in `paths`, `refused` and `corpus_shards`."""
    name = str(corpus)
    return (
        paths.read(site.db, [name]),
        refused.read(site.db, "ingest", [name]),
        corpus_shards.read(site.db, name),
    )


def reasons(site, corpus):
    rows = refused.read(site.db, "ingest", [str(corpus)])
    return {row.path.removeprefix(f"{corpus}/"): row.reason for row in rows}


def truth(some):
    return {one.image: (one.label, one.caption, {"fur": one.fur}) for one in some}


WRITERS = {
    "folder": lambda at: builders.write_files(at, pictures(5)),
    "tars": lambda at: [
        builders.write_tar(at / "00000.tar", pictures(3)),
        builders.write_tar(at / "00001.tar", pictures(2, 3)),
    ],
    "parquet": lambda at: [
        builders.write_parquet(at / "train-00000-of-00002.parquet", pictures(3)),
        builders.write_parquet(at / "train-00001-of-00002.parquet", pictures(2, 3)),
        builders.put(at / "README.md", b"a data card"),
    ],
    "saved": lambda at: builders.write_saved(at, pictures(3), pictures(2, 3)),
    "saved splits": lambda at: [
        builders.write_saved(at / "train", pictures(3)),
        builders.write_saved(at / "test", pictures(2, 3)),
        builders.put(at / "dataset_dict.json", b'{"splits": ["train", "test"]}'),
    ],
    **{
        f"img2dataset {form}": lambda at, form=form: builders.write_img2dataset(
            at, pictures(3), pictures(2, 3), form=form
        )
        for form in ("files", "webdataset", "parquet")
    },
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_gives_the_same_images_told_of_alike(site, tmp_path, kind):
    corpus = tmp_path / "corpus"
    WRITERS[kind](corpus)

    outcome = run(site, corpus)

    assert outcome.reasons == {}
    assert told(site) == truth(pictures(5))
    held = paths.images(site.db, [str(corpus)])
    for one in pictures(5):
        assert (find_pixels(one.image, held[one.image]) == decode(one.data).pixels_HWC).all()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_corpus_that_did_not_change_is_not_opened_again(site, tmp_path, kind):
    corpus = tmp_path / "corpus"
    WRITERS[kind](corpus)
    run(site, corpus)
    before = content(site, corpus)

    outcome = run(Site(db=site.db, home=site.home, workers=NOBODY), corpus)

    assert (outcome.new, outcome.rows) == (0, 5)
    assert content(site, corpus) == before


def test_rows_lie_at_their_archives_in_the_order_of_reading(site, tmp_path):
    builders.write_tar(tmp_path / "tars/a.tar", pictures(2))
    builders.write_parquet(tmp_path / "rows.parquet", pictures(12))

    run(site, tmp_path / "tars", tmp_path / "rows.parquet")

    tars = paths.read(site.db, [str(tmp_path / "tars")])
    rows = paths.read(site.db, [str(tmp_path / "rows.parquet")])
    assert [row.path.removeprefix(f"{tmp_path}/tars/") for row in tars] == [
        "a.tar!/000000000.png",
        "a.tar!/000000001.png",
    ]
    assert [row.image for row in rows] == [one.image for one in pictures(12)]
    assert rows[10].path == f"{tmp_path}/rows.parquet!/000000010"


def grow(corpus):
    builders.write_tar(corpus / "c.tar", pictures(2, 10))


def shrink(corpus):
    (corpus / "b.tar").unlink()


def shorten(corpus):
    builders.write_tar(corpus / "a.tar", pictures(1))


def spoil(corpus):
    builders.put(corpus / "a.tar", b"no tar at all" * 100)


def mend(corpus):
    spoil(corpus)
    builders.write_tar(corpus / "a.tar", pictures(4))


def turn_to_tables(corpus):
    for name in ("a.tar", "b.tar"):
        (corpus / name).unlink()
    builders.write_parquet(corpus / "a.parquet", pictures(2), row_group_size=1)


def turn_to_files(corpus):
    for name in ("a.tar", "b.tar"):
        (corpus / name).unlink()
    builders.write_files(corpus, pictures(2))


@pytest.mark.parametrize(
    "change", [grow, shrink, shorten, spoil, mend, turn_to_tables, turn_to_files]
)
def test_a_changed_corpus_leaves_what_a_fresh_ingest_leaves(site, tmp_path, change):
    corpus = tmp_path / "corpus"
    builders.write_tar(corpus / "a.tar", pictures(3))
    builders.write_tar(corpus / "b.tar", pictures(3, 5))
    run(site, corpus)

    change(corpus)
    run(site, corpus)

    grown = content(site, corpus)
    for archive in corpus_shards.read(site.db, str(corpus)):
        corpus_shards.forget(site.db, "ingest", str(corpus), archive, but=None)
    paths.remove(site.db, str(corpus), [row.path for row in grown[0]])
    assert content(site, corpus) == ([], [], {})
    run(site, corpus)
    assert content(site, corpus) == grown


def test_a_changed_archive_alone_is_read_again(site, tmp_path):
    corpus = tmp_path / "corpus"
    builders.write_tar(corpus / "a.tar", pictures(3))
    builders.write_tar(corpus / "b.tar", pictures(3, 5))
    run(site, corpus)
    builders.write_tar(corpus / "b.tar", pictures(1))

    name = ingest.resolve_corpora([str(corpus)])
    forecast = ingest.forecast(ingest.prepare(site, IngestConfig(), name))
    os.truncate(corpus / "a.tar", 0)
    os.utime(corpus / "a.tar", (0, 0))

    assert forecast == {"files to open": 1, "files gone": 0}
    again = ingest.forecast(ingest.prepare(site, IngestConfig(), name))
    assert again == {"files to open": 2, "files gone": 0}


def test_asking_for_other_columns_reads_the_archives_again(site, tmp_path):
    corpus = builders.write_parquet(tmp_path / "a.parquet", pictures(4))
    run(site, corpus)
    assert {said[0] for said in told(site).values()} == {"cats", "dogs"}

    run(site, corpus, label_column="fur", caption_column="label")

    assert {said[0] for said in told(site).values()} == {"white", "black"}
    assert {said[1] for said in told(site).values()} == {"0", "1"}


class Killed(BaseException):
    """Stands for a process that is gone."""


@pytest.mark.parametrize("writes", range(0, 20, 3))
def test_a_run_killed_between_any_two_writes_goes_on_to_the_same_rows(
    site, tmp_path, monkeypatch, writes
):
    corpus = tmp_path / "corpus"
    builders.write_tar(corpus / "a.tar", pictures(3))
    run(site, corpus)
    members = [*builders.sample(builders.picture(7)), ("x.png", b"no image"), ("y.txt", b"y")]
    builders.put(corpus / "a.tar", builders.tar_of(members))
    builders.write_parquet(corpus.parent / "b.parquet", pictures(4), row_group_size=2)
    corpora = (corpus, corpus.parent / "b.parquet")
    monkeypatch.setattr("tasks.corpora.tables.PART_ROWS", 2)
    left = [writes]

    def counted(write):
        def wrapped(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return write(*arguments, **options)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("upsert", "delete"):
            patch.setattr(type(site.db), name, counted(getattr(type(site.db), name)))
        with pytest.raises(Killed):
            run(site, *corpora)

    run(site, *corpora)

    assert {path: why for corpus in corpora for path, why in reasons(site, corpus).items()} == {
        "a.tar!/x.png": "not-an-image",
        "a.tar!/y.txt": "no-image",
    }
    assert set(told(site)) == {one.image for one in [*pictures(4), builders.picture(7)]}
    idle = Site(db=site.db, home=site.home, workers=NOBODY)
    assert run(idle, *corpora).new == 0


def test_an_archive_with_nothing_but_refused_rows_is_remembered_too(site, tmp_path):
    corpus = tmp_path / "corpus"
    builders.write_tar(corpus / "a.tar", pictures(2))
    builders.put(corpus / "b.tar", builders.tar_of([("x.png", b"no image")]))
    builders.put(corpus / "c.tar", builders.tar_of([]))
    run(site, corpus)

    outcome = run(Site(db=site.db, home=site.home, workers=NOBODY), corpus)

    assert outcome.reasons == {"not-an-image": 1}


def test_lost_images_are_read_again_from_their_archive(site, tmp_path):
    corpus = builders.write_tar(tmp_path / "a.tar", pictures(3))
    run(site, corpus)
    site.db.delete(ingest.images.SPEC, where=f"image = '{builders.picture(1).image}'")

    run(site, corpus)

    assert builders.picture(1).image in ingest.images.ids(site.db)


def test_a_corpus_of_archives_without_an_image_is_refused_and_says_why(site, tmp_path):
    builders.put(tmp_path / "corpus/a.tar", builders.tar_of([("x.png", b"no image")]))

    with pytest.raises(ValueError, match=r"no image in .*: 1 files, 1 not-an-image"):
        run(site, tmp_path / "corpus")


def test_a_wrong_column_stops_the_run_with_those_that_are_there(site, tmp_path):
    corpus = builders.write_parquet(tmp_path / "a.parquet", pictures(1))

    with pytest.raises(
        ValueError, match=r"--image-column 'photo' is no such column.*caption \(str"
    ):
        run(site, corpus, image_column="photo")


def test_rows_of_metadata_are_stored_as_canonical_json(site, tmp_path):
    table = pa.table({"image": [builders.picture(1).data], "z": [1.5], "a": [True], "n": [None]})
    pq.write_table(table, tmp_path / "a.parquet")

    run(site, tmp_path / "a.parquet")

    (row,) = paths.read(site.db, [str(tmp_path / "a.parquet")])
    assert row.attributes == json.dumps({"a": "yes", "z": "1.5"}, separators=(",", ":"))


class Deadly(Workers):
    """Works in this process; a shard that holds `poison` is lost, as `Workers` loses it."""

    poison = builders.picture(3).data

    def run(self, function, shards):
        waiting = [Shard(items=items, attempts=1) for items in shards]
        while waiting:
            shard = waiting.pop()
            try:
                value = function(shard.items)
            except RuntimeError:
                value, middle = None, len(shard.items) // 2
                if middle:
                    halves = (shard.items[:middle], shard.items[middle:])
                    waiting += [Shard(items=items, attempts=2) for items in halves]
                    continue
            yield Done(shard=shard, value=value, worker="", pid=0, seconds=0.0)


def test_a_row_that_takes_its_workers_down_costs_itself_alone(site, tmp_path, monkeypatch):
    corpus = tmp_path / "corpus"
    builders.write_tar(corpus / "a.tar", pictures(5))
    builders.write_parquet(tmp_path / "b.parquet", pictures(5))

    def die(data, **options):
        if data == Deadly.poison:
            raise RuntimeError
        return decode(data, **options)

    with monkeypatch.context() as patch:
        patch.setattr("tasks.intake.reading.decode", die)
        deadly = Deadly(WorkersConfig())
        run(Site(db=site.db, home=site.home, workers=deadly), corpus, tmp_path / "b.parquet")

    assert reasons(site, corpus) == {"a.tar!/000000003.png": "kills-worker"}
    assert list(reasons(site, tmp_path / "b.parquet").values()) == ["kills-worker"]
    assert set(told(site)) == {one.image for one in pictures(5) if one.data != Deadly.poison}
    idle = Site(db=site.db, home=site.home, workers=NOBODY)
    assert run(idle, corpus, tmp_path / "b.parquet").new == 0


def test_a_licence_that_changes_is_told_anew_without_opening_a_file(site, tmp_path):
    corpus = tmp_path / "corpus"
    builders.write_files(corpus, pictures(2))
    run(site, corpus, licence="CC0")
    before = paths.read(site.db, [str(corpus)])

    run(Site(db=site.db, home=site.home, workers=NOBODY), corpus, licence="CC-BY-4.0")

    after = paths.read(site.db, [str(corpus)])
    assert [row.licence for row in before] == ["CC0", "CC0"]
    assert after == [replace(row, licence="CC-BY-4.0") for row in before]


def test_an_archive_is_read_again_where_its_rows_mean_something_else(site, tmp_path):
    corpus = tmp_path / "corpus"
    builders.write_tar(corpus / "00000.tar", pictures(2))
    run(site, corpus)

    run(site, corpus, words={"label": {"cats": "cat"}}, columns={"fur": "coat"})

    rows = paths.read(site.db, [str(corpus)])
    assert [(row.label, row.attributes) for row in rows] == [
        ("cat", '{"coat":"black"}'),
        ("dogs", '{"coat":"white"}'),
    ]
