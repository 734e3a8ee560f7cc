"""Vectors that somebody else computed: matched with images, stored once, refused with a reason."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage import embeddings, paths, refused
from storage.paths import PathRow
from storage.receipts import Receipt, digest_rows
from tasks import embed
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig, identify, load
from tasks.precomputed import bring
from tasks.stage import Site
from tasks.workers import Workers, WorkersConfig

CORPUS = "/photos"
IMAGES = 9
IDS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(IMAGES)]
VECTORS = np.random.default_rng(0).normal(size=(IMAGES, 8)).astype(np.float32)


def path_of(number):
    return f"{CORPUS}/a/{number}.jpg"


@pytest.fixture
def corpus(db):
    """Nine images of a corpus, as ingest leaves them."""
    rows = [
        PathRow(
            corpus=CORPUS,
            path=path_of(number),
            image=IDS[number],
            label=None,
            caption=None,
            attributes=None,
            size_bytes=1,
            mtime_ns=1,
            made_by="test",
        )
        for number in range(IMAGES)
    ]
    paths.upsert(db, rows)
    return db


def write_table(path, locations, vectors_ND, column="embedding"):
    """Write a Parquet file of vectors; a vector of None is null."""
    kind = pa.list_(pa.float32(), VECTORS.shape[1])
    values = [None if vector is None else list(map(float, vector)) for vector in vectors_ND]
    table = pa.table({"image_path": locations, column: pa.array(values, kind)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def write_clip_retrieval(folder, locations, vectors_ND):
    """Write what clip-retrieval writes, in two parts."""
    middle = len(locations) // 2
    for part, rows in enumerate((slice(0, middle), slice(middle, None))):
        array = folder / "img_emb" / f"img_emb_{part}.npy"
        told = folder / "metadata" / f"metadata_{part}.parquet"
        for file in (array, told):
            file.parent.mkdir(parents=True, exist_ok=True)
        np.save(array, vectors_ND[rows])
        pq.write_table(pa.table({"image_path": locations[rows]}), told)
    return folder


def brought(db, place):
    config = EncoderConfig(spec=f"vectors:{place}")
    identity = identify(config)
    done = bring(db, config, identity, [CORPUS], version=db.version(paths.SPEC))
    ids, vectors_ND = embeddings.read(
        db, identity.name, IDS, version=embeddings.version(db, identity.name)
    )
    return done, dict(zip(ids, vectors_ND, strict=True))


def unit(vectors_ND):
    wide_ND = vectors_ND.astype(np.float64)
    return (wide_ND / np.linalg.norm(wide_ND, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize(
    "locate",
    [path_of, lambda number: f"a/{number}.jpg", lambda number: IDS[number]],
    ids=["by path", "by path below the corpus", "by image"],
)
@pytest.mark.parametrize("write", [write_table, write_clip_retrieval])
def test_each_row_is_of_the_image_that_it_names(corpus, tmp_path, write, locate):
    place = tmp_path / "vectors.parquet" if write is write_table else tmp_path / "clip"
    order = [3, 1, 0, 2, 8, 7, 6, 5, 4]
    write(place, [locate(number) for number in order], VECTORS[order])

    done, stored = brought(corpus, place)

    assert (done.new, done.failures, done.unused) == (IMAGES, [], 0)
    for number, vector in enumerate(unit(VECTORS)):
        np.testing.assert_array_equal(stored[IDS[number]], vector)


def test_what_has_no_vector_is_told_why_and_rows_of_no_image_are_counted(corpus, tmp_path):
    zero, nan = np.zeros(8), np.full(8, np.nan)
    rows = [VECTORS[0], zero, nan, None, VECTORS[4], VECTORS[5]]
    names = [*map(path_of, range(5)), "/elsewhere.jpg"]
    done, stored = brought(corpus, write_table(tmp_path / "v.parquet", names, rows))

    assert set(stored) == {IDS[0], IDS[4]}
    why = {failure.image: failure.detail for failure in done.failures}
    assert why[IDS[1]] == f"{path_of(1)}: zero"
    assert why[IDS[2]] == f"{path_of(2)}: null or not finite"
    assert why[IDS[3]] == f"{path_of(3)}: null or not finite"
    assert {why[IDS[number]] for number in range(5, IMAGES)} == {""}
    assert done.unused == 1


def test_an_image_gets_one_vector_and_a_second_run_brings_nothing(corpus, tmp_path):
    rows = [*VECTORS, *VECTORS[::-1]]
    place = write_table(tmp_path / "v.parquet", [*map(path_of, range(IMAGES))] * 2, rows)

    first, stored = brought(corpus, place)
    again, same = brought(corpus, place)

    assert (first.new, again.new) == (IMAGES, 0)
    np.testing.assert_array_equal(stored[IDS[0]], unit(VECTORS)[0])
    assert stored.keys() == same.keys()


def test_large_vectors_do_not_leave_the_range_of_float16(corpus, tmp_path):
    place = write_table(tmp_path / "v.parquet", [*map(path_of, range(IMAGES))], VECTORS * 1e30)

    _, stored = brought(corpus, place)

    np.testing.assert_array_equal(stored[IDS[0]], unit(VECTORS)[0])


def test_other_vectors_have_another_name_and_a_copy_has_the_same(tmp_path):
    names = [path_of(number) for number in range(IMAGES)]

    def name(place):
        return identify(EncoderConfig(spec=f"vectors:{place}")).fingerprint

    one = name(write_table(tmp_path / "a" / "v.parquet", names, VECTORS))
    copy = name(write_table(tmp_path / "b" / "v.parquet", names, VECTORS))
    other = name(write_table(tmp_path / "c" / "v.parquet", names, VECTORS + 1))

    assert one == copy != other


def test_a_column_is_chosen_behind_a_hash(corpus, tmp_path):
    place = write_table(tmp_path / "v.parquet", [*map(path_of, range(IMAGES))], VECTORS, "clip")

    done, _ = brought(corpus, f"{place}#clip")
    with pytest.raises(ValueError, match="0 columns named 'dino' hold vectors"):
        brought(corpus, f"{place}#dino")

    assert done.new == IMAGES


@pytest.mark.parametrize(
    ("options", "words"),
    [({"image_px": 224}, "image_px"), ({"dtype": "bfloat16", "pooling": "cls"}, "dtype, pooling")],
)
def test_options_of_models_are_refused(tmp_path, options, words):
    place = write_table(tmp_path / "v.parquet", [path_of(0)], VECTORS[:1])
    with pytest.raises(ValueError, match=f"is of stored vectors; leave out {words}"):
        identify(EncoderConfig(spec=f"vectors:{place}", **options))


def test_no_vectors_and_no_model_are_clear_errors(tmp_path):
    with pytest.raises(ValueError, match="nothing is there"):
        identify(EncoderConfig(spec=f"vectors:{tmp_path}/none"))
    place = write_table(tmp_path / "v.parquet", [path_of(0)], VECTORS[:1])
    with pytest.raises(ValueError, match="cannot embed an image"):
        load(EncoderConfig(spec=f"vectors:{place}"))


def test_the_stage_embeds_with_them_and_tells_what_they_lack(corpus, home, tmp_path):
    names = [path_of(number) for number in range(IMAGES)]
    clip = write_table(tmp_path / "clip.parquet", names, VECTORS)
    ssl = write_table(tmp_path / "ssl.parquet", names[:-1], VECTORS[:-1])
    nobody = Workers(WorkersConfig(scheduler="tcp://127.0.0.1:9", device="cpu"))
    site = Site(db=corpus, home=home, workers=nobody)
    config = EmbedConfig(
        clip=EncoderConfig(spec=f"vectors:{clip}"), ssl=EncoderConfig(spec=f"vectors:{ssl}")
    )
    version = corpus.version(paths.SPEC)
    inputs = {
        name: Receipt(table=name, version=version, rows=1, digest=digest_rows([], name))
        for name in ("images", "paths")
    }
    context = embed.prepare(site, config, [CORPUS], inputs)

    outcome = embed.run(context)
    receipts = embed.look(context)

    assert (outcome.new, outcome.rows, outcome.reasons) == (IMAGES, IMAGES - 1, {"no-vector": 1})
    assert (receipts["clip"].rows, receipts["ssl"].rows) == (IMAGES, IMAGES - 1)
    (row,) = refused.read(corpus, "embed", [CORPUS])
    assert (row.path, row.reason) == (path_of(IMAGES - 1), "no-vector")
