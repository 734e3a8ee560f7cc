"""Tables: columns are found or asked for, damage costs what it must, rows are read in order."""

import io
import json
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.corpora import table_files, tables
from tasks.corpora.corpus import REASONS, Reading
from tasks.corpora.opening import open_corpus
from tests.tasks.corpora import builders
from tests.tasks.corpora.builders import picture, pictures, put
from tests.tasks.corpora.listings import list_corpus, read_items, rows_of

PNG = picture(0).data
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "column",
    [
        pa.array([PNG], pa.binary()),
        pa.array([PNG], pa.large_binary()),
        pa.array([PNG], pa.binary()).dictionary_encode(),
        pa.array([{"bytes": PNG, "path": "x"}], STRUCT),
    ],
    ids=lambda column: str(column.type)[:20],
)
@pytest.mark.parametrize("name", ["image", "JPG", "anything"])
def test_a_column_of_bytes_is_found_whatever_its_type_and_name(tmp_path, column, name):
    path = write(tmp_path / "a.parquet", {"id": ["x"], name: column})

    assert rows_of(path) == {"000000000": PNG}


def test_rows_without_an_image_and_images_too_large_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROW_BYTES", len(PNG))
    rows = [{"bytes": data, "path": None} for data in (PNG, None, b"", PNG + b"x")]
    path = write(tmp_path / "a.parquet", {"image": pa.array([*rows, None], STRUCT)})

    assert list(rows_of(path).values()) == [
        PNG,
        "no-image",
        "no-image",
        "row-too-large",
        "no-image",
    ]


@pytest.mark.parametrize(
    ("columns", "asked", "told"),
    [
        ({"TEXT": ["a cat"]}, {}, (None, "a cat", {})),
        ({"captions": [["", "first", "second"]]}, {}, (None, "first", {})),
        ({"alt": ["a cat"]}, {"caption_column": "alt"}, (None, "a cat", {})),
        ({"label": [3]}, {}, ("3", None, {})),
        ({"label": pa.array(["x"]).dictionary_encode()}, {}, ("x", None, {})),
        ({"fur": ["x"], "age": [1.5], "n": [None]}, {}, (None, None, {"fur": "x", "age": "1.5"})),
        ({"box": [[1, 2]], "at": [{"x": 1}], "long": ["x" * 101]}, {}, (None, None, {})),
        (
            {"URL": ["x"], "similarity": [0.3], "WIDTH": [3], "AESTHETIC_SCORE": [5.0]},
            {},
            (None, None, {}),
        ),
    ],
)
def test_columns_tell_of_images(tmp_path, columns, asked, told):
    path = write(tmp_path / "a.parquet", {"image": pa.array([PNG]), **columns})

    (item,) = read_items(path, **asked)

    assert item.told[:3] == told


def test_numbers_of_classes_become_their_names(tmp_path):
    path = builders.write_parquet(tmp_path / "a.parquet", pictures(2))

    assert [item.told.label for item in read_items(path)] == ["cats", "dogs"]


@pytest.mark.parametrize(
    ("columns", "asked", "words"),
    [
        ({"n": [1]}, {}, r"no column holds images, found n \(int64\)"),
        ({"image": [1.0]}, {}, r"no column holds images, found image \(double\)"),
        ({"image": [[PNG]]}, {}, r"no column holds images, found image \(list"),
        ({"image": [PNG]}, {"image_column": "photo"}, "--image-column 'photo' is no such column"),
        ({"image": [PNG], "n": [1]}, {"image_column": "n"}, "is a column of type int64, expected"),
        ({"image": [PNG]}, {"caption_column": "t"}, "--caption-column 't' is no such column"),
        ({"image": [PNG]}, {"caption_column": "image"}, "is a column of type binary, expected"),
        ({"image": [PNG], "l": [{"x": 1}]}, {"label_column": "l"}, "is a column of type struct"),
    ],
)
def test_columns_that_are_missing_or_of_a_wrong_type_are_named(tmp_path, columns, asked, words):
    path = write(tmp_path / "a.parquet", columns)

    with pytest.raises(ValueError, match=words) as error:
        read_items(path, **asked)

    assert str(path) in str(error.value)
    assert next(iter(columns)) in str(error.value)


def test_a_parquet_file_is_cut_between_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "PART_ROWS", 4)
    path = builders.write_parquet(tmp_path / "a.parquet", pictures(11), row_group_size=2)
    opened = open_corpus(str(path), Reading())
    (archive,) = opened.listing.archives

    parts = opened.corpus.cut(archive)

    assert [(part.start, part.stop, part.number, part.parts) for part in parts] == [
        (0, 4, 0, 3),
        (4, 8, 1, 3),
        (8, 11, 2, 3),
    ]
    read = [item for part in parts[::-1] for item in opened.corpus.read(part)]
    assert [item.row for item in read] == [8, 9, 10, 4, 5, 6, 7, 0, 1, 2, 3]
    assert [item.content for item in read] == [picture(item.row).data for item in read]


def test_a_column_that_would_unpack_to_far_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "BOMB_BYTES", 2**16)
    path = tmp_path / "a.parquet"
    zeros = pa.table({"image": [bytes(2**20)]})
    pq.write_table(zeros, path, compression="zstd", use_dictionary=False)

    assert rows_of(path) == {"a.parquet": "archive-bomb"}


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize("data", [b"", b"PAR1", b"ARROW1", b"x" * 5000])
def test_what_is_no_table_is_refused_as_a_whole(tmp_path, name, data):
    assert rows_of(put(tmp_path / name, data)) == {name: "archive-damaged"}


