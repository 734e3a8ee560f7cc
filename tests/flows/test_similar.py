"""`mmvp similar`: neighbours of a stored image, of a file, and what it says when there are none."""

import json

import pytest

from flows.cli import main
from tests import pictures
from tests.flows import runs


@pytest.fixture
def embedded(server, cluster, home, photos):
    runs.run([photos], cluster, through="embed")
    return photos


def ask(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["similar", *map(str, arguments), "--json"])
    out = capsys.readouterr()
    return ended.value.code, json.loads(out.out.splitlines()[-1]), out.err


def test_it_finds_by_both_encoders_what_a_full_comparison_finds(embedded, capsys):
    image = runs.shown("images")[0]
    code, found, _ = ask(capsys, image["image"], "--count", "3")

    _, by_path, _ = ask(capsys, image["path"], "--count", "3")

    assert code == 0
    assert found == by_path
    assert found["image"] == image["image"]
    assert set(found["encoders"]) == {"clip", "ssl"}
    for result in found["encoders"].values():
        assert result["index"]["indexed"] == 12
        assert result["recall"] == 1.0  # all of its few cells are searched
        assert image["image"] not in [one["image"] for one in result["neighbours"]]
    nearest = [one["clip_cosine"] for one in found["encoders"]["clip"]["neighbours"]]
    assert len(nearest) == 3
    assert nearest == sorted(nearest, reverse=True)


def test_a_picture_that_is_not_in_the_store_is_embedded_on_the_spot(embedded, capsys, tmp_path):
    pictures.draw_photo(tmp_path / "new.png", 5)  # the same as a stored one, so of equal content
    pictures.draw_photo(tmp_path / "other.png", 77)
    _, same, _ = ask(capsys, tmp_path / "new.png", "--ssl", "tiny:ssl")
    _, other, _ = ask(capsys, tmp_path / "other.png", "--count", "1", "--ssl", "tiny:ssl")

    assert same["image"] in {row["image"] for row in runs.shown("images")}
    assert other["image"] not in {row["image"] for row in runs.shown("images")}
    (near,) = other["encoders"]["ssl"]["neighbours"]
    assert near["path"].startswith(str(embedded))
    assert -1 <= near["ssl_cosine"] < 1


def test_what_cannot_be_looked_up_is_named(embedded, capsys):
    code, found, _ = ask(capsys, "no-such-image")
    assert code == 1
    assert "'no-such-image' is neither a file nor the id of a stored image" in found["error"]

    image = runs.shown("images")[0]["image"]
    code, found, _ = ask(capsys, image, "--clip", "tiny:clip-control")
    assert code == 1
    assert "no image is embedded with tiny-clip-control" in found["error"]
