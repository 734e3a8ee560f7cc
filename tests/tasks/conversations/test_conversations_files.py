"""Files of conversations are read value by value, and damage is told with its place."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.conversations import files
from tasks.conversations.files import digest_file, read_values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def tiny_pieces(monkeypatch):
    """Read one to a few bytes at a time, so that every value is cut everywhere."""
    return lambda size: monkeypatch.setattr(files, "PIECE_BYTES", size)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(JSON, max_size=5),
    size=st.integers(1, 9),
    indent=st.sampled_from([None, 2]),
    ascii_only=st.booleans(),
)
def test_a_list_is_read_as_json_reads_it_wherever_its_pieces_end(
    tmp_path_factory, values, size, indent, ascii_only
):
    file = tmp_path_factory.mktemp("list") / "values.json"
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE_BYTES", size)
        assert list(read_values(file)) == values


@settings(max_examples=80, deadline=None)
@given(values=st.lists(st.dictionaries(st.text(), JSON), max_size=5), size=st.integers(1, 9))
def test_lines_are_read_as_json_reads_them(tmp_path_factory, values, size):
    file = tmp_path_factory.mktemp("lines") / "values.jsonl"
    file.write_text("\n".join(map(json.dumps, values)) + "\n\n")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE_BYTES", size)
        assert list(read_values(file)) == values


@pytest.mark.parametrize("start", ["", "\ufeff", " \r\n\t"])
def test_marks_and_blanks_before_the_list_are_passed_over(tmp_path, start):
    (tmp_path / "a.json").write_text(start + '[{"a": 1}, 2]')

    assert list(read_values(tmp_path / "a.json")) == [{"a": 1}, 2]


@pytest.mark.parametrize(
    ("text", "before", "told"),
    [
        ('[{"a": 1},\n {"a": 2', 1, "line 2, at byte 19"),
        ('[{"a": 1},\n {"a" 2}]', 1, "line 2, at byte 17: Expecting ':' delimiter"),
        ('[{"a": 1}\n {"a": 2}]', 1, "line 2, at byte 11: expected ',' or ']'"),
        ('[{"a": 1}]\nmore', 1, "line 2, at byte 11: there is something behind the end"),
        ('[{"ä": "ä"}', 1, "at byte 13: the list has no end"),
        ("[", 0, "line 1, at byte 1: the list has no end"),
        ('{"a": 1}\n{"a": 2}\n{"a": nope}\n', 2, "line 3, at byte 24"),
        ("[" * 100_000, 0, "at byte 1: "),
        (f'[{{"a": {"9" * 5000}}}]', 0, "at byte 1: Exceeds the limit"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_damaged_file_says_where_and_gives_what_stands_before(
    tmp_path, tiny_pieces, text, before, told, size
):
    tiny_pieces(size if len(text) < 1000 else 1 << 20)
    (tmp_path / "a.json").write_text(text)
    values = read_values(tmp_path / "a.json")

    for _ in range(before):
        next(values)
    with pytest.raises(ValueError, match="is damaged in line") as refused:
        list(values)

    assert told in str(refused.value)
    assert "get the file again" in str(refused.value)


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("bytes_", "at"), [(b'[{"a": "\xff"}]', 8), (b'["\xc3\xa4\xc3"]', 4), (b'["a\xe2\x82', 3)]
)
def test_bytes_that_are_no_utf8_are_told_by_their_place(tmp_path, tiny_pieces, bytes_, at, size):
    tiny_pieces(size)
    (tmp_path / "a.json").write_bytes(bytes_)

    with pytest.raises(ValueError, match=f"damaged at byte {at}: it is not UTF-8"):
        list(read_values(tmp_path / "a.json"))


def test_a_text_that_never_ends_is_not_read_into_memory_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_CHARACTERS", 1000)
    monkeypatch.setattr(files, "PIECE_BYTES", 100)
    (tmp_path / "a.json").write_text('[{"a": 1}, {"a": "' + "x" * 1_000_000)

    with pytest.raises(ValueError, match="a value of more than 1,000 characters"):
        list(read_values(tmp_path / "a.json"))


@pytest.mark.parametrize("name", ["nothing.json", "folder"])
def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path, name):
    (tmp_path / "folder").mkdir()

    with pytest.raises(ValueError, match=rf"conversations '.*{name}' cannot be read"):
        digest_file(tmp_path / name)
