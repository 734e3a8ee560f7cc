"""The page in a real browser: people at work, connections that break, a server that is killed."""

import itertools
import re

import psutil
import pytest
from playwright.sync_api import expect

from flows.annotate import served
from storage import answers, checks, comparisons, events, proposals, scores
from storage.database import Database
from tasks.annotation.outcome import (
    accepted,
    proposals_of,
    read_progress,
    read_state,
    verdicts_of,
)
from tests.flows.annotation.pages import entered, in_mode, saved, write
from tests.flows.annotation.site import MINING, Site, make_home, mine


@pytest.fixture
def home(tmp_path):
    """A home with two pairs."""
    make_home(tmp_path / "home", tmp_path / "photos", count=2, questions_too=True)
    return tmp_path / "home"


def test_two_annotators_write_check_disagree_and_a_third_decides(browser, home):
    options = ["--annotators", "ada", "grace", "--adjudicators", "judy"]
    with Site(home, *options) as site:
        site.read_links()
        assert served(home) == site.url
        with entered(browser, site, "ada") as ada, entered(browser, site, "grace") as grace:
            assert ada.url == f"{site.url}/", "no token stays in the address"
            pairs = [page.get_attribute("main", "data-subject") for page in (ada, grace)]
            assert len(set(pairs)) == 2, "nobody works twice"
            write(ada, "Is there a hat?")
            write(grace, "Is it red?", ("Red", "Blue"), "Color")
            db = Database(str(home / "store"))
            keys = {row.question: row for row in proposals_of(read_state(db, home, MINING), MINING)}

            check(ada, keys, right=True)
            ada.keyboard.press("c")
            in_mode(ada, "nothing")
            check(grace, keys, right=False)
            grace.keyboard.press("a")
            grace.keyboard.type("It could be a cap.")
            grace.keyboard.press("Enter")
            in_mode(grace, "nothing")

            with entered(browser, site, "judy", color_scheme="dark") as judy:
                in_mode(judy, "adjudicate")
                expect(judy.locator("main")).to_contain_text("grace: It could be a cap.")
                expect(judy.locator("td.differs")).to_have_count(3)
                judy.keyboard.press("y")
                judy.keyboard.type("A cap is a hat.")
                judy.keyboard.press("Enter")
                in_mode(judy, "nothing")
                expect(judy.locator("#counts")).to_contain_text("2 of 2 pairs accepted")
                expect(judy.locator("#counts")).to_contain_text("complete")
            ada.keyboard.press("m")  # all of it without a mouse
            expect(ada.locator("main")).to_contain_text("A cap is a hat.")
            expect(ada.locator(".chip.accepted")).to_have_count(3)
            for name, pairs_of in (("Text", 1), ("Color and Appearance", 1), ("none", 0)):
                row = ada.get_by_role("row").filter(has_text=re.compile(f"^{name}"))
                expect(row.locator("td")).to_have_text([name, str(pairs_of), str(pairs_of)])
        ended = site.stop()

    assert (ended["complete"], ended["accepted"], ended["disputed"]) == (True, 2, 0)
    state = read_state(db, home, MINING)
    rows = proposals.read(db, MINING)
    assert {row.writer for row in rows} == {"people:ada", "people:grace"}
    assert rows == accepted(state, MINING)
    assert len(checks.read(db, MINING)) == 6
    said = {row.checker: row for row in verdicts_of(state)}
    assert (said["people:ada"].verdict, said["people:ada"].blind) == ("clear", True)
    assert (said["people:grace"].verdict, said["people:grace"].note) == (
        "ambiguous",
        "It could be a cap.",
    )
    assert read_progress(db, home, MINING).complete
    assert {event.who for event in events.read(db, MINING)} == {"ada", "grace", "judy", "server"}
    assert served(home) is None


def check(page, keys, *, right):
    """Answer about each image of the other's question, one way or the other."""
    page.keyboard.press("m")
    in_mode(page, "check")
    for _ in range(2):
        picture = page.locator(".stage.of1 img")
        source = picture.get_attribute("src")
        row = keys[page.locator(".question").text_content()]
        is_a = source.endswith(row.image_a)
        page.keyboard.press("1" if is_a == right else "2")
        expect(page.locator(f'.stage.of1 img[src="{source}"]')).to_have_count(0)
    expect(page.locator(".answers")).to_be_visible()
    expect(page.locator("td.same")).to_have_count(2 if right else 0)


