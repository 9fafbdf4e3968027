"""The phases' reproduction in small: every part is measured, and drawn."""

import json

import pytest

from byheart.report.reproduction import render, write_html
from papers import phases as reproduce_phases


@pytest.mark.slow
def test_phases_in_small(laboratory, idle, no_torch, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reproduce_phases, "COUNT", 60)
    monkeypatch.setattr(reproduce_phases, "CIRCLE_SIZES", (2, 32, 1024))
    monkeypatch.setattr(reproduce_phases, "DIGIT_SIZES", (40, 100))
    monkeypatch.setattr(reproduce_phases, "PERFECT_SIZES", (100,))
    monkeypatch.setattr(reproduce_phases, "CIRCLE_STEPS", 15)
    monkeypatch.setattr(reproduce_phases, "RECALL", ((50, 16),))
    result = reproduce_phases.reproduce(laboratory, quick=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kernel.sqlite"]
    again = reproduce_phases.reproduce(idle, quick=True)  # its sweep from the store
    assert again.tables == result.tables
    assert len(result.claims) == 6
    assert result.claims[0].agrees == "yes"  # the circle shows all three phases
    assert [len(table.rows) for table in result.tables] == [3, 2, 2, 2, 1]
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    assert all(len(graph.series) == 3 for graph in result.graphs)
    json.dumps(result.to_dict(), allow_nan=False)
    page = write_html(result, tmp_path / "phases.html").read_text(encoding="utf-8")
    assert "Circle, memory at s = 0.1" in page
    render(result, tmp_path / "phases.html")
    assert "spurious share at most" in capsys.readouterr().out


def test_the_false_alarm_claim_can_fail():
    """The rule reads the numbers: rates above 5% beyond their error do not agree."""
    perfect = {100: reproduce_phases._perfect(100, 3)}
    assert reproduce_phases._false_alarms(perfect).agrees == "yes"
    runs = perfect[100]["itself"]
    share = type(runs[0].memorized)(0.2, (0.1, 0.3))
    bad = [type(run)(**{**vars(run), "memorized": share}) for run in runs]
    claim = reproduce_phases._false_alarms({100: {"itself": bad, "a second set": bad}})
    assert claim.agrees == "no"
