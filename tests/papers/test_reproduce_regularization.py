"""The reproduction of regularised scores in small: every part is measured, kept, and drawn."""

import json

import pytest
from markupsafe import escape

from byheart.lab.sweeps.parameter import parameter_of
from byheart.lab.transition.thresholds import thresholds
from byheart.report.reproduction import render, write_html
from papers import regularization


@pytest.mark.slow
def test_regularization_in_small(laboratory, idle, no_torch, monkeypatch, tmp_path):
    monkeypatch.setattr(regularization, "SIZE", 100)
    monkeypatch.setattr(regularization, "SAMPLES", 100)
    monkeypatch.setattr(regularization, "RATE_SAMPLES", 20)
    monkeypatch.setattr(regularization, "REPEATS", {True: 1})
    values = {
        kind: (name, (every[0], every[-1])) for kind, (name, every) in regularization.SCORES.items()
    }
    monkeypatch.setattr(regularization, "SCORES", values)
    result = regularization.reproduce(laboratory, quick=True)
    assert regularization.reproduce(idle, quick=True) == result  # all from the stores
    assert [claim.agrees for claim in result.claims[:1]] == ["yes"]
    assert len(result.claims) == 4
    assert len(result.graphs) == 6
    assert [len(table.rows) for table in result.tables] == [3, 2, 2, 2, 2, 2]
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    blobs = result.tables[1].rows[0]
    assert float(blobs[2]) == pytest.approx(1, abs=0.1)
    json.dumps(result.to_dict(), allow_nan=False)
    page = write_html(result, tmp_path / "r.html").read_text(encoding="utf-8")
    for claim in result.claims:
        assert str(escape(claim.statement)) in page
    render(result, tmp_path / "r.html")


def test_networks_are_swept_over_steps_and_width(laboratory, monkeypatch):
    pytest.importorskip("torch")
    found, small = {}, {**regularization.MLP, "steps": 4, "depth": 1}
    monkeypatch.setattr(regularization, "SIZE", 60)
    monkeypatch.setattr(regularization, "SAMPLES", 60)
    for name, model in (
        ("training_steps", {**small, "width": 8}),
        ("width", {**small, "training_steps": 2}),
    ):
        sections = regularization._plan(model, name, (2, 4), 1)
        records = laboratory.run(name, sections)
        assert [record.value for record in records] == [2, 4]
        found[f"mlp, {name}"] = thresholds(records, parameter_of("mlp", name))
    claim = regularization._networks(found)
    # two or four steps learn nothing that could be memorized
    assert claim.measured.count("the weakest value tried") >= 2
