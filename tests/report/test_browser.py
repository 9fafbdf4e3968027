"""report.html in Chromium: no request, no console message, no overflow, everything there."""

from __future__ import annotations

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium")
SECTIONS = ["evidence", "where", "tests", "controls", "reading", "limits", "cite", "details"]
NAMES = [
    "copies-images",
    "copies-table",
    "traces-vectors",
    "generalizes-images",
    "inconclusive-without-heldout",
    "inconclusive-other-scale",
]

# Elements that stick out of the window; what lies in a box that scrolls by itself may.
OVERFLOW = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll') && !e.closest('svg'))
  .filter(e => e.getBoundingClientRect().right > window.innerWidth + 0.5)
  .map(e => e.tagName + '.' + e.className)"""


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing: apt-get install chromium")
        pytest.skip("chromium is missing: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        arguments = ["--headless", "--no-sandbox", "--disable-gpu"]
        arguments.append("--disable-background-networking")
        running = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def opened(browser, rendered):
    """A function that opens one report; afterwards nothing may have been asked for or logged."""
    noise = []
    pages = []

    def open_report(name, scheme="light"):
        path = rendered(name)
        page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("dialog", lambda dialog: (noise.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: noise.append(request.url))
        page.goto(path.as_uri())
        assert noise.pop(0) == path.as_uri()  # the page itself
        pages.append(page)
        return page

    yield open_report
    for page in pages:
        page.close()
    assert [entry for entry in noise if not entry.startswith("data:")] == []


@pytest.mark.parametrize("name", NAMES)
def test_complete_and_without_overflow(opened, name):
    page = opened(name)
    visible = page.eval_on_selector_all(
        "section", "all => all.filter(e => e.offsetHeight > 0).map(e => e.id)"
    )
    assert visible == SECTIONS
    headings = page.eval_on_selector_all(
        "h1, h2, h3", "all => all.map(e => e.innerText.trim()).filter(t => t)"
    )
    assert len(headings) == page.locator("h1, h2, h3").count()
    broken = page.eval_on_selector_all("img", "all => all.filter(e => !e.naturalWidth).length")
    assert broken == 0
    page.eval_on_selector_all("details", "all => all.forEach(e => e.open = true)")
    for width in (320, 360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERFLOW) == [], width


def test_the_accessibility_tree(opened):
    page = opened("copies-images")
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("heading", name="Controls", exact=True).count() == 1
    assert page.get_by_role("img", name="Delta over 5 bandwidths").count() == 2
    assert page.get_by_role("img", name="Training image").count() >= 6
    assert page.get_by_role("columnheader", name="adjusted").count() == 1
    assert page.get_by_role("rowheader", name="Savage scores").count() == 1
    assert page.get_by_role("navigation", name="Sections").count() == 1


def test_dark_mode_follows_the_system(opened):
    def ground(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page = opened("copies-images", "dark")
    dark = ground(page)
    axis = "getComputedStyle(document.querySelector('.chart svg text')).fill"
    dark_text = page.evaluate(axis)
    page.emulate_media(color_scheme="light")
    assert ground(page) != dark
    assert page.evaluate(axis) != dark_text
    page.emulate_media(color_scheme="dark", media="print")
    assert ground(page) == "rgb(255, 255, 255)"


def test_it_prints(opened):
    page = opened("traces-vectors")
    assert page.pdf(format="A4", print_background=False).startswith(b"%PDF")


def test_markup_from_the_data_neither_runs_nor_shows_as_markup(opened):
    page = opened("copies-table")
    assert page.evaluate("document.scripts.length") == 0
    assert page.get_by_text("<script>alert('row')</script>.csv").count() >= 1
    assert page.locator("td i, th b").count() == 0
