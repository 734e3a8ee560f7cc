"""Tars: samples are grouped as WebDataset does, and nothing in an archive is trusted."""

import gzip
import io
import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.corpora import tars, webdataset
from tasks.corpora.corpus import REASONS
from tests.tasks.corpora import builders
from tests.tasks.corpora.builders import picture, pictures, put, tar_of
from tests.tasks.corpora.listings import list_corpus, read_items, rows_of

PNG = picture(0).data
WHOLE = tar_of([("a.png", PNG), ("b.png", PNG)])
BODY = -(-len(PNG) // 512) * 512


def told_of(path, **asked):
    """What is told of the first image."""
    return next(item.told for item in read_items(path, **asked) if isinstance(item.content, bytes))


def test_a_sample_may_lie_in_folders_and_have_dots_in_its_extensions(tmp_path):
    members = [
        ("./train/cats/1.left.png", PNG),
        ("./train/cats/1.right.PNG", picture(1).data),
        ("./train/cats/1.cls", b"7\n"),
        ("./train/dogs/1.jpg", picture(2).data),
    ]

    items = read_items(put(tmp_path / "a.tar", tar_of(members)))

    assert [item.location.partition("!/")[2] for item in items] == [
        "./train/cats/1.left.png",
        "./train/cats/1.right.PNG",
        "./train/dogs/1.jpg",
    ]
    assert [item.told.label for item in items] == ["7", "7", None]


@pytest.mark.parametrize(
    ("members", "asked", "told"),
    [
        ([("a.txt", b" a cat\n")], {}, (None, "a cat", {})),
        ([("a.txt", b"\xef\xbb\xbfcaf\xe9")], {}, (None, "caf\ufffd", {})),
        ([("a.json", b'{"caption": "x", "fur": 3}')], {}, (None, "x", {"fur": "3"})),
        ([("a.json", b'{"caption": "x"}'), ("a.txt", b"y")], {}, (None, "x", {"txt": "y"})),
        ([("a.json", b'{"alt": "x"}')], {"caption_column": "alt"}, (None, "x", {})),
        ([("a.json", b'{"kind": "x"}')], {"label_column": "kind"}, ("x", None, {})),
        ([("a.cls", b"3"), ("a.json", b'{"label": "x"}')], {}, ("x", None, {"cls": "3"})),
        ([("a.json", b'{"a": "\\ud83d", "b": 1e999, "c": [1]}')], {}, (None, None, {"a": "?"})),
        ([("a.json", b'{"width": 9, "sha256": "x", "key": "a"}')], {}, (None, None, {})),
        ([("a.json", b'{"caption": "' + b"x" * 10_001 + b'"}')], {}, (None, None, {})),
    ],
)  # fmt: skip
def test_texts_beside_an_image_tell_of_it(tmp_path, members, asked, told):
    path = put(tmp_path / "a.tar", tar_of([("a.png", PNG), *members]))

    assert told_of(path, **asked)[:3] == told


@pytest.mark.parametrize(
    "text", [b"{", b"[1]", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b" " * (2**20 + 1)]
)
def test_a_text_that_cannot_be_read_costs_no_image(tmp_path, text):
    path = put(tmp_path / "a.tar", tar_of([("a.json", text), ("a.png", PNG)]))

    assert rows_of(path) == {"a.json": "told-unreadable", "a.png": PNG}


def test_the_extension_of_images_can_be_asked_for(tmp_path):
    members = [("a.depth.png", b"x"), ("a.photo", PNG), ("b.depth.png", b"x")]
    path = put(tmp_path / "a.tar", tar_of(members))

    assert rows_of(path, image_column="photo") == {"a.photo": PNG, "b.depth.png": "no-image"}


def special(kind, name="a.png", link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("member", "location", "reason"),
    [
        ("/etc/passwd.png", "/etc/passwd.png", "path-escapes"),
        ("../a.png", "../a.png", "path-escapes"),
        ("a/../../b.png", "a/../../b.png", "path-escapes"),
        (special(tarfile.SYMTYPE, link="/etc/passwd"), "a.png", "not-a-file"),
        (special(tarfile.LNKTYPE, link="b.png"), "a.png", "not-a-file"),
        (special(tarfile.CHRTYPE), "a.png", "not-a-file"),
        (special(tarfile.BLKTYPE), "a.png", "not-a-file"),
        (special(tarfile.FIFOTYPE), "a.png", "not-a-file"),
        ("caf\udce9.png", "caf\\xe9.png", "name-not-utf8"),
        ("README", "README", "no-image"),
    ],
)
def test_members_that_are_no_plain_files_with_plain_names_are_refused(
    tmp_path, member, location, reason
):
    path = put(tmp_path / "a.tar", tar_of([(member, b""), ("z.png", PNG)]))

    refused, good = read_items(path)

    assert refused.location == f"{path}!/{location}"
    assert refused.content.reason == reason
    assert good.content == PNG


def test_of_two_members_with_one_name_the_first_is_read(tmp_path):
    members = [("a.png", PNG), ("b.png", PNG), ("a.png", picture(1).data), ("a.png", b"x")]
    path = put(tmp_path / "a.tar", tar_of(members))

    assert rows_of(path) == {
        "a.png": PNG,
        "b.png": PNG,
        "a.png!2": "duplicate-member",
        "a.png!3": "duplicate-member",
    }


def test_hidden_members_and_folders_are_passed_over(tmp_path):
    members = [(special(tarfile.DIRTYPE, "x"), b""), ("._a.png", b"x"), ("a.png", PNG)]
    path = put(tmp_path / "a.tar", tar_of([*members, (".git/b.png", b"x")]))

    assert rows_of(path) == {"a.png": PNG}


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_of_all_formats_are_read(tmp_path, kind):
    name = "/".join(["folder"] * 20) + "/" + "n" * 60 + ".png"
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        member = tarfile.TarInfo(name)
        member.size = len(PNG)
        tar.addfile(member, io.BytesIO(PNG))

    (item,) = read_items(put(tmp_path / "a.tar", file.getvalue()))

    assert (item.location, item.content) == (f"{tmp_path}/a.tar!/{name}", PNG)


def test_a_member_larger_than_an_image_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(webdataset, "MAX_ROW_BYTES", 10)
    path = put(tmp_path / "a.tar", tar_of([("a.png", PNG), ("b.png", b"0123456789")]))

    assert rows_of(path) == {"a.png": "row-too-large", "b.png": b"0123456789"}


def test_an_extended_header_of_any_length_is_not_read_into_memory(tmp_path):
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, tars.MAX_HEADER_BYTES + 1
    data = WHOLE[: 512 + BODY] + long.tobuf() + bytes(100_000)
    path = put(tmp_path / "a.tar", data)

    assert rows_of(path) == {"a.png": PNG, "a.tar": "archive-damaged"}


def test_more_members_than_an_archive_may_have_are_refused_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "MAX_MEMBERS", 2)
    path = put(tmp_path / "a.tar", tar_of([(f"{n}.png", PNG) for n in range(4)]))

    assert rows_of(path) == {"0.png": PNG, "1.png": PNG, "a.tar": "archive-too-long"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "archive-truncated"),
        (WHOLE[:100], "archive-truncated"),
        (b"x" * 10_240, "archive-damaged"),
        (gzip.compress(WHOLE), "archive-compressed"),
    ],
)
def test_what_is_no_tar_is_refused_as_a_whole(tmp_path, data, reason):
    assert rows_of(put(tmp_path / "a.tar", data)) == {"a.tar": reason}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (WHOLE[: 512 + BODY], "archive-truncated"),
        (WHOLE[: 512 + BODY + 100], "archive-truncated"),
        (WHOLE[: 512 + BODY + 600], "archive-truncated"),
        (WHOLE[: 512 + BODY] + b"x" * 512 + WHOLE[1024 + BODY :], "archive-damaged"),
    ],
)
def test_of_a_damaged_archive_what_comes_before_the_damage_is_read(tmp_path, data, reason):
    assert rows_of(put(tmp_path / "a.tar", data)) == {"a.png": PNG, "a.tar": reason}


