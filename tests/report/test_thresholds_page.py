"""The page and the terminal's lines of a swept parameter, and the advice on its verdict."""

from __future__ import annotations

import re

import pytest

from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.transition.thresholds import thresholds
from byheart.report.transition import next_steps, render, write_html

PLAN = Plan.parse(
    {
        "data": {"kind": "digits"},
        "model": {"kind": "tikhonov"},
        "sweep": {"n": [300], "repeats": 20, "parameter": "constant", "values": [0.1, 1, 10]},
    }
)
CASES = {
    "cleared": ("copies", "traces", "generalizes"),
    "off the scale": ("copies", "traces", "inconclusive"),
    "traces to the end": ("copies", "traces", "traces"),
    "copies to the end": ("copies", "copies", "copies"),
    "cleared at once": ("copies", "generalizes", "generalizes"),
    "cleared, never copies": ("traces", "traces", "generalizes"),
}


def found(case):
    return thresholds(
        [
            Record(
                300,
                run,
                Outcome(
                    word == "generalizes",
                    0.0,
                    value * (1 + run / 100),
                    {
                        "verdict": "memorizes" if word in ("copies", "traces") else word,
                        "kind": word if word in ("copies", "traces") else "",
                    },
                ),
                value=value,
            )
            for value, word in zip(PLAN.sweep.values, CASES[case], strict=True)
            for run in range(20)
        ],
        PLAN.parameter,
    )


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("cleared", ["Take constant = 10: the first value", "Do not take constant = 1 because"]),
        (
            "off the scale",
            ["Change the model or its data, not constant", "100% of them leave traces"],
        ),
        (
            "traces to the end",
            ["Sweep higher values of constant", "Do not take constant = 1 because"],
        ),
        ("copies to the end", ["Sweep higher values of constant"]),
        ("cleared at once", ["Take constant = 1: the first value"]),
        ("cleared, never copies", ["Take constant = 10: the", "constant = 0.1 because most runs"]),
    ],
)
def test_advice_is_on_the_verdict_not_on_the_absence_of_copies(case, words):
    steps = next_steps(found(case))
    assert len(steps) == len(words) + 1
    for step, word in zip(steps, words, strict=False):
        assert word in step
    assert steps[-1].startswith("Audit the model that you release")


@pytest.mark.parametrize("case", CASES)
def test_thresholds_costs_and_curve_are_on_the_page(case, tmp_path):
    result = found(case)
    path = write_html(result, PLAN, tmp_path / "transition.html", source="<i>s</i>.sqlite")
    page = path.read_text(encoding="utf-8")
    assert page.count('role="img"') == 2
    assert "<script" not in page
    assert "&lt;i&gt;s&lt;/i&gt;.sqlite" in page
    for point in result.curve:
        assert f'<td class="num">{point.value:g}<br>' in page
    for step in next_steps(result):
        assert step in page
    assert not re.search(r'(?:src|href)="(?!#|data:|https://arxiv.org)', page)


@pytest.mark.parametrize("case", CASES)
def test_the_terminal_begins_with_the_verdict(case, capsys, tmp_path):
    render(found(case), PLAN, tmp_path / "t.html")
    lines = capsys.readouterr().out.splitlines()
    cleared = case.startswith("cleared")
    assert lines[0].startswith("a value generalizes" if cleared else "no value generalizes")
    assert len(lines) < 20
    assert lines[-1].startswith("report: ")
