"""The pages in Chromium: no request, no console message, no overflow, everything there.

With BYHEART_SCREENSHOTS set, a picture of every page is kept in the folder of that name.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from test_page import SECTIONS

from byheart.report.comparison import compare
from byheart.report.comparison_page import write_html as write_comparison
from byheart.report.document import write_json

NAMES = [
    "copies-images",
    "copies-table",
    "traces-vectors",
    "generalizes-images",
    "inconclusive-without-heldout",
    "inconclusive-other-scale",
    "untested-images",
    "copies-failed-controls",
]
LIVE = {"copies-images": 5, "inconclusive-without-heldout": 0, "compare": 3}  # charts of a page
EVIL = "<img src=x onerror=alert(1)><script>alert(2)<∕script>"  # a file's name may not hold "/"

# Elements that stick out of the window; what lies in a box that scrolls by itself may.
OVERFLOW = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll') && !e.closest('svg') && e.id != 'vg-tooltip-element')
  .filter(e => e.getBoundingClientRect().right > window.innerWidth + 0.5)
  .map(e => e.tagName + '.' + e.className)"""


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """The path of a compare.html of two reports, one in a folder with markup for its name."""
    from conftest import BUILDERS

    folder = tmp_path_factory.mktemp("compare")
    paths = []
    for name, built in ((EVIL, "copies-images"), ("later", "generalizes-images")):
        (folder / name).mkdir()
        result = replace(BUILDERS[built](), reason=EVIL)
        paths.append(write_json(result, folder / name / "report.json"))
    return write_comparison(compare(paths), folder / "compare.html")


