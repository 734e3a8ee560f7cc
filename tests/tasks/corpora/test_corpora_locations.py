"""Locations: every row can be read again, in any order, from any thread, and from old archives."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.corpora import locations
from tasks.corpora.locations import find_pixels, read_location
from tasks.images import RefusedImageError
from tests.tasks.corpora import builders
from tests.tasks.corpora.builders import picture, pictures

COUNT = 90


@pytest.fixture(scope="module", params=["tar", "parquet", "arrow"])
def archive(request, tmp_path_factory):
    """An archive of many pictures."""
    path = tmp_path_factory.mktemp("archive") / f"a.{request.param}"
    write = {
        "tar": builders.write_tar,
        "parquet": lambda at, some: builders.write_parquet(at, some, row_group_size=40),
        "arrow": builders.write_arrow,
    }[request.param]
    return write(path, pictures(COUNT))


def location(archive, number):
    return f"{archive}!/{number:09d}" + (".png" if archive.suffix == ".tar" else "")


def test_rows_are_read_in_any_order(archive):
    numbers = random.Random(0).sample(range(COUNT), COUNT)

    assert [read_location(location(archive, n)) for n in numbers] == [
        picture(n).data for n in numbers
    ]


def test_threads_that_read_at_once_get_what_they_asked_for(archive):
    numbers = [*range(COUNT)] * 2
    locations.forget()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: read_location(location(archive, n)), numbers))

    assert found == [picture(n).data for n in numbers]


def test_rows_in_order_are_read_in_one_pass(archive, monkeypatch):
    if archive.suffix == ".tar":
        return
    locations.forget()
    passes = []
    opened = locations.open_table

    def counted(place):
        table = opened(place)
        batches = table.batches
        monkeypatch.setattr(
            table, "batches", lambda *at, **more: passes.append(at) or batches(*at, **more)
        )
        return table

    monkeypatch.setattr(locations, "open_table", counted)
    for number in range(COUNT):
        read_location(location(archive, number))

    assert len(passes) <= 3  # one a group of rows


@pytest.mark.parametrize("row", ["x", "", "-1", "999", "/", "000000001/nowhere", "../a.png"])
def test_rows_that_are_not_there_have_vanished(archive, row):
    with pytest.raises(RefusedImageError, match="gone"):
        read_location(f"{archive}!/{row}")


def test_an_archive_that_is_gone_has_vanished(archive):
    with pytest.raises(RefusedImageError, match="gone"):
        read_location(location(archive.with_stem("nowhere"), 1))


def test_of_several_places_the_first_that_holds_the_image_is_decoded(archive, tmp_path):
    wrong, gone = location(archive, 1), location(archive.with_stem("nowhere"), 2)
    right = builders.put(tmp_path / "2.png", picture(2).data)

    assert find_pixels(picture(2).image, [gone, wrong, str(right)]).shape == (32, 32, 3)
    with pytest.raises(RefusedImageError) as error:
        find_pixels(picture(2).image, [gone, wrong])
    assert error.value.reason == "changed"


def test_an_archive_that_was_written_anew_is_opened_anew(archive, tmp_path):
    path = tmp_path / archive.name
    path.write_bytes(archive.read_bytes())
    assert read_location(location(path, 3)) == picture(3).data
    draft = {".tar": builders.write_tar, ".parquet": builders.write_parquet}.get(
        archive.suffix, builders.write_arrow
    )(tmp_path / f"new{archive.suffix}", pictures(2, 2))
    draft.replace(path)

    number = 3 if archive.suffix == ".tar" else 1

    assert read_location(location(path, number)) == picture(3).data
