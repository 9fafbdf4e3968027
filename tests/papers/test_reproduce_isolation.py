"""The isolation reproduction in small: every part is measured, and drawn."""

import json

import pytest

from byheart.report.reproduction import render, write_html
from papers import isolation as reproduce_isolation


@pytest.mark.slow
def test_isolation_in_small(idle, no_torch, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reproduce_isolation, "HELDOUT", 60)
    monkeypatch.setattr(reproduce_isolation, "SAMPLES", 80)
    monkeypatch.setattr(reproduce_isolation, "MEMORY_SIZES", (60,))
    monkeypatch.setattr(reproduce_isolation, "MEMORY_LEVELS", (0.5, 0.7))
    monkeypatch.setattr(reproduce_isolation, "TRAINING_ROWS", 60)
    monkeypatch.setattr(reproduce_isolation, "REPEATS", {True: 2})
    said = []
    idle.progress = said.append
    result = reproduce_isolation.reproduce(idle, quick=True)
    assert not any(tmp_path.iterdir())  # nothing is kept
    assert len(said) == 6
    assert [len(table.rows) for table in result.tables] == [2, 6, 3]
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    assert len(result.claims) == 5
    json.dumps(result.to_dict(), allow_nan=False)
    write_html(result, tmp_path / "isolation.html")
    render(result, tmp_path / "isolation.html")
    assert "Membership area by isolation" in capsys.readouterr().out