def test_of_an_arrow_stream_that_was_cut_what_comes_before_is_read(tmp_path):
    path = builders.write_arrow(tmp_path / "a.arrow", pictures(6))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    rows = rows_of(path)

    assert rows.pop("a.arrow") == "archive-damaged"
    assert rows == {f"{n:09d}": picture(n).data for n in range(len(rows))}
    assert 0 < len(rows) < 6


def test_of_a_damaged_parquet_file_other_parts_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "PART_ROWS", 2)
    path = builders.write_parquet(tmp_path / "a.parquet", pictures(6), row_group_size=2)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)

    rows = rows_of(path)

    assert rows.pop("000000002-000000003") == "archive-damaged"
    assert rows == {f"{n:09d}": picture(n).data for n in (0, 1, 4, 5)}


def test_an_arrow_file_with_a_footer_is_read_as_a_stream_is(tmp_path):
    table = builders.table_of(pictures(3))
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)

    assert list(rows_of(tmp_path / "a.arrow").values()) == [one.data for one in pictures(3)]


def saved(tmp_path):
    return builders.write_saved(tmp_path / "d", pictures(2), pictures(2, 2), pictures(2, 4))


def test_a_saved_dataset_that_lacks_a_file_says_which(tmp_path):
    (saved(tmp_path) / "data-00001-of-00003.arrow").unlink()

    with pytest.raises(ValueError, match=r"lacks 1 of its shards: .*00001-of-00003.arrow.*state"):
        list_corpus(str(tmp_path / "d"))


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_shards_that_say_how_many_they_are_are_missed(tmp_path, gone):
    for number in {0, 1, 2} - {gone}:
        builders.write_parquet(tmp_path / f"d/t-{number:05d}-of-00003.parquet", pictures(1, number))

    with pytest.raises(ValueError, match=f"lacks 1 of its shards: .*0000{gone}-of-00003.parquet"):
        list_corpus(str(tmp_path / "d"))


def test_missing_shards_are_refused_rows_where_that_is_asked_for(tmp_path):
    path = saved(tmp_path) / "data-00001-of-00003.arrow"
    path.unlink()

    listing = open_corpus(str(tmp_path / "d"), Reading(allow_missing=True)).listing

    assert len(listing.archives) == 2
    assert [(at.path, at.reason) for at in listing.unreadable] == [(str(path), "missing-shard")]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (b"{", "state.json cannot be read"),
        (b"[]", "holds list, expected an object"),
        (b'{"_data_files": "x"}', "expected a list _data_files"),
        (b'{"_indices_data_files": [{"filename": "i"}]}', "another order than stored"),
    ],
)
def test_a_state_that_makes_no_sense_is_an_error(tmp_path, state, words):
    put(saved(tmp_path) / "state.json", state)

    with pytest.raises(ValueError, match=words):
        list_corpus(str(tmp_path / "d"))


def test_a_split_that_is_missing_is_named(tmp_path):
    builders.write_saved(tmp_path / "d/train", pictures(2))
    put(tmp_path / "d/dataset_dict.json", b'{"splits": ["train", "test"]}')

    with pytest.raises(ValueError, match=r"lacks 1 of its shards: .*/d/test/state.json"):
        list_corpus(str(tmp_path / "d"))


@pytest.mark.parametrize(
    ("form", "name"),
    [("files", "00001.parquet"), ("webdataset", "00001.tar"), ("parquet", "00001.parquet")],
)
def test_a_shard_of_img2dataset_that_is_missing_is_named(tmp_path, form, name):
    builders.write_img2dataset(tmp_path / "d", pictures(2), pictures(2, 2), form=form)
    (tmp_path / "d" / name).unlink()

    with pytest.raises(ValueError, match=f"lacks 1 of its shards: .*/d/{name}.*statistics"):
        list_corpus(str(tmp_path / "d"))


def test_a_damaged_table_beside_img2datasets_folders_costs_only_what_it_tells(tmp_path):
    builders.write_img2dataset(tmp_path / "d", pictures(2), form="files")
    put(tmp_path / "d/00000.parquet", b"x" * 100)

    listing = list_corpus(str(tmp_path / "d"))

    assert [entry.caption for entry in listing.files] == [None, None]
    assert [at.reason for at in listing.unreadable] == ["archive-damaged"]


def real(kind):
    file = io.BytesIO()
    table = builders.table_of(pictures(4))
    if kind == "parquet":
        pq.write_table(table, file, row_group_size=2)
    else:
        with pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, 2)
    return file.getvalue()


REAL = {kind: real(kind) for kind in ("parquet", "arrow")}
EDITS = st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=8)), max_size=4)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(REAL)), edits=EDITS, length=st.floats(0.5, 1))
def test_no_mutation_of_a_table_does_more_than_refuse_rows(kind, edits, length, tmp_path_factory):
    data = bytearray(REAL[kind])
    for at, new in edits:
        start = -1 - at % 2000 if at % 2 else at % len(data)  # footers and headers are at the ends
        data[start : start + len(new) if start + len(new) else None] = new
    end = len(data) if length > 0.6 else int(length * len(data))
    path = put(tmp_path_factory.mktemp("table") / f"a.{kind}", bytes(data[:end]))

    items = []
    with suppress(ValueError):  # its columns have lost their names or types
        items = read_items(path)

    assert len({item.location for item in items}) == len(items)
    for item in items:
        item.location.encode()
        json.dumps(item.told)
        assert isinstance(item.content, bytes) or item.content.reason in {*REASONS, "vanished"}
