"""Mining what grew or shrank: the rows of a run from scratch, with only the new compared."""

import dataclasses
import hashlib

import numpy as np
import pytest

from storage import duplicates, embeddings, minings, pairs, paths
from storage.database import Database
from storage.paths import PathRow
from storage.receipts import Receipt, digest_rows
from tasks.mining import comparing, mine, stage, storing
from tasks.mining.thresholds import MineConfig
from tasks.stage import Site
from tasks.workers import Workers, WorkersConfig

CORPUS = "/corpus"
IMAGES = 60
IDS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(IMAGES)]
CONFIG = MineConfig(clip_above=0.9, ssl_below=0.3, duplicate_above=0.95, benchmark_pairs=5)
CUT = CONFIG.model_copy(update={"pairs_per_image": 2})


def vectors():
    """Few clusters in both spaces, so that there are blind pairs, near-duplicates and others."""
    rng = np.random.default_rng(0)
    clip_ND = rng.normal(size=(4, 12))[rng.integers(0, 4, IMAGES)]
    ssl_NE = rng.normal(size=(5, 16))[rng.integers(0, 5, IMAGES)]
    clip_ND = clip_ND + 0.2 * rng.normal(size=clip_ND.shape)
    return clip_ND.astype(np.float16), (ssl_NE + 0.05 * rng.normal(size=ssl_NE.shape)).astype(
        np.float16
    )


CLIP_ND, SSL_NE = vectors()


@pytest.fixture(scope="module")
def workers():
    with Workers(WorkersConfig(workers=1, device="cpu", tile_images=16)) as started:
        yield started


class Mined:
    """A store whose corpus holds now these images, now others."""

    def __init__(self, folder, workers):
        self.site = Site(db=Database(str(folder / "store")), home=folder, workers=workers)

    def hold(self, numbers):
        """Make these the images of the corpus; embed those that are new, in the order given."""
        db = self.site.db
        stored = {row.path for row in paths.read(db, [CORPUS])}
        rows = [
            PathRow(
                corpus=CORPUS,
                path=f"{CORPUS}/{number}",
                image=IDS[number],
                label=None,
                caption=None,
                attributes=None,
                size_bytes=1,
                mtime_ns=1,
                made_by="test",
            )
            for number in numbers
        ]
        paths.upsert(db, rows)
        paths.remove(db, CORPUS, sorted(stored - {row.path for row in rows}))
        places, ids = list(numbers), [IDS[number] for number in numbers]
        embeddings.insert(db, "clip-1", ids, CLIP_ND[places], {})
        embeddings.insert(db, "ssl-1", ids[::-1], SSL_NE[places[::-1]], {})

    def context(self, config):
        db = self.site.db
        tables = {"clip": "embeddings_clip-1", "ssl": "embeddings_ssl-1", "paths": "paths"}
        versions = {
            "clip": embeddings.version(db, "clip-1"),
            "ssl": embeddings.version(db, "ssl-1"),
            "paths": db.version(paths.SPEC),
        }
        inputs = {
            role: Receipt(table=table, version=versions[role], rows=1, digest=digest_rows([], role))
            for role, table in tables.items()
        }
        return stage.prepare(self.site, config, [CORPUS], inputs)

    def mine(self, numbers, config=CONFIG):
        self.hold(numbers)
        return stage.run(self.context(config))

    def rows(self, config=CONFIG):
        """All that a mining leaves, as it is stored."""
        mining = self.context(config).facts["mining"]
        tables = [one.table(self.site.db, mining).to_pylist() for one in (pairs, duplicates)]
        return (*tables, minings.read(self.site.db, mining))


@pytest.fixture
def mined(tmp_path, workers):
    return Mined(tmp_path / "grown", workers)


@pytest.fixture
def afresh(tmp_path, workers):
    """Return what a new store holds after one run."""

    def run(numbers, config=CONFIG):
        new = Mined(tmp_path / "afresh", workers)
        new.mine(numbers, config)
        return new.rows(config)

    return run


def test_the_pairs_in_the_store_are_those_of_the_vectors_in_memory(mined):
    outcome = mined.mine(range(IMAGES))

    order = np.argsort(IDS)
    truth = mine(CLIP_ND[order], SSL_NE[order], clip_above=0.9, ssl_below=0.3)
    found, alike, _ = mined.rows()
    wanted = {
        (IDS[order[i]], IDS[order[j]]): (clip, ssl)
        for i, j, clip, ssl in zip(*(column.tolist() for column in truth), strict=True)
    }
    assert {
        (row["image_a"], row["image_b"]): (row["clip_cosine"], row["ssl_cosine"]) for row in found
    } == wanted
    assert len(wanted) > 50
    assert {(row["clip_cosine"] > 0.95, row["ssl_cosine"] > 0.95) for row in alike} == {
        (True, True)
    }
    assert outcome.figures["near_duplicates"] == len(alike) > 10
    assert outcome.figures["compared_anew"] == IMAGES


