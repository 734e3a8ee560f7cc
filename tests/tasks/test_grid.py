"""A grid of encoders: the minings that each two would have alone, searched in one pass."""

import hashlib
import json

import numpy as np
import pytest

from storage import duplicates, embeddings, grids, minings, pairs, paths
from storage.database import Database
from storage.paths import PathRow
from storage.receipts import Receipt, digest_rows
from tasks import grid
from tasks.mining import parts
from tasks.mining import stage as mining
from tasks.mining.thresholds import MineConfig
from tasks.stage import Site
from tasks.workers import Workers, WorkersConfig

CORPUS = "/corpus"
IMAGES = 48
IDS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(IMAGES)]
CONFIG = MineConfig(clip_above=0.85, ssl_below=0.4, duplicate_above=0.9, benchmark_pairs=5)
QUANTILES = MineConfig(clip_above_quantile=0.9, ssl_below_quantile=0.5, benchmark_pairs=5)
ENCODERS = {"clip": "a", "ssl": "b", "encoder-3": "c"}


def vectors_of(name):
    """Vectors in a few loose clusters, other ones for each encoder."""
    rng = np.random.default_rng(ord(name))
    width = 8 + ord(name) % 4
    centres = rng.normal(size=(4, width))[rng.integers(0, 4, IMAGES)]
    return (centres + 0.2 * rng.normal(size=(IMAGES, width))).astype(np.float32)


@pytest.fixture(scope="module")
def workers():
    """One worker, which starts when a search has more than one tile."""
    with Workers(WorkersConfig(workers=1, device="cpu")) as started:
        yield started


@pytest.fixture
def site(tmp_path, workers):
    return Site(db=Database(str(tmp_path / "store")), home=tmp_path, workers=workers)


def hold(site, count):
    """Make the first images the corpus and embed those that are new with all encoders."""
    row = {"corpus": CORPUS, "label": None, "caption": None, "attributes": None}
    row |= {"size_bytes": 1, "mtime_ns": 1, "made_by": "test"}
    rows = [PathRow(path=f"{CORPUS}/{n}", image=IDS[n], **row) for n in range(count)]
    paths.upsert(site.db, rows)
    for name in ENCODERS.values():
        embeddings.insert(site.db, name, IDS[:count], vectors_of(name)[:count], {})


def inputs_of(site, encoders=ENCODERS):
    def receipt(table, version):
        return Receipt(table=table, version=version, rows=1, digest=digest_rows([], [table]))

    version = site.db.version(paths.SPEC)
    held = {name: receipt(name, version) for name in ("paths", "images")}
    return held | {
        role: receipt(f"embeddings_{name}", embeddings.version(site.db, name))
        for role, name in encoders.items()
    }


def prepare(site, config=CONFIG):
    return grid.prepare(site, config, [CORPUS], inputs_of(site), ENCODERS)


def alone(site, clip, ssl, config=CONFIG):
    """Return the context of the mining of two encoders."""
    return mining.prepare(site, config, [CORPUS], inputs_of(site, {"clip": clip, "ssl": ssl}))


def rows_of(site, name):
    tables = [one.table(site.db, name).to_pylist() for one in (pairs, duplicates)]
    return (*tables, minings.read(site.db, name))


ALL = [(a, b) for a in "abc" for b in "abc" if a != b]


@pytest.mark.parametrize("config", [CONFIG, QUANTILES], ids=["cosines", "quantiles"])
def test_a_grid_leaves_the_rows_of_its_minings_one_by_one(site, tmp_path, config):
    hold(site, IMAGES)
    grid.run(prepare(site, config))
    other = Site(db=Database(str(tmp_path / "other")), home=tmp_path / "o", workers=site.workers)
    hold(other, IMAGES)

    for clip, ssl in ALL:
        context = alone(other, clip, ssl, config)
        mining.run(context)
        name = context.facts["mining"]
        assert rows_of(site, name) == rows_of(other, name)
        assert rows_of(site, name)[0]


def test_the_scan_of_an_encoder_serves_all_that_it_is_compared_with(site, monkeypatch):
    hold(site, IMAGES)
    scans = []
    real = parts.near_parts
    monkeypatch.setattr(parts, "near_parts", lambda *given: scans.append(1) or real(*given))

    grid.run(prepare(site))

    assert len(scans) == len(ENCODERS)


def test_what_was_mined_is_not_compared_again_neither_way_round(site):
    hold(site, IMAGES)
    mining.run(alone(site, "a", "b"))

    first = grid.run(prepare(site)).figures["compared_anew"]
    again = grid.run(prepare(site)).figures["compared_anew"]
    single = mining.run(alone(site, "c", "a")).figures["compared_anew"]

    assert (first, again, single) == (5 * IMAGES, 0, 0)


def test_a_grid_that_grew_compares_only_the_new_and_equals_one_from_scratch(site, tmp_path):
    hold(site, 30)
    grid.run(prepare(site))
    hold(site, IMAGES)
    context = prepare(site)
    grown = grid.run(context)
    other = Site(db=Database(str(tmp_path / "other")), home=tmp_path / "o", workers=site.workers)
    hold(other, IMAGES)
    grid.run(prepare(other))

    name = context.facts["grid"]
    assert grown.figures["compared_anew"] == 6 * (IMAGES - 30)
    assert grids.read(site.db, name) == grids.read(other.db, name)
    assert grids.read_overlaps(site.db, name) == grids.read_overlaps(other.db, name)


def test_figures_are_those_of_the_sets_of_pairs(site):
    hold(site, IMAGES)
    context = prepare(site)
    grid.run(context)

    name = context.facts["grid"]
    rows = grids.read(site.db, name)
    held = {row.mining: {pair.pair_id for pair in pairs.read(site.db, row.mining)} for row in rows}
    assert [(row.clip, row.ssl) for row in rows] == ALL
    for row in rows:
        found = pairs.read(site.db, row.mining)
        assert row.pairs == len(found)
        images = {image for pair in found for image in (pair.image_a, pair.image_b)}
        assert row.images_in_pairs == len(images)
    overlaps = grids.read_overlaps(site.db, name)
    assert len(overlaps) == 15
    for row in overlaps:
        one, other = held[row.mining_a], held[row.mining_b]
        assert row.common == len(one & other)
        assert row.jaccard == pytest.approx(len(one & other) / len(one | other))
    written = json.loads((grid.folder(context) / "grid.json").read_text())
    assert written["labels"] == {"a": "a", "b": "b", "c": "c"}
    assert (grid.folder(context) / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_its_receipts_tell_when_a_mining_was_changed_under_it(site):
    hold(site, IMAGES)
    context = prepare(site)
    assert grid.look(context) is None
    grid.run(context)
    before = grid.look(context)

    pairs.replace(site.db, context.facts["minings"][0], pairs.SPEC.schema.empty_table())

    assert grid.look(context)["grids"].digest != before["grids"].digest


@pytest.mark.parametrize("encoders", [{"clip": "a"}, {"clip": "a", "ssl": "a"}])
def test_fewer_than_two_encoders_and_the_same_twice_are_refused(site, encoders):
    hold(site, 4)
    with pytest.raises(ValueError, match="a grid needs two encoders or more that differ"):
        grid.prepare(site, CONFIG, [CORPUS], inputs_of(site, encoders), encoders)
