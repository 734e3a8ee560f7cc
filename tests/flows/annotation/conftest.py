"""Debian's Chromium and a page of three people for the tests of the page."""

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.flows.annotation.site import Site, make_home

expect.set_options(timeout=20_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium; without it these tests fail: the page was never seen then."""
    assert CHROMIUM, "the page is tested in Chromium: apt-get install chromium"
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A page for two annotators and an adjudicator."""
    place = tmp_path_factory.mktemp("attacks")
    make_home(place / "home", place / "photos")
    with Site(place / "home", "--annotators", "ada", "grace", "--adjudicators", "judy") as started:
        started.read_links()
        yield started
