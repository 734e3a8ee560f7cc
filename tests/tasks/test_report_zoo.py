"""The page of a zoo: what it shows, what it escapes, which points its figure numbers."""

import json

import pytest

from tasks.report.scaling_chart import ScaledEncoder, draw_scaling
from tasks.report.zoo_page import RuleScore, ZooContents, ZooEncoder, is_zoo, write_zoo

HOSTILE = "<script>alert(1)</script>"


def encoder(name, **changes):
    score = RuleScore(pairs=20, accuracy=0.4, low=0.2, high=0.6, chance=0.25)
    values = {
        "spec": f"open_clip:{name}",
        "refused": None,
        "image_px": 224,
        "image_parameters": 304_000_000,
        "text_parameters": 123_000_000,
        "parameters": 427_000_000,
        "imagenet": 0.755,
        "imagenet_source": "a table",
        "scores": {"mmvp-vlm": score},
        "patterns": {"Text": score},
    }
    return ZooEncoder(name=name, **values | changes)


def contents(*encoders):
    rules = {"mmvp-vlm": "the text of each image must be nearer to it"}
    return ZooContents(
        benchmark="drawn", rules=rules, encoders=encoders, imagenet_said="r 0.50, 4 encoders"
    )


REFUSED = {"refused": "not in the hub's cache", "scores": {}, "patterns": {}, "parameters": None}


def test_a_page_shows_sizes_scores_patterns_and_refusals(tmp_path):
    published = ScaledEncoder(
        name="a, published",
        accuracy=19.3,
        low=None,
        high=None,
        parameters=None,
        image_px=224,
        imagenet=None,
        is_published=True,
    )
    page, *others = write_zoo(
        tmp_path / "zoo", contents(encoder("a", published=published), encoder("b", **REFUSED)), {}
    )

    text = page.read_text()
    for part in ("427M", "304M", "123M", "75.5", "40.0", "20.0&ndash;60.0", "n&nbsp;20", "19.3"):
        assert part in text, part
    assert "fewer than 30 pairs" in text
    assert "not in the hub&#39;s cache" in text
    assert "r 0.50, 4 encoders" in text
    assert [file.name for file in others] == ["scaling-dark.png", "scaling.png", "zoo.json"]


def test_what_others_wrote_is_text_on_the_page(tmp_path):
    page, *_ = write_zoo(
        tmp_path / "zoo",
        contents(encoder(HOSTILE), encoder("b", **REFUSED | {"refused": HOSTILE})),
        {"name": HOSTILE},
    )

    assert "<script" not in page.read_text()
    assert json.loads((tmp_path / "zoo" / "zoo.json").read_text())["name"] == HOSTILE


def test_a_zoo_of_refusals_has_a_page_and_no_figure(tmp_path):
    page, *others = write_zoo(tmp_path / "zoo", contents(encoder("b", **REFUSED)), {})

    assert [file.name for file in others] == ["zoo.json"]
    assert "1 more could not be had" in page.read_text()


def test_only_a_zoo_is_replaced(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(ValueError, match="holds files that are not"):
        write_zoo(tmp_path, contents(encoder("a")), {})
    assert not is_zoo(tmp_path)


def test_every_point_of_each_panel_has_its_number_inside_the_panel():
    encoders = [
        ScaledEncoder(
            name=f"encoder {n}",
            accuracy=20.0 + 3 * n,
            low=15.0 + 3 * n,
            high=25.0 + 3 * n,
            parameters=10 ** (6 + n),
            image_px=224 + 56 * n,
            imagenet=60.0 + 5 * n,
        )
        for n in range(4)
    ]

    figure = draw_scaling(encoders, imagenet_said="r 0.99")

    for panel in figure.axes:
        numbers = [text for text in panel.texts if text.get_text().isdigit()]
        assert sorted(text.get_text() for text in numbers) == ["1", "2", "3", "4"]
        for text in numbers:
            x, y = text.get_position()
            assert 0 <= x <= 1, text
            assert 0 <= y <= 1, text
    assert "r 0.99" in [text.get_text() for text in figure.axes[2].texts]
