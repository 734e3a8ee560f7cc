"""The page of a person in a browser, and what most tests do on it."""

import re
from contextlib import contextmanager

from playwright.sync_api import expect

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@contextmanager
def entered(browser, site, who, **options):
    """The page of a person, who has just opened the link; complaints of the browser fail."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong, hosts = [], set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.on(
        "console",
        lambda said: (
            wrong.append(said.text)
            if said.type == "error" and "Failed to load resource" not in said.text
            else None
        ),
    )
    page.goto(site.link(who))
    expect(page.locator("main")).to_have_attribute("data-mode", re.compile("."))
    yield page
    context.close()
    assert wrong == []
    assert hosts == {f"127.0.0.1:{site.port}"}


def saved(page):
    expect(page.locator("#save")).to_have_attribute("data-state", "saved")


def in_mode(page, mode):
    expect(page.locator("main")).to_have_attribute("data-mode", mode)


def write(page, question, options=("Yes", "No"), pattern="Text"):
    """Write a question with the keyboard alone; image a has the first option. Return the pair."""
    in_mode(page, "write")
    subject = page.get_attribute("main", "data-subject")
    keys = page.keyboard
    keys.press("d")
    keys.type("They differ.")
    keys.press("Tab")
    keys.type(question)
    for text in options:
        keys.press("Tab")
        keys.type(text)
    keys.press("Escape")
    keys.press("a")
    keys.press("p")
    keys.type(pattern)
    keys.press("Control+Enter")
    expect(page.locator("main")).not_to_have_attribute("data-subject", subject)
    return subject
