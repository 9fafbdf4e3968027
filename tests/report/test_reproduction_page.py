"""The page of a reproduction: its graphs live, silent and within every width; text escaped."""

from __future__ import annotations

import pytest

from byheart.lab.reproduction.reproduction import Claim, Reproduction
from byheart.plotting.graph import Graph, Series
from byheart.plotting.table import Table
from byheart.report.reproduction import render, write_html

EVIL = "</script><script>alert(1)</script>"


def found() -> Reproduction:
    names = ("training points", "copies under noise", "kernels of .15", EVIL)
    lines = tuple(
        Series(name, (1.0, 10.0, 100.0), (0.1 * k, 0.2 * k, 0.3 * k), ((0.1, 1.0),) * 3)
        for k, name in enumerate(names, start=1)
    )
    graphs = (
        Graph("Shares", "Higher is memorization.", "n", "share", lines[:1]),
        Graph("In logs", EVIL, "n", "share", lines, log_x=True, log_y=True),
    )
    return Reproduction(
        name="shares",
        paper="a paper",
        settings="settings",
        claims=(Claim("It falls.", EVIL, "no"), Claim("It rises.", "It does.", "yes")),
        curves=(),
        tables=(Table("Figures", ("n", "share"), (("10", "0.5"), ("100", EVIL)), "A note."),),
        graphs=graphs,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_graphs_are_live_and_silent(tmp_path, browser, scheme):
    path = write_html(found(), tmp_path / "shares.html")
    noise = []
    with browser.new_page(color_scheme=scheme) as page:
        for event in ("console", "pageerror", "dialog"):
            page.on(event, lambda entry: noise.append(str(entry)))
        page.goto(path.as_uri())
        page.wait_for_function("document.querySelectorAll('.tools').length == 2")
        for width in (320, 768, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_role("heading", level=1).count() == 1
        legend = page.locator("#chart-shares-graph-1 .live svg g.role-legend").bounding_box()
        chart = page.locator("#chart-shares-graph-1 .live svg").bounding_box()
        assert legend["width"] <= chart["width"]  # two columns for long names
    assert noise == []


def test_the_terminal_tells_claims_and_figures(tmp_path, capsys):
    render(found(), tmp_path / "shares.html")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "agree" in line] == ["does not agree", "agrees"]
    assert "  measured: It does." in lines
    assert lines[-1] == f"report: {tmp_path / 'shares.html'}"
