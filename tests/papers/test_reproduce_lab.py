"""The reproductions of the two-network test and of training times, in small."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from byheart.lab.measures.training_time import Onset, PowerLaw
from byheart.report.reproduction import render, write_html
from papers import halves as reproduce_halves
from papers import training_time as reproduce_training_time


def test_halves_in_small(laboratory, tmp_path):
    pytest.importorskip("torch")
    setting = reproduce_halves.Setting(2, (25, 100), (25, 100), (50, 200), 60, training_steps=3)
    result = reproduce_halves.reproduce_in(setting, laboratory)
    assert not any(tmp_path.iterdir())  # nothing is kept
    assert [claim.agrees for claim in result.claims][:2] == ["yes", "yes"]
    # Two splits cannot cover .8: a copier and kernels of bandwidth .25 lean, linear models do not.
    rows = {(row[0], row[1]): row for row in result.tables[2].rows}
    assert rows["empirical", "100"][4] == "1.000"
    assert rows["empirical", "100"][-1].startswith("1.000")
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    json.dumps(result.to_dict(), allow_nan=False)
    render(result, tmp_path / "halves.html")


def test_training_time_in_small(laboratory, tmp_path):
    pytest.importorskip("torch")
    setting = reproduce_training_time.Setting((40, 80), 1, 24, 3, 60, 60, width=8)
    result = reproduce_training_time.reproduce_in(setting, laboratory)
    assert not any(tmp_path.iterdir())  # nothing is kept
    assert len(result.claims) == 4
    assert [len(table.rows) for table in result.tables] == [2, 3]
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    json.dumps(result.to_dict(), allow_nan=False)
    render(result, write_html(result, tmp_path / "training-time.html"))


@pytest.mark.parametrize(
    ("interval", "proportional", "constant"),
    [
        ((0.8, 1.2), "yes", "partly"),
        ((0.2, 0.7), "partly", "partly"),
        ((-0.2, 1.2), "no", "yes"),
        ((-math.inf, math.inf), "no", "no"),
    ],
)
def test_what_an_exponent_says(interval, proportional, constant):
    exponent = None if math.isinf(interval[0]) else float(np.mean(interval))
    law = PowerLaw(exponent, interval, 1.0, 0.1, 12, 12)
    faster = PowerLaw(2.0, (1.5, 2.5), 1.0, 0.1, 12, 12)
    assert reproduce_training_time._proportional("a claim", "a time", law).agrees == proportional
    assert reproduce_training_time._constant(law, faster).agrees == constant


def test_medians_count_what_was_never_seen():
    seen, never = Onset(8, 16), Onset(64, math.inf)
    assert reproduce_training_time._median([never, seen, seen]) == 16
    assert math.isinf(reproduce_training_time._median([never, never, seen]))
