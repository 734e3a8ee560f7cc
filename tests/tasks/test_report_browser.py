"""The page of a report in a real browser: what it asks for, sorting, filters, hovering."""

import dataclasses
import json
import shutil

import pytest
from PIL import Image

from tasks.report import BenchmarkContents, PairCard, write_benchmark_report
from tests.report_values import asked_pair, reply
from tests.tasks.test_report import HOSTILE, draw
from tests.tasks.test_report_evidence import asked, full, published

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PHONE = {"width": 390, "height": 844}
KEYS = {"original": "as published", "corrected": "mended"}


def contents():
    """Two models on four pairs of two patterns, one of them under two keys; published numbers."""
    found = full("<b>bold</b> model")
    said = [
        ("text", "both_right", "both_right"),
        ("text", "same_answer", "both_right"),
        ("count", "swapped", "same_answer"),
        ("count", "other", "same_answer"),
    ]
    questions = [
        asked_pair(
            f"doors-0123456789ab-pair-{n:04}",
            [
                reply(model=model, protocol="internvl", outcome=outcome)
                for model, outcome in (("<b>bold</b> model", mine), ("another", other))
            ],
            pattern=pattern,
        )
        for n, (pattern, mine, other) in enumerate(said, start=1)
    ]
    evidence = dataclasses.replace(
        found.evidence,
        published=[
            published(label="theirs", value=99.0, url="https://example.org/a", source="a paper"),
            published(label=HOSTILE, value=1.0, url="javascript:alert(1)", source=HOSTILE),
            published(level="question", label="theirs, by question", value=80.0),
        ],
    )
    return BenchmarkContents(
        name="doors",
        set_name="doors-0123456789ab",
        pairs=len(said),
        key="original",
        keys=KEYS,
        cards=[
            PairCard(
                pair_id=one.pair_id,
                image_a=f"a{n}",
                image_b=f"b{n}",
                path_a=f"{n}a.png",
                path_b=f"{n}b.png",
            )
            for n, one in enumerate(questions)
        ],
        versions=[],
        results=dataclasses.replace(
            found,
            questions=questions,
            evidence=evidence,
            outcomes={name: name for name in ("both_right", "same_answer", "swapped", "other")},
            other_keys=[asked("another", accuracy=0.95, key="corrected")],
        ),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("report") / "doors"
    write_benchmark_report(place, contents(), read_image=draw)
    return place


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, folder):
    """The page, opened from its file; what it asked for, and what it complained about."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.asked, opened.complaints = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.goto((folder / "index.html").as_uri())
    yield opened
    context.close()


def board(page):
    """The models of the first leaderboard that can be seen, in order."""
    rows = page.locator("table.board").first.locator("tbody tr:visible th")
    return [text.strip() for text in rows.all_inner_texts()]


def cards(page):
    """The numbers of the cards that can be seen."""
    shown = page.locator(".card:visible .about span:first-child").all_inner_texts()
    return [int(text.removeprefix("Pair ")) for text in shown]


def choose(page, name, label):
    page.locator(f"#{name}").select_option(label=label)


def test_nothing_is_asked_of_another_host_and_nothing_is_refused(page, folder):
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.wait_for_function("[...document.images].every(image => image.naturalWidth > 0)")

    assert page.complaints == []
    assert len(page.asked) > 5
    outside = [url for url in page.asked if not url.startswith((folder.as_uri(), "data:,"))]
    assert outside == []


def test_a_click_sorts_the_leaderboard_and_the_next_turns_it_round(page):
    def accuracies():
        cells = page.locator("table.board").first.locator("tbody tr:visible td strong")
        return [float(text) for text in cells.all_inner_texts()]

    best_first = accuracies()
    assert best_first == sorted(best_first, reverse=True)
    head = page.get_by_role("button", name="Pair accuracy, %").first
    head.click()
    assert accuracies() == best_first[::-1]
    assert page.locator("th[aria-sort='ascending']").count() == 1
    head.click()
    assert accuracies() == best_first
    page.get_by_role("button", name="Asked by").first.click()
    ways = page.locator("table.board").first.locator("tbody tr:visible td:nth-child(3)")
    assert ways.all_inner_texts() == sorted(ways.all_inner_texts())


def test_rows_without_a_value_come_last_either_way(page):
    head = page.get_by_role("button", name="Unread").first
    for _ in range(2):
        head.click()
        assert board(page)[-2] in {"theirs", HOSTILE}
        assert board(page)[-1] in {"theirs", HOSTILE}


def test_the_leaderboard_shows_the_key_and_the_numbers_that_are_chosen(page):
    under_one_key = board(page)
    choose(page, "by-key", "all")
    assert len(board(page)) == len(under_one_key) + 1

    choose(page, "by-key", "corrected")
    choose(page, "by-origin", "measured here")
    assert board(page) == ["another"]
    choose(page, "by-origin", "published")
    assert len(board(page)) == 2
    ranks = page.locator("table.board").first.locator("tbody tr:visible .rank")
    assert ranks.count() == 2


def test_published_numbers_of_another_level_stand_in_another_table(page):
    choose(page, "by-key", "all")

    assert "theirs, by question" not in board(page)
    second = page.locator("table.board").nth(1)
    second.locator("xpath=ancestor::details[1]/summary").click()
    assert "theirs, by question" in second.inner_text()


def test_cards_are_chosen_by_pattern_by_outcome_and_by_model(page):
    assert cards(page) == [1, 2, 3, 4]

    choose(page, "by-pattern", "count (2)")
    assert cards(page) == [3, 4]
    choose(page, "by-pattern", "all")
    choose(page, "by-outcome", "same answer")
    assert cards(page) == [2, 3, 4]  # of any model
    choose(page, "by-variant", "another")
    assert cards(page) == [3, 4]
    choose(page, "by-outcome", "both right")
    assert cards(page) == [1, 2]
    choose(page, "by-pattern", "count (2)")
    assert cards(page) == []


def test_a_point_of_a_figure_says_its_value_when_hovered(page):
    figure = page.locator("figure:has(img[src='leaderboard.png'])")
    figure.scroll_into_view_if_needed()
    spot = figure.locator(".spot[data-said^='another: 30.0']")

    spot.hover()

    said = spot.evaluate("spot => getComputedStyle(spot, '::after').content")
    assert json.loads(said).startswith("another: 30.0 (")


def test_a_script_that_is_not_ours_does_not_run(page):
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.foreign = true";
            document.body.append(script);
        }"""
    )

    assert page.evaluate("window.foreign") is None
    assert page.locator("b", has_text="bold").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert page.locator("a[href='https://example.org/a']").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desktop"])
def test_the_page_follows_the_readers_theme_and_width(browser, folder, tmp_path, scheme, size):
    context = browser.new_context(viewport=size, color_scheme=scheme)
    opened = context.new_page()
    opened.goto((folder / "index.html").as_uri())
    opened.screenshot(path=tmp_path / "page.png")
    wide = opened.evaluate("document.documentElement.scrollWidth")
    picture = opened.locator("img").first.evaluate("image => image.currentSrc")
    context.close()

    with Image.open(tmp_path / "page.png") as shot:
        paper = sum(shot.convert("RGB").getpixel((2, 2))) / 3
    assert wide == size["width"]
    assert (paper > 200) is (scheme == "light")
    assert picture.endswith("-dark.png") is (scheme == "dark")


def test_paper_gets_no_controls(page):
    page.emulate_media(media="print")

    assert not page.locator(".filters").first.is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator("table.board").first.is_visible()
