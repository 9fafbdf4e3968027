"""Reproductions: every part is measured, the arithmetic of the reference is what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from markupsafe import escape

from byheart.lab.measures.relative import relative_distance
from byheart.lab.reproduction import linear as reproduce_linear
from byheart.lab.reproduction import unet as reproduce_unet
from byheart.lab.reproduction.reproduction import Laboratory
from byheart.lab.sweeps.engines import SerialEngine
from byheart.lab.theory.solvable_model import LinearOneStep


@pytest.mark.parametrize(
    ("rows", "printed"),
    # what the reference code prints at d = 100, n = 100 as e_TG and e_OG
    [(100, 3.54331748937705e-16), (10_000, 3.5433121954211294e-16)],
)
def test_the_float32_constant_is_the_one_that_the_reference_prints(rows, printed):
    assert reproduce_linear.float32_constant(rows) == printed


def test_as_coded_the_sign_is_that_of_the_rounding_error():
    model = LinearOneStep(100, 2.0, 1.0)
    signs, exact = [], []
    for child in np.random.SeedSequence(1).spawn(10):
        rng = np.random.default_rng(child)
        x = 10 + rng.normal(size=(100, 100))
        exact.append(relative_distance(x, model.fit(x, rng), mean=10.0).positive)
        signs.append(reproduce_linear.sign_as_coded(x, model, rng))
    assert set(signs) == {1.0}
    assert sum(exact) <= 2  # P is below .1 there; 3 of 10 would have a chance of 7%


@pytest.fixture
def laboratory(tmp_path):
    names = []
    return Laboratory(tmp_path, SerialEngine(), lambda state: names.append(state.stage))


@pytest.mark.slow
def test_linear_in_small(laboratory, monkeypatch):
    monkeypatch.setattr(reproduce_linear, "REPEATS", {True: (6, 4)})
    monkeypatch.setattr(reproduce_linear, "SIZES", (25, 50, 75, 100, 150, 400))
    monkeypatch.setattr(reproduce_linear, "EFFECT_SIZES", (150, 500))
    monkeypatch.setattr(reproduce_linear, "STEP_SIZES", (150,))
    result = reproduce_linear.reproduce(laboratory, quick=True)
    assert len(result.claims) == 4
    assert result.claims[1].agrees == "no"
    assert [len(table.rows) for table in result.tables] == [4, 5, 4]
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    json.dumps(result.to_dict(), allow_nan=False)
    again = reproduce_linear.reproduce(laboratory, quick=True)  # all from the stores
    assert again == result


@pytest.mark.slow
def test_unet_in_small(laboratory, monkeypatch, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from byheart.report.reproduction import render, write_html

    plan = reproduce_unet._unet

    def small(sizes, repeats):
        sections = plan(sizes, 1)
        sections["model"] |= {"channels": [4, 8], "steps": 4, "epochs": 1}
        return sections

    def digits(repeats):
        sections = {**whole(1), "sweep": {"n": [50, 100], "repeats": 1, "samples": 60}}
        sections["model"] |= {"training_steps": 2, "steps": 4, "width": 8}
        return sections

    whole = reproduce_unet._digits
    monkeypatch.setattr(reproduce_unet, "_unet", small)
    monkeypatch.setattr(reproduce_unet, "_digits", digits)
    monkeypatch.setattr(reproduce_unet, "DIGIT_SIZES", (50, 100))
    monkeypatch.setattr(reproduce_unet, "FRESH_ROWS", 1000)
    monkeypatch.setattr(reproduce_unet, "KNOWN_REPEATS", {True: 5})
    result = reproduce_unet.reproduce(laboratory, quick=True)
    known = {row[:2]: row[2] for row in result.tables[0].rows}
    assert known["copies", "one scale"].startswith("0.00")
    assert known["copies", "as coded"].startswith("1.00")
    page = write_html(result, tmp_path / "unet.html").read_text(encoding="utf-8")
    for claim in result.claims:
        assert str(escape(claim.statement)) in page
    render(result, tmp_path / "unet.html")
