"""The page as it looks and feels in a real browser: zoom, touch, themes, names, contrast."""

import io
import re

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import expect

from tests.flows.annotation.pages import PHONE, entered, in_mode, write
from tests.flows.annotation.site import Site, make_home


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A page with three pairs for two annotators."""
    place = tmp_path_factory.mktemp("shared")
    make_home(place / "home", place / "photos", count=3)
    with Site(place / "home", "--annotators", "ada", "grace") as started:
        started.read_links()
        yield started


def test_zoom_is_at_the_same_place_in_both_images_and_flicker_shows_one(browser, shared):
    with entered(browser, shared, "ada") as page:
        frames = page.locator(".frame")
        box = frames.first.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
        page.mouse.wheel(0, -300)
        expect(page.locator(".stage")).to_have_attribute("data-scale", "2.72")
        styles = [page.locator(".frame img").nth(n).get_attribute("style") for n in (0, 1)]
        assert styles[0] == styles[1]
        assert "translate(43" in styles[0]

        page.keyboard.press("z")
        expect(page.locator(".stage")).to_have_attribute("data-scale", "1.00")
        page.keyboard.press("x")
        expect(frames.nth(0)).to_be_hidden()
        page.keyboard.press("f")
        expect(frames.nth(1)).to_be_hidden()
        expect(frames.nth(0)).to_be_hidden()
        page.keyboard.press("Escape")
        expect(frames.nth(0)).to_be_visible()
        expect(frames.nth(1)).to_be_visible()

        page.keyboard.press("?")
        expect(page.locator("dialog")).to_contain_text("flicker between the images")
        page.keyboard.press("Escape")
        expect(page.locator(".told")).to_contain_text("picture 1")
        expect(page.locator(".told")).to_contain_text("place")


LONG = "Rindfleischetikettierung" * 9
MARKUP = f'{LONG} <img src=x onerror="alert(1)"><script>alert(2)</script> {{{{7*7}}}}'


def test_markup_is_text_and_the_page_fits_a_phone_in_both_themes(browser, shared):
    with entered(browser, shared, "ada") as ada:
        write(ada, MARKUP, (MARKUP + "1", MARKUP + "2"))
    brightness = {}
    for scheme in ("light", "dark"):
        with entered(browser, shared, "grace", color_scheme=scheme, **PHONE) as page:
            in_mode(page, "write")
            assert content_width(page) == 390
            brightness[scheme] = mean_brightness(page)
            page.get_by_role("button", name="Check").click()
            expect(page.locator(".question")).to_have_text(MARKUP)
            expect(page.locator(".choice").nth(0)).to_contain_text(MARKUP + "1")
            expect(page.locator("main script")).to_have_count(0)
            assert content_width(page) == 390
            page.get_by_role("button", name="Progress").click()
            in_mode(page, "progress")
            assert content_width(page) == 390
    assert brightness["light"] > 200
    assert brightness["dark"] < 60


def content_width(page):
    """The width that the page needs, in CSS pixels."""
    session = page.context.new_cdp_session(page)
    return session.send("Page.getLayoutMetrics")["cssContentSize"]["width"]


def mean_brightness(page):
    """The mean brightness of the lower half, where the form is."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("L")
    width, height = picture.size
    return ImageStat.Stat(picture.crop((0, height * 2 // 3, width, height))).mean[0]


def touch(session, kind, *points):
    session.send(
        "Input.dispatchTouchEvent",
        {
            "type": kind,
            "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)],
        },
    )


def test_two_fingers_zoom_both_images_and_one_finger_scrolls_or_pans(browser, shared):
    with entered(browser, shared, "ada", **PHONE) as page:
        stage = page.locator(".stage")
        box = page.locator(".frame").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        session = page.context.new_cdp_session(page)

        touch(session, "touchStart", (x - 10, y), (x + 10, y))
        for step in range(1, 9):
            touch(session, "touchMove", (x - 10 - 5 * step, y), (x + 10 + 5 * step, y))
        touch(session, "touchEnd")
        expect(stage).to_have_attribute("data-scale", re.compile(r"^[45]\.\d\d$"))
        first, second = (page.locator(".frame img").nth(n).get_attribute("style") for n in (0, 1))
        assert first == second
        assert page.evaluate("visualViewport.scale") == 1, "the page itself stays as it is"

        touch(session, "touchStart", (x, y))
        for step in range(1, 6):
            touch(session, "touchMove", (x + 8 * step, y + 8 * step))
        touch(session, "touchEnd")
        moved = page.locator(".frame img").first.get_attribute("style")
        assert moved != first
        assert page.evaluate("scrollY") == 0
        assert moved == page.locator(".frame img").nth(1).get_attribute("style")

        page.get_by_role("button", name="Fit").click()
        touch(session, "touchStart", (x, y + 40))
        for step in range(1, 9):
            touch(session, "touchMove", (x, y + 40 - 20 * step))
        touch(session, "touchEnd")
        page.wait_for_function("scrollY > 60")
        expect(stage).to_have_attribute("data-scale", "1.00")


def test_who_wants_no_motion_turns_the_images_over_by_hand(browser, shared):
    with entered(browser, shared, "ada", reduced_motion="reduce") as page:
        shown = page.locator(".frame:not(.hidden)")
        turned = []
        for _ in range(3):
            page.keyboard.press("f")
            page.wait_for_timeout(600)  # longer than a beat of the flicker
            turned.append(shown.get_attribute("data-label"))
        assert turned == ["B", "A", "B"]
        assert page.evaluate("document.getAnimations().length") == 0
    with entered(browser, shared, "ada") as page:
        page.keyboard.press("f")
        label = page.locator(".frame:not(.hidden)").get_attribute("data-label")
        expect(page.locator(".frame:not(.hidden)")).not_to_have_attribute("data-label", label)


CONTRASTS = """() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const over = (top, under) => {
    const a = top[3] ?? 1;
    return [0, 1, 2].map((n) => top[n] * a + under[n] * (1 - a));
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return (own[3] ?? 1) === 1 ? own : over(own, ground(element.parentElement));
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), element = walk.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("figcaption, script")) continue;
    const under = ground(element), ink = over(parse(getComputedStyle(element).color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    found.push([text.slice(0, 30), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""

NAMELESS = """() => [...document.querySelectorAll(
    "button, input, textarea, select, img, meter, progress")]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.getAttribute("aria-label") || one.alt || one.labels?.length
    || one.textContent.trim()) && !(one.alt === ""))
  .map((one) => one.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_parts_have_names_and_focus_is_seen(browser, shared, scheme):
    with entered(browser, shared, "ada", color_scheme=scheme) as page:
        for step in ("write", "problem", "keys", "progress"):
            if step == "problem":
                page.keyboard.press("Control+Enter")
                expect(page.locator("[name=question]")).to_be_focused()
                page.keyboard.press("Escape")
            elif step == "keys":
                page.keyboard.press("?")
            elif step == "progress":
                page.keyboard.press("Escape")
                page.get_by_role("button", name="Progress").click()
                in_mode(page, "progress")
            contrasts = page.evaluate(CONTRASTS)
            assert len(contrasts) > 10
            assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < 4.5] == [], step
            assert page.evaluate(NAMELESS) == [], step
        page.get_by_role("button", name="Write").click()
        in_mode(page, "write")
        expect(page.get_by_role("main", name="Write")).to_be_focused()
        expect(page.get_by_role("textbox", name="One question")).to_be_visible()
        expect(page.get_by_role("button", name="Zoom in")).to_be_visible()
        expect(page.get_by_role("status").first).to_contain_text("Saved")
        for _ in range(14):
            page.keyboard.press("Tab")
            ring = page.evaluate(
                "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
                "(getComputedStyle(document.activeElement))"
            )
            assert ring == ["solid", "2px"], page.evaluate("document.activeElement.outerHTML")