@pytest.mark.parametrize("config", [CONFIG, CUT], ids=["all pairs", "long lists cut"])
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (range(40), range(IMAGES)),
        (range(IMAGES), range(5, 37)),
        (range(30), range(10, 50)),
        (range(20), range(30, 50)),
        (range(0), range(20)),
        (range(IMAGES), [*range(7, IMAGES), *range(7)]),
    ],
    ids=["grown", "shrunk", "both", "others", "from none", "same"],
)
def test_what_changed_gives_the_rows_of_a_run_from_scratch(mined, afresh, first, then, config):
    mined.mine(first, config)

    mined.mine(then, config)

    assert mined.rows(config) == afresh(then, config)


def test_only_new_images_are_compared_unless_lists_were_cut_and_images_are_gone(mined):
    def compared(numbers, config):
        return mined.mine(numbers, config).figures["compared_anew"]

    assert [compared(range(40), CONFIG), compared(range(10, 50), CONFIG)] == [40, 10]
    assert [compared(range(40), CUT), compared(range(50), CUT)] == [40, 10]
    assert compared(range(10, 50), CUT) == 40


def test_other_thresholds_and_other_code_compare_all_again(mined, monkeypatch):
    mined.mine(range(20))

    quantile = MineConfig(clip_above_quantile=0.9, ssl_below=0.3)
    assert mined.mine(range(20), quantile).figures["compared_anew"] == 20
    assert mined.mine(range(30), quantile).figures["compared_anew"] == 30  # it moved the quantile
    assert mined.mine(range(20)).figures["compared_anew"] == 0
    monkeypatch.setattr(stage, "made_by", lambda _: "other code")
    assert mined.mine(range(20)).figures["compared_anew"] == 20


def test_what_is_cut_from_long_lists_is_counted(mined):
    every, cut = mined.mine(range(IMAGES), CONFIG), mined.mine(range(IMAGES), CUT)

    assert every.rows == cut.rows + cut.reasons[storing.LONG_LIST]
    assert storing.LONG_LIST not in every.reasons
    _, alike, _ = mined.rows(CUT)
    assert len(alike) == cut.figures["near_duplicates"] - cut.figures["near_duplicates_cut"]
    assert cut.figures["near_duplicates_cut"] > 0


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.fixture
def kill(monkeypatch):
    """Return what runs a mining that is killed at the nth call of a function."""

    def run(mining, module, name, nth=1):
        calls = []
        real = getattr(module, name)

        def die(*arguments, **options):
            calls.append(arguments)
            if len(calls) == nth:
                raise Killed
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, die)
            with pytest.raises(Killed):
                mining()

    return run


@pytest.mark.parametrize("config", [CONFIG, CUT], ids=["all pairs", "long lists cut"])
@pytest.mark.parametrize("again", [range(10, 50), range(30), range(5, 25)])
@pytest.mark.parametrize(
    "moment",
    [
        (storing, "select"),
        (minings, "write"),
        (pairs, "replace"),
        (duplicates, "replace"),
        (minings, "write", 2),
        (stage, "forget"),
    ],
    ids=lambda moment: f"{moment[0].__name__}.{moment[1]}",
)
def test_killed_between_any_two_writes_the_next_run_makes_it_right(
    mined, afresh, kill, moment, again, config
):
    mined.mine(range(30), config)

    kill(lambda: mined.mine(range(10, 50), config), *moment)
    mined.mine(again, config)

    assert mined.rows(config) == afresh(again, config)


def test_tiles_that_a_killed_run_finished_are_not_compared_again(mined, kill, caplog):
    kill(lambda: mined.mine(range(40)), comparing, "write_tile", 3)
    files = list((mined.site.home / "cache" / "mining").rglob("*.arrow"))

    with caplog.at_level("INFO"):
        mined.mine(range(40))

    assert len(files) == 2
    assert "2 of 6 tiles were finished by an earlier run" in caplog.text
    assert not any(file.parent.exists() for file in files)


@pytest.mark.parametrize("damage", [b"", b"not an Arrow file", None])
def test_a_damaged_tile_is_compared_again(mined, afresh, kill, damage):
    kill(lambda: mined.mine(range(40)), storing, "select")
    files = sorted((mined.site.home / "cache" / "mining").rglob("*.arrow"))
    assert len(files) == 6
    content = files[0].read_bytes()
    files[0].write_bytes(content[: len(content) // 2] if damage is None else damage)

    mined.mine(range(40))

    assert mined.rows() == afresh(range(40))


def test_images_without_a_vector_are_counted(mined):
    mined.hold(range(10))
    row = paths.read(mined.site.db, [CORPUS])[0]
    new = dataclasses.replace(row, path=f"{CORPUS}/new", image="f" * 64)
    paths.upsert(mined.site.db, [new])

    outcome = stage.run(mined.context(CONFIG))

    assert outcome.reasons["image-without-vector"] == 1
    assert outcome.figures["images"] == 10