def test_the_gaps_in_numbered_shards_are_refused_by_name(tmp_path):
    for number in (0, 1, 3):
        builders.write_tar(tmp_path / f"s/{number:05d}.tar", pictures(1, number))

    unreadable = list_corpus(str(tmp_path / "s")).unreadable

    assert [(place.path, place.reason) for place in unreadable] == [
        (f"{tmp_path}/s/00002.tar", "missing-shard")
    ]


def test_numbers_that_count_something_else_leave_no_gaps(tmp_path):
    for year in (1999, 2005, 2024):
        builders.write_tar(tmp_path / f"s/{year}.tar", pictures(1, year))

    assert list_corpus(str(tmp_path / "s")).unreadable == []


MEMBERS = [
    *builders.sample(picture(1)),
    ("x" * 200 + ".png", PNG),
    *builders.sample(picture(2)),
]
REAL = tar_of(MEMBERS)


@settings(max_examples=150, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(REAL) - 1), st.binary(min_size=1, max_size=20)), max_size=8
    ),
    length=st.integers(0, len(REAL)),
)
def test_no_mutation_of_an_archive_does_more_than_refuse_rows(edits, length, tmp_path_factory):
    data = bytearray(REAL)
    for at, new in edits:
        start = at // 512 * 512 + at % 160 if at % 2 else at  # every second one hits a header
        data[start : start + len(new)] = new
    path = put(tmp_path_factory.mktemp("tar") / "a.tar", bytes(data[:length]))

    items = read_items(path)

    assert len({item.location for item in items}) == len(items)
    for item in items:
        item.location.encode()
        json.dumps(item.told)
        assert isinstance(item.content, bytes) or item.content.reason in REASONS
    assert [at.name for at in path.parent.iterdir()] == ["a.tar"]
