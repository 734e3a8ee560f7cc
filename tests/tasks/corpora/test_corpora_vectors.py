"""Vectors that others computed: read row by row with their images' places, checked."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.corpora.corpus import RefusedPlaceError
from tasks.corpora.vectors import open_vectors, read_vectors
from tests.tasks.corpora.builders import put

WIDTH = 8


def vectors(count, seed=0, dtype=np.float16):
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(dtype)


def write_clip_retrieval(folder, *counts, dtype=np.float16):
    """Write what clip-retrieval's inference does."""
    for number, count in enumerate(counts):
        for kind in ("img_emb", "text_emb"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            np.save(folder / kind / f"{kind}_{number}.npy", vectors(count, number, dtype))
        (folder / "metadata").mkdir(exist_ok=True)
        names = [f"/images/{number}-{row}.jpg" for row in range(count)]
        table = pa.table({"caption": ["x"] * count, "image_path": names})
        pq.write_table(table, folder / f"metadata/metadata_{number}.parquet")
    return folder


def write_table(path, some, **more):
    column = pa.FixedSizeListArray.from_arrays(pa.array(some.ravel()), WIDTH)
    pq.write_table(pa.table({"vector": column, **more}), path)
    return path


def all_of(source):
    """Return locations, vectors and refusals of all batches."""
    batches = list(read_vectors(source))
    return (
        [place for batch in batches for place in batch.locations],
        np.concatenate([batch.vectors_ND for batch in batches]),
        [(place, why.detail) for batch in batches for place, why in batch.refused],
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_output_of_clip_retrieval_is_read_without_its_texts(tmp_path, dtype):
    source = open_vectors(str(write_clip_retrieval(tmp_path / "c", 3, 2, dtype=dtype)))

    places, found_ND, refused = all_of(source)

    assert (source.width, source.dtype) == (WIDTH, dtype)
    assert places == [f"/images/0-{row}.jpg" for row in range(3)] + [
        f"/images/1-{row}.jpg" for row in range(2)
    ]
    assert (found_ND == np.concatenate([vectors(3, 0, dtype), vectors(2, 1, dtype)])).all()
    assert refused == []


def test_a_column_of_vectors_is_read_with_the_places_of_its_rows(tmp_path):
    path = write_table(tmp_path / "a.parquet", vectors(5000), uri=["x", None, *["y"] * 4998])

    places, found_ND, _ = all_of(open_vectors(str(path)))

    assert places[:3] == ["x", f"{path}!/000000001", "y"]
    assert (found_ND == vectors(5000)).all()


def test_an_arrow_stream_of_vectors_is_read(tmp_path):
    table = pq.read_table(write_table(tmp_path / "a.parquet", vectors(10)))
    with pa.ipc.new_stream(str(tmp_path / "b.arrow"), table.schema) as stream:
        stream.write_table(table, 3)

    places, found_ND, _ = all_of(open_vectors(str(tmp_path / "b.arrow")))

    assert places[9] == f"{tmp_path}/b.arrow!/000000009"
    assert (found_ND == vectors(10)).all()


def test_rows_without_a_direction_are_refused_with_their_places(tmp_path):
    some = vectors(4, dtype=np.float32)
    some[1], some[2, 0] = 0, np.inf
    column = pa.FixedSizeListArray.from_arrays(
        pa.array(some.ravel()), WIDTH, mask=pa.array([False, False, False, True])
    )
    pq.write_table(pa.table({"v": column, "uri": list("abcd")}), tmp_path / "a.parquet")

    places, found_ND, refused = all_of(open_vectors(str(tmp_path / "a.parquet")))

    assert (places, len(found_ND)) == (["a"], 1)
    assert refused == [
        ("b", "zero"),
        ("c", "null or not finite"),
        ("d", "null or not finite"),
    ]


def spoil_count(folder):
    np.save(folder / "img_emb/img_emb_0.npy", vectors(2))


def spoil_type(folder):
    np.save(folder / "img_emb/img_emb_0.npy", vectors(3).astype(np.int64))


def spoil_shape(folder):
    np.save(folder / "img_emb/img_emb_0.npy", np.asfortranarray(vectors(3)))


def spoil_width(folder):
    np.save(folder / "img_emb/img_emb_0.npy", vectors(3)[:, :4])


def pickle_it(folder):
    np.save(folder / "img_emb/img_emb_0.npy", np.array([{}, None]), allow_pickle=True)


def cut_it(folder):
    path = folder / "img_emb/img_emb_0.npy"
    path.write_bytes(path.read_bytes()[:-1])


def break_header(folder):
    put(folder / "img_emb/img_emb_0.npy", b"\x93NUMPY\x01\x00\xff\xff{")


def lose_metadata(folder):
    (folder / "metadata/metadata_0.parquet").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (spoil_count, "has 2 vectors, .*metadata_0.parquet tells of 3"),
        (spoil_type, r"holds int64 of shape \(3, 8\), expected rows of float16"),
        (spoil_shape, "expected rows of float16"),
        (spoil_width, "of one width and type .* found 4 float16, 8 float16"),
        (pickle_it, "holds object of shape"),
        (cut_it, "ends too early"),
        (break_header, "cannot be read"),
        (lose_metadata, "metadata_0.parquet, which is missing"),
    ],
)
def test_damaged_vectors_are_named_before_any_is_read(tmp_path, damage, words):
    damage(write_clip_retrieval(tmp_path / "c", 3, 2))

    with pytest.raises(ValueError, match=words):
        open_vectors(str(tmp_path / "c"))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (None, r"2 columns hold vectors, .*a \(fixed_size_list"),
        ("n", r"0 columns named 'n' hold vectors, .*n \(int64\)"),
        ("b", None),
    ],
)
def test_of_several_columns_one_must_be_named(tmp_path, column, words):
    some = pa.FixedSizeListArray.from_arrays(pa.array(vectors(2).ravel()), WIDTH)
    pq.write_table(pa.table({"a": some, "b": some, "n": [1, 2]}), tmp_path / "a.parquet")
    if words is None:
        assert open_vectors(str(tmp_path / "a.parquet"), column).files[0].column == "b"
        return

    with pytest.raises(ValueError, match=words):
        open_vectors(str(tmp_path / "a.parquet"), column)


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_place_without_vectors_is_an_error(tmp_path, name):
    put(tmp_path / "empty/README", b"x")

    with pytest.raises(ValueError, match=r"nothing is there|found none"):
        open_vectors(str(tmp_path / name))


def test_a_file_that_is_damaged_behind_its_header_ends_the_reading(tmp_path):
    table = pq.read_table(write_table(tmp_path / "a.parquet", vectors(100)))
    with pa.ipc.new_stream(str(tmp_path / "b.arrow"), table.schema) as stream:
        stream.write_table(table, 10)
    data = (tmp_path / "b.arrow").read_bytes()
    (tmp_path / "b.arrow").write_bytes(data[: len(data) // 2])
    source = open_vectors(str(tmp_path / "b.arrow"))

    with pytest.raises(RefusedPlaceError):
        all_of(source)
