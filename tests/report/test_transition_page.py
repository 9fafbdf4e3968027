"""The page, the card and the terminal's lines of a transition."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from byheart.errors import UsageError
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.transition.phase_curve import SHARES
from byheart.lab.transition.result import transition
from byheart.report.transition import next_steps, render, write_html

PLAN = Plan.parse(
    {
        "data": {"kind": "gaussian", "dimension": 16},
        "model": {"kind": "linear"},
        "sweep": {"n": [8, 128], "repeats": 20},
    }
)
SIZES = (8, 16, 32, 64, 128)


def sweep(crossing=40.0, distance=lambda n: math.inf if n < 20 else 100 / n, sizes=SIZES):
    return transition(
        [
            Record(n, i, Outcome(n > crossing, 0.0, distance(n) * (1 + i / 100)))
            for n in sizes
            for i in range(20)
        ]
    )


RESULTS = {
    "aligned": sweep,
    "memorization fades first": lambda: sweep(distance=lambda n: 2.0),
    "quality improves first": lambda: sweep(4000, sizes=(8, 16, 32, 64, 3000, 5000, 9000)),
    "undecided": lambda: sweep(crossing=1e9, sizes=(32, 64, 128)),
}


@pytest.mark.parametrize("word", RESULTS)
def test_word_reason_scales_and_curve_are_on_the_page(word, tmp_path):
    found = RESULTS[word]()
    assert found.aligned == word
    path = write_html(found, PLAN, tmp_path / "transition.html", source="sweep.sqlite")
    page = path.read_text(encoding="utf-8")
    assert word in page
    assert page.count("<tr>") >= len(found.curve)
    for point in found.curve:
        assert f'<td class="num">{point.n:,}</td>' in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:|https://arxiv.org)', page)
    assert re.search(r'role="img" aria-label="From n = [^"]+"', page)
    assert "sweep.sqlite" in page


def phased():
    return transition(
        [
            Record(n, i, Outcome(n > 40, 0.0, 100 / n, dict(zip(SHARES, shares, strict=True))))
            for n, shares in zip(
                (8, 32, 128), ((0.9, 0.1, 0.0), (0.3, 0.6, 0.1), (0.0, 0.1, 0.9)), strict=True
            )
            for i in range(20)
        ]
    )


def test_phases_are_shown_where_the_records_have_them(tmp_path, capsys):
    page = write_html(phased(), PLAN, tmp_path / "t.html").read_text(encoding="utf-8")
    assert "Spurious share at most 60% [60%, 60%], at n = 32 [8, 128]" in page
    assert '<td class="num">90% [90%, 90%]</td>' in page
    assert page.count('role="img"') == 2
    render(phased(), PLAN)
    assert "  phases: spurious share at most 60%" in capsys.readouterr().out
    plain = phased().to_dict()["phases"]
    assert plain["peak"] == {
        "estimate": 32.0,
        "interval": [8.0, 128.0],
        "bound": None,
        "censored": None,
    }
    assert plain["points"][0]["memorized"]["value"] == pytest.approx(0.9)
    without = write_html(sweep(), PLAN, tmp_path / "old.html").read_text(encoding="utf-8")
    assert "Spurious" not in without
    assert sweep().to_dict()["phases"] is None


def test_text_from_outside_is_escaped(tmp_path):
    found = replace(sweep(), warnings=("<script>alert(1)</script>",), reason="<b>no</b>")
    page = write_html(found, PLAN, tmp_path / "t.html", source="<i>x</i>.sqlite").read_text("utf-8")
    assert "<script" not in page
    assert "<b>no</b>" not in page
    assert "&lt;i&gt;x&lt;/i&gt;.sqlite" in page
    assert "<b>no</b>" not in found._repr_html_()


def test_the_same_result_gives_the_same_page(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = (write_html(sweep(), PLAN, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_html(sweep(), PLAN, tmp_path / "none" / "t.html")


@pytest.mark.parametrize("word", RESULTS)
def test_the_terminal_begins_with_the_word_and_is_short(word, tmp_path, capsys):
    render(RESULTS[word](), PLAN, tmp_path / "t.html")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == word
    assert 10 <= len(lines) <= 16
    assert lines[-1].startswith("  report: ")


def test_what_to_do_next_follows_from_what_is_missing():
    assert next_steps(sweep(crossing=1e9))[0].startswith("Sweep larger n")
    assert any("Sweep smaller n" in step for step in next_steps(sweep(crossing=1)))
    assert any("quality" in step for step in next_steps(RESULTS["memorization fades first"]()))


def test_it_fits_every_width_and_follows_the_scheme(tmp_path, browser):
    paths = [
        write_html(make(), PLAN, tmp_path / f"{i}.html") for i, make in enumerate(RESULTS.values())
    ]
    noise = []
    ground = "getComputedStyle(document.body).backgroundColor"
    axis = "getComputedStyle(document.querySelector('.chart svg text')).fill"
    with browser.new_page(color_scheme="light") as page:
        page.on("console", lambda message: noise.append(message.text))
        for path in paths:
            page.goto(path.as_uri())
            for width in (320, 768, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.get_by_role("heading", level=1).count() == 1
            assert page.get_by_role("img", name="From n = ").count() == 1
        light = page.evaluate(ground), page.evaluate(axis)
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate(ground), page.evaluate(axis)
    assert noise == []
    assert light[0] != dark[0]
    assert light[1] != dark[1]