@pytest.fixture
def opened(browser, rendered, comparison):
    """A function that opens one page; afterwards nothing may have been asked for or logged."""
    noise = []
    pages = []

    def open_page(name, scheme="light", **options):
        path = comparison if name == "compare" else rendered(name)
        size = {"width": 1280, "height": 900}
        page = browser.new_page(color_scheme=scheme, viewport=size, **options)
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("dialog", lambda dialog: (noise.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: noise.append(request.url))
        page.goto(path.as_uri())
        assert noise.pop(0) == path.as_uri()  # the page itself
        if options.get("java_script_enabled", True):
            # the buttons come last
            page.wait_for_function(
                "document.querySelectorAll('.tools').length == "
                "document.querySelectorAll('.chart').length"
            )
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [entry for entry in noise if not entry.startswith("data:")] == []


def keep(page, name):
    folder = os.environ.get("BYHEART_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("name", [*NAMES, "compare"])
def test_complete_and_without_overflow(opened, name):
    page = opened(name)
    visible = page.eval_on_selector_all(
        "section", "all => all.filter(e => e.offsetHeight > 0).map(e => e.id)"
    )
    assert visible == (SECTIONS if name != "compare" else ["table", "charts", "reading", "details"])
    headings = page.eval_on_selector_all(
        "h1, h2, h3", "all => all.map(e => [Number(e.tagName[1]), e.innerText.trim()])"
    )
    assert all(text for _, text in headings)
    levels = [level for level, _ in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    broken = page.eval_on_selector_all("img", "all => all.filter(e => !e.naturalWidth).length")
    assert broken == 0
    assert page.locator("img:not([alt]), img[alt=''], th:not([scope])").count() == 0
    page.eval_on_selector_all("details", "all => all.forEach(e => e.open = true)")
    for width in (320, 360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERFLOW) == [], width
        if width in (320, 1280):
            keep(page, f"{name}-{width}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*NAMES, "compare"])
def test_axe_finds_nothing_serious(opened, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(name, scheme)
    if scheme == "dark":
        keep(page, f"{name}-dark")
    found = axe.Axe().run(page).response["violations"]
    grave = [
        (problem["id"], [node["html"][:200] for node in problem["nodes"]])
        for problem in found
        if problem["impact"] in ("serious", "critical")
    ]
    assert grave == []


def test_the_accessibility_tree(opened):
    page = opened("copies-images")
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("heading", name="Controls", exact=True).count() == 1
    assert page.get_by_role("img", name="Delta over 5 bandwidths").count() == 2
    assert page.get_by_role("img", name="Training image").count() >= 6
    assert page.get_by_role("columnheader", name="adjusted").count() == 1
    assert page.get_by_role("rowheader", name="Savage scores").count() == 1
    assert page.get_by_role("navigation", name="Sections").count() == 1
    assert page.get_by_role("button", name="Zoom in: Membership attack").count() == 1


@pytest.mark.parametrize("name", sorted(LIVE))
def test_charts_come_alive(opened, name):
    page = opened(name)
    assert page.locator(".is-live .live svg").count() == LIVE[name]
    assert page.locator(".is-live .drawing:visible").count() == 0


def pointed(page, name, x, y):
    """Put the mouse on a share of a chart's width and height; return the tooltip's lines."""
    box = page.locator(f"#chart-{name} .live").bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    return tooltip.inner_text()


def ticks(page, name):
    texts = page.locator(f"#chart-{name} .live svg text").all_text_contents()
    return sorted(texts)


@pytest.mark.parametrize(
    ("name", "chart", "keys"),
    [
        ("copies-images", "distances", {"set": "train|held-out", "distance": r"[\d.]+"}),
        ("copies-images", "delta", {"bandwidth": "0.450", "delta": "−0.660"}),
        ("copies-images", "power", {"noise": r"0\.\d+", "power": r"\d+%"}),
        ("copies-images", "membership", {"fpr": r"[\d.]+%", "tpr": r"[\d.]+%"}),
        ("compare", "auc", {"value": r"[\d.]+%", "low": r"[\d.]+%"}),
    ],
)
def test_a_mark_under_the_mouse_tells_its_values(opened, name, chart, keys):
    page = opened(name)
    page.locator(f"#chart-{chart}").scroll_into_view_if_needed()
    told = dict(line.split("\t") for line in pointed(page, chart, 0.45, 0.4).splitlines())
    assert keys.keys() <= told.keys()
    for key, pattern in keys.items():
        assert re.fullmatch(pattern, told[key].strip()), told


def test_zoom_and_its_way_back(opened):
    page = opened("copies-images")
    figure = page.locator("#chart-distances")
    figure.scroll_into_view_if_needed()
    whole = ticks(page, "distances")
    figure.get_by_role("button", name="Zoom in").click()
    page.wait_for_function(
        "!document.querySelector('#chart-distances .live svg').textContent.includes('100%')"
    )
    figure.get_by_role("button", name="Reset").click()
    page.wait_for_function(
        "document.querySelector('#chart-distances .live svg').textContent.includes('100%')"
    )
    assert ticks(page, "distances") == whole
    box = figure.locator(".live").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -100)  # scrolls the page, and leaves the chart alone
    assert ticks(page, "distances") == whole


def test_pairs_are_found_sorted_and_enlarged(opened):
    page = opened("copies-images")
    gallery = page.locator(".gallery.train")
    gallery.get_by_role("searchbox").fill("00007.png")
    assert gallery.locator(".pair:visible").count() == 1
    gallery.get_by_role("searchbox").fill("")
    gallery.get_by_role("combobox").select_option("by name")
    assert gallery.locator("figcaption b").first.inner_text() == "00000.png"
    gallery.get_by_role("button", name="Enlarge 00000.png").click()
    assert page.get_by_role("dialog").locator("img:visible").count() == 3
    page.keyboard.press("Escape")
    page.get_by_text("All 48 generated images").click()
    table = page.locator(".list[open] table")
    table.get_by_role("button", name="Sort by Distance").click()
    table.get_by_role("button", name="Sort by Distance").click()
    column = [float(text) for text in table.locator("td:nth-child(3)").all_inner_texts()]
    assert column == sorted(column, reverse=True)
    page.get_by_role("searchbox", name="Find in Table").first.fill("00003.png")
    assert table.locator("tbody tr:visible").count() == 2


def test_without_scripts_the_drawings_stand_there(opened):
    page = opened("copies-images", java_script_enabled=False)
    assert page.locator(".drawing svg").count() == LIVE["copies-images"]
    assert page.locator(".drawing:visible").count() == LIVE["copies-images"]


def test_dark_mode_follows_the_system(opened):
    def ground(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page = opened("copies-images", "dark")
    dark = ground(page)
    look = """kind => ['text', 'path[stroke^=var]'].map(
        mark => document.querySelector(`#chart-distances ${kind} svg ${mark}`)).map(
        e => getComputedStyle(e).fill + getComputedStyle(e).stroke)"""
    dark_looks = [page.evaluate(look, kind) for kind in (".live", ".drawing")]
    page.emulate_media(color_scheme="light")
    assert ground(page) != dark
    for before, kind in zip(dark_looks, (".live", ".drawing"), strict=True):
        after = page.evaluate(look, kind)
        assert all(a != b for a, b in zip(before, after, strict=True)), (before, after)
    page.emulate_media(color_scheme="dark", media="print")
    assert ground(page) == "rgb(255, 255, 255)"


def test_it_prints(opened):
    page = opened("traces-vectors", "dark")
    assert page.pdf(format="A4", print_background=False).startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.locator(".live:visible, .tools:visible, nav:visible").count() == 0
    assert page.locator(".drawing:visible").count() == page.locator(".drawing").count() == 5
    assert page.locator(".pair:visible").count() == page.locator(".pair").count() == 48


@pytest.mark.parametrize("name", ["copies-table", "compare"])
def test_markup_from_the_data_neither_runs_nor_shows_as_markup(opened, name):
    page = opened(name)
    assert page.evaluate("document.scripts.length") == 2  # the page's own
    told = EVIL if name == "compare" else "<script>alert('row')</script>.csv"
    assert page.get_by_text(told).count() >= 1
    assert page.locator("td i, th b, img[onerror]").count() == 0
    if name == "compare":
        data = page.evaluate("document.getElementById('chart-data').textContent")
        assert "<" not in data
        assert "alert(2)" in data
        page.locator("#chart-auc").scroll_into_view_if_needed()
        assert "alert(2)" in pointed(page, "auc", 0.6, 0.2)
        assert page.locator("img[src=x]").count() == 0


def test_a_script_that_is_not_the_pages_own_is_refused(browser, rendered, tmp_path):
    text = rendered("copies-images").read_text("utf-8")
    spoiled = tmp_path / "spoiled.html"
    spoiled.write_text(text.replace("<main>", "<main><script>document.title='run'</script>"))
    page = browser.new_page()
    page.goto(spoiled.as_uri())
    assert page.title() != "run"
    page.close()
