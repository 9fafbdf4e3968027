"""The built site: strict, nothing from another host, search from a folder, narrow screens.

Needs the extra `docs`; .ci/run installs it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
ROOT = Path(__file__).parents[2]
FETCHED = re.compile(
    r"""<(?:script|img|iframe)[^>]+src=["']?(?:https?:)?//|<link[^>]+stylesheet[^>]+//|url\(["']?https?:"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_no_page_fetches_from_another_host(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in [*pages, *site.rglob("*.css")]:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    if path is None:
        assert "CI" not in os.environ, "CI needs chromium"
        pytest.skip("no chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_narrow_screen_and_ask_for_nothing(site, browser, scheme):
    page = browser.new_page(viewport={"width": 320, "height": 700}, color_scheme=scheme)
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    names = ["index", "tutorial", "reference/python", "reference/plan-files"]
    for name in [*names, "explanation/comparison", "explanation/forecast"]:
        page.goto((site / f"{name}.html").as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, name
    dark = page.get_attribute("body", "data-md-color-scheme") == "slate"
    assert dark == (scheme == "dark")
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []
    page.close()


def test_search_works_from_a_folder(site, browser):
    page = browser.new_page()
    page.goto((site / "how-to" / "sweep.html").as_uri())
    page.keyboard.press("s")
    page.keyboard.type("epsilon bound")
    page.wait_for_selector(".md-search-result__link")
    assert "matching" in page.inner_text(".md-search-result__meta")
    page.close()
