"""Reports: what the page says, what it must not do, and that a killed call costs nothing."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tasks.report import PairCard, ReportContents, TableVersion, is_report, write_report
from tasks.report import folder as report_folder

HOSTILE = "<script>alert(1)</script>\"'>" + "very-long-" * 40 + "\u202egnp.jpg"


def card(n, **changes):
    fields = {
        "pair_id": f"a{n:03}+b{n:03}",
        "image_a": f"a{n:03}",
        "image_b": f"b{n:03}",
        "path_a": f"left/{n:03}.png",
        "path_b": f"right/{n:03}.png",
        "caption_a": "a red ball",
        "clip_cosine": 0.99 - n / 1000,
        "ssl_cosine": 0.1 + n / 1000,
    }
    return PairCard(**fields | changes)


def contents(cards=(), **changes):
    clip_cosines_P = np.linspace(0.1, 0.9, 50)
    fields = {
        "corpora": ["scenes"],
        "clip": "tiny:clip",
        "ssl": "tiny:ssl",
        "clip_above": 0.95,
        "ssl_below": 0.6,
        "images": 1000,
        "files": 1007,
        "refused": {"not-an-image": 4},
        "mined": len(cards),
        "selected": len(cards),
        "left_out": {},
        "cards": list(cards),
        "cards_total": len(cards),
        "clip_cosines_P": clip_cosines_P,
        "ssl_cosines_P": clip_cosines_P[::-1].copy(),
        "plane_note": "all 50 pairs",
        "mined_clip_M": np.array([each.clip_cosine for each in cards]),
        "mined_ssl_M": np.array([each.ssl_cosine for each in cards]),
        "versions": [
            TableVersion(stage="mine", table="pairs", version=3, rows=len(cards), digest="f" * 64)
        ],
        "settings": {"mine.clip_above": "0.95"},
        "reasons_explained": {"not-an-image": "No decoder recognises the file."},
    }
    return ReportContents(**fields | changes)


def draw(path, *, size=(48, 32)):
    """Give a picture of its own to each path."""
    shade = sum(path.encode("utf-8", "surrogatepass")) % 256
    pixels_HWC = np.full((size[1], size[0], 3), shade, dtype=np.uint8)
    pixels_HWC[: size[1] // 2, : size[0] // 3] = (255 - shade, 40, 80)
    return pixels_HWC


def page(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_a_report_is_the_same_bytes_every_time(tmp_path):
    report = contents([card(n) for n in range(9)])

    written = write_report(tmp_path / "one", report, read_image=draw)
    write_report(tmp_path / "two", report, read_image=draw)
    first = files_of(tmp_path / "one")
    write_report(tmp_path / "one", report, read_image=draw)

    assert first == files_of(tmp_path / "two") == files_of(tmp_path / "one")
    assert written[0] == tmp_path / "one" / "index.html"
    assert {str(path.relative_to(tmp_path / "one")) for path in written} == first.keys()
    assert {"index.html", "plane.png", "plane-dark.png", "pairs.png", "report.json"} < first.keys()


def test_the_page_shows_both_images_cosines_and_captions_of_a_pair(tmp_path):
    write_report(tmp_path / "report", contents([card(7, label_b="ball")]), read_image=draw)

    html = page(tmp_path / "report")
    images = [attrs for tag, attrs in Tags(html).found if tag == "img"]
    assert [each["src"] for each in images[1:]] == ["images/a007.png", "images/b007.png"]
    assert images[1]["alt"] == "Image A of pair 1: 007.png, a red ball"
    assert images[2]["alt"] == "Image B of pair 1: 007.png, ball"
    assert "0.983" in html
    assert "0.107" in html
    assert "1 selected pair, best first" in html


def test_reasons_stand_with_their_counts_and_explanations(tmp_path):
    report = contents([card(0)], left_out={"unheard-of": 1234})

    write_report(tmp_path / "report", report, read_image=draw)

    html = page(tmp_path / "report")
    assert re.search(r"not-an-image.*>4<.*No decoder recognises the file\.", html)
    assert re.search(r"unheard-of.*>1,234<.*No explanation is recorded", html)


def test_hostile_names_are_text_and_nothing_else(tmp_path):
    hostile = card(0, path_a=HOSTILE, label_a=HOSTILE, caption_b=HOSTILE, image_b="../../escape<b>")
    report = contents(
        [hostile, card(1, path_a=f"bytes-\udcff/{HOSTILE}/\udcff.png", image_a="other")],
        corpora=[HOSTILE],
        clip=HOSTILE + "$x$",
        refused={HOSTILE: 1},
        settings={HOSTILE: HOSTILE},
        plane_note=HOSTILE,
    )

    write_report(tmp_path / "report", report, read_image=draw)

    tags = Tags(page(tmp_path / "report")).found
    assert "script" not in {tag for tag, _ in tags}
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_the_page_asks_nothing_of_the_network(tmp_path):
    write_report(tmp_path / "report", contents([card(0)]), read_image=draw)

    tags = Tags(page(tmp_path / "report")).found
    links = [
        attrs[name] for _, attrs in tags for name in ("src", "srcset", "href") if name in attrs
    ]
    outside = [link for link in links if ":" in link.partition("?")[0] and link != "data:,"]
    assert outside == []
    assert "url(" not in page(tmp_path / "report")
    inside = [link for link in links if link != "data:,"]
    assert all((tmp_path / "report" / link).is_file() for link in inside)


def test_without_mined_pairs_the_page_says_so_and_offers_quantiles(tmp_path):
    write_report(tmp_path / "report", contents(), read_image=draw)

    html = page(tmp_path / "report")
    assert "No CLIP-blind pairs were found." in html
    assert "--clip-above-quantile" in html
    assert "--ssl-below-quantile" in html
    assert "<details open>" in html


def test_a_corpus_of_one_image_has_a_report(tmp_path):
    nothing = np.empty(0)
    report = contents(images=1, clip_cosines_P=nothing, ssl_cosines_P=nothing)

    write_report(tmp_path / "report", report, read_image=draw)

    assert "The corpus has 1 image, and a pair needs two." in page(tmp_path / "report")


def test_mined_pairs_of_which_none_was_selected_are_not_no_pairs(tmp_path):
    write_report(tmp_path / "report", contents(mined=3, left_out={"cap": 3}), read_image=draw)

    html = page(tmp_path / "report")
    assert "3 pairs were mined and none was selected" in html
    assert "No CLIP-blind pairs" not in html


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("the <file> is gone", "the <file> is gone"), (None, "could not be read")],
)
def test_a_missing_image_is_named_on_its_card(tmp_path, answer, reason):
    def read_image(path):
        return answer if path.startswith("left") else draw(path)

    write_report(tmp_path / "report", contents([card(0)]), read_image=read_image)

    assert "Image not available" in page(tmp_path / "report")
    assert reason.replace("<", "&lt;").replace(">", "&gt;") in page(tmp_path / "report")
    assert "1 image is not available" in page(tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert reason in report["not_available"]["a000"]


def test_report_json_holds_every_card_and_number(tmp_path):
    cards = [card(n) for n in range(30)]
    report = contents(cards, cards_total=41, selected=41)

    write_report(tmp_path / "report", report, read_image=draw, cards_shown=5)

    read = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [PairCard(**each) for each in read["cards"]] == cards
    assert [TableVersion(**each) for each in read["versions"]] == report.versions
    for name in ("images", "files", "refused", "mined", "selected", "clip_above", "settings"):
        assert read[name] == getattr(report, name)
    assert read["pairs_drawn"] == 50
    assert {"quantile": 0.5, "clip_cosine": 0.5, "ssl_cosine": 0.5} in [
        {name: round(value, 9) for name, value in row.items()} for row in read["quantiles"]
    ]


def test_the_page_says_how_many_of_how_many_cards_it_shows(tmp_path):
    opened = []

    def read_image(path):
        opened.append(path)
        return draw(path)

    report = contents([card(n) for n in range(30)], cards_total=1234)
    write_report(tmp_path / "report", report, read_image=read_image, cards_shown=5)

    html = page(tmp_path / "report")
    assert html.count('class="card"') == 5
    assert "The best 5 of 1,234 selected pairs" in html
    assert len(opened) == len(list((tmp_path / "report" / "images").iterdir())) == 10


@pytest.mark.parametrize(
    ("size", "stored", "file"),
    [
        ((48, 32), (48, 32), "a000.png"),
        ((300, 200), (300, 200), "a000.jpg"),
        ((800, 400), (320, 160), "a000.jpg"),
        ((4000, 1), (320, 1), "a000.jpg"),
    ],
)
def test_thumbnails_are_made_smaller_but_never_larger(tmp_path, size, stored, file):
    write_report(
        tmp_path / "report", contents([card(0)]), read_image=lambda path: draw(path, size=size)
    )

    with Image.open(tmp_path / "report" / "images" / file) as thumbnail:
        assert thumbnail.size == stored


def test_what_a_killed_call_left_is_swept_by_the_next(tmp_path):
    stale = tmp_path / ".report.building-0123456789ab"
    (stale / "images").mkdir(parents=True)
    (stale / "index.html").write_text("half a pa")
    bystander = tmp_path / ".reports.building-0123456789ab"
    bystander.mkdir()

    write_report(tmp_path / "report", contents(), read_image=draw)

    assert sorted(tmp_path.iterdir()) == [bystander, tmp_path / "report"]


def test_a_call_that_fails_leaves_the_old_report(tmp_path):
    write_report(tmp_path / "report", contents([card(0)]), read_image=draw)
    before = files_of(tmp_path / "report")

    def read_image(path):
        raise RuntimeError(path)

    with pytest.raises(RuntimeError):
        write_report(tmp_path / "report", contents([card(1)]), read_image=read_image)

    assert files_of(tmp_path / "report") == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_new_report_replaces_all_of_the_old(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(report_folder, "_exchange", lambda one, other: False)
    write_report(tmp_path / "report", contents([card(0)]), read_image=draw)

    write_report(tmp_path / "report", contents([card(1)]), read_image=draw)

    pictures = {path.name for path in (tmp_path / "report" / "images").iterdir()}
    assert pictures == {"a001.png", "b001.png"}
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_report_moved_away_by_a_killed_call_comes_back(tmp_path):
    write_report(tmp_path / "report", contents([card(0)]), read_image=draw)
    before = files_of(tmp_path / "report")
    (tmp_path / "report").rename(tmp_path / ".report.replaced-0123456789ab")

    def read_image(path):
        raise RuntimeError(path)

    with pytest.raises(RuntimeError):
        write_report(tmp_path / "report", contents([card(1)]), read_image=read_image)

    assert files_of(tmp_path / "report") == before


@pytest.mark.parametrize("name", ["notes.txt", "report.json"])
def test_a_folder_that_is_not_a_report_is_never_replaced(tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("{}")

    with pytest.raises(ValueError, match="holds files that are not a report's"):
        write_report(tmp_path / "mine", contents(), read_image=draw)

    assert files_of(tmp_path / "mine") == {name: b"{}"}
    assert not is_report(tmp_path / "mine")


def test_a_report_takes_the_place_of_an_empty_folder_but_of_no_file(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")

    write_report(tmp_path / "empty", contents(), read_image=draw)

    assert is_report(tmp_path / "empty")
    with pytest.raises(ValueError, match="is a file"):
        write_report(tmp_path / "file", contents(), read_image=draw)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ssl_cosines_P": np.zeros(3)}, "shapes"),
        ({"clip_cosines_P": np.full(50, np.nan)}, "NaN"),
        ({"clip_above": float("nan")}, "clip_above is nan"),
        ({"cards": [card(0)], "cards_total": 0}, "1 cards but cards_total is 0"),
    ],
)
def test_contents_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        contents(**changes)


def test_a_card_without_a_cosine_is_refused():
    with pytest.raises(ValueError, match="has ssl_cosine nan"):
        dataclasses.replace(card(0), ssl_cosine=float("nan"))