def test_no_keystroke_that_was_shown_as_saved_is_lost(browser, home):
    with Site(home, "--annotators", "ada") as site:
        site.read_links()
        with entered(browser, site, "ada") as page:
            pair = page.get_attribute("main", "data-subject")
            page.keyboard.press("q")
            page.keyboard.type("Is")
            page.reload()
            field = page.locator("[name=question]")
            expect(field).to_have_value("Is")
            saved(page)

            page.context.set_offline(True)
            type_on(field, " there")
            expect(page.locator("#save")).to_have_attribute("data-state", "offline")
            page.context.set_offline(False)
            saved(page)
            assert asked(home, pair) == "Is there"

            shown = type_until_killed(page, field, site, " a hat on the table, or is it a cap?")
            assert asked(home, pair).startswith(shown)
            type_on(field, "!!")
            expect(page.locator("#save")).to_have_attribute("data-state", "offline")
            typed = field.input_value()
            other = page.context.new_page()
            page.close()
            site.start()
            other.goto(site.url)
            expect(other.locator("[name=question]")).to_have_value(typed)
            saved(other)
            assert asked(home, pair) == typed
            site.kill()
            assert asked(home, pair) == typed
            site.start()


def test_a_full_disk_is_told_and_what_was_typed_is_saved_once_there_is_room(browser, home):
    with Site(home, "--annotators", "ada") as site:
        site.read_links()
        server = psutil.Process(site.process.pid)
        with entered(browser, site, "ada") as page:
            pair = page.get_attribute("main", "data-subject")
            page.keyboard.press("q")
            page.keyboard.type("Is")
            saved(page)
            before = server.rlimit(psutil.RLIMIT_FSIZE)
            server.rlimit(psutil.RLIMIT_FSIZE, (64, before[1]))  # no file grows any more
            type_on(page.locator("[name=question]"), " there")
            expect(page.locator("#save")).to_contain_text("Not saved yet, kept here")
            expect(page.locator("#toast")).to_contain_text("the disk does not take it")
            page.reload()
            expect(page.locator("[name=question]")).to_have_value("Is there")
            assert asked(home, pair) == "Is"
            server.rlimit(psutil.RLIMIT_FSIZE, before)
            saved(page)
            assert asked(home, pair) == "Is there"


def type_on(field, text):
    """Type at the end of what is there."""
    field.press("End")
    field.press_sequentially(text)


def type_until_killed(page, field, site, text):
    """Type, kill the server in the middle of it; return the last text that was shown as saved."""
    shown, killed = "", False
    for number, letter in enumerate(itertools.chain(text, itertools.repeat("x", 500))):
        type_on(field, letter)
        value = field.input_value()
        if page.get_attribute("#save", "data-state") == "saved":
            shown = value
        if shown and number > len(text) // 2:
            site.kill()
            killed = True
            break
    assert killed, "nothing was shown as saved while we typed"
    type_on(field, "...")
    return shown


def asked(home, pair, who="ada"):
    """The question as the disk has it."""
    db = Database(str(home / "store"))
    return read_state(db, home, MINING).sheet(who, pair).draft.question


def test_a_page_follows_what_is_mined_while_people_type_and_loses_no_draft(browser, home):
    db, photos = Database(str(home / "store")), home.parent / "photos"
    with Site(home, "--annotators", "ada", "grace") as site:
        site.read_links()
        with entered(browser, site, "ada") as ada, entered(browser, site, "grace") as grace:
            first, second = (page.get_attribute("main", "data-subject") for page in (ada, grace))
            for page in (ada, grace):
                page.keyboard.press("q")
                page.keyboard.type("Is there")
                saved(page)
            mined = mine(db, photos, range(1, 4))  # the first pair is gone, two are new
            assert second in {row.pair_id for row in mined}
            expect(ada.locator("#news")).to_contain_text("not among the mined ones any more")
            expect(ada.locator("#toast")).to_contain_text("there are 3 pairs now")
            for page in (ada, grace):
                type_on(page.locator("[name=question]"), " a hat?")
                saved(page)
            expect(grace.locator("#news")).to_be_hidden()
            assert asked(home, first) == asked(home, second, "grace") == "Is there a hat?"
            ada.get_by_role("button", name="Take another").click()
            expect(ada.locator("main")).not_to_have_attribute("data-subject", first)
            assert ada.get_attribute("main", "data-subject") in {row.pair_id for row in mined}
            expect(ada.locator("#counts")).to_contain_text("0 of 3 pairs")

            mine(db, photos, range(2), mining="another")
            expect(grace.locator("#news")).to_contain_text("A run has mined other pairs")
            grace.context.set_offline(True)
            type_on(grace.locator("[name=question]"), " Or a cap?")
            site.stop()
            site.start()
            grace.context.set_offline(False)
            saved(grace)
            expect(grace.locator("#news")).to_contain_text("works on other pairs now")
            grace.get_by_role("button", name="Go there").click()
            expect(grace.locator("main")).not_to_have_attribute("data-subject", second)
            expect(grace.locator("[name=question]")).to_have_value("")
            assert asked(home, second, "grace") == "Is there a hat? Or a cap?"
            mine(db, photos, range(4))
            assert asked(home, first) == "Is there a hat?", "it is back"


def test_what_was_typed_before_a_restart_on_other_pairs_is_sent_by_the_page_that_opens_then(
    browser, home
):
    db = Database(str(home / "store"))
    with Site(home, "--annotators", "ada") as site:
        site.read_links()
        with entered(browser, site, "ada") as page:
            pair = page.get_attribute("main", "data-subject")
            site.stop()
            page.keyboard.press("q")
            page.keyboard.type("Is it on?")
            expect(page.locator("#save")).to_have_attribute("data-state", "offline")
            other = page.context.new_page()
            page.close()
            mine(db, home.parent / "photos", range(2), mining="another")
            site.start()
            with other.expect_response("**/api/acts"):
                other.goto(site.url)
            in_mode(other, "write")
            other.wait_for_function("Object.keys(localStorage).length === 0")
            assert asked(home, pair) == "Is it on?"


def test_participants_take_the_test_and_join_the_leaderboard(browser, home):
    with Site(home, "--study", "--annotators", "joan", "kay") as site:
        site.read_links()
        db = Database(str(home / "store"))
        with entered(browser, site, "joan") as joan, entered(browser, site, "kay") as kay:
            for number in range(4):
                expect(joan.locator(".step")).to_have_text(f"Question {number + 1} of 4")
                expect(joan.locator(".stage img")).to_have_count(1)
                expect(joan.locator("main")).not_to_contain_text("picture")
                joan.keyboard.press("1")
            in_mode(joan, "nothing")
            joan.keyboard.press("b")
            expect(joan.locator(".choice.taken")).to_contain_text("odd")
            joan.keyboard.press("1")
            in_mode(joan, "nothing")
            kay.keyboard.press("0")
            expect(kay.locator(".step")).to_have_text("Question 2 of 4")
            kay.keyboard.press("b")
            expect(kay.locator(".choice.taken")).to_contain_text("Cannot tell")
            kay.keyboard.press("g")
            kay.keyboard.type("too small")
            kay.keyboard.press("Enter")
            expect(kay.locator(".flagged")).to_contain_text("too small")
            saved(kay)
        assert site.stop()["people"] == {"joan": 4, "kay": 1}

    state = read_state(db, home, MINING)
    assert {len(order) for order in state.orders.values()} == {4}
    assert [list(flags.values()) for flags in state.flags.values() if flags] == [["too small"]]
    given = answers.read(db, models=["people:joan", "people:kay"])
    assert [(row.model, row.choice) for row in given] == [("people:joan", "odd")] * 4
    (row,) = [row for row in scores.read(db, MINING) if row.pattern is None]
    assert (row.model, row.protocol, row.pairs) == ("people:joan", "people", 2)
    assert (row.pair_accuracy, row.question_accuracy, row.same_answer) == (0, 0.5, 1)
    assert row.pair_high > 0.5
    assert row.question_low < 0.5 < row.question_high or row.question_low == row.question_high
    assert comparisons.read(db, MINING) == []
