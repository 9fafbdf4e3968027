"""One schema for both kinds of sweep: the kind, the common keys, and their documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.transition.analysis import analyse

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "transition-json.md"
OVER_N = {"n": [16, 32, 64], "repeats": 10}
OVER_CONSTANT = {"n": [32], "repeats": 10, "parameter": "constant", "values": [0.1, 1, 10]}


def found(kind):
    plan = Plan.parse(
        {
            "data": {"kind": "digits"},
            "model": {"kind": "tikhonov"} if kind == "thresholds" else {"kind": "linear"},
            "sweep": OVER_CONSTANT if kind == "thresholds" else OVER_N,
        }
    )
    figures = {"verdict": "generalizes", "memorized_share": 0.1, "spurious_share": 0.2}
    outcome = Outcome(True, 0.0, 1.0, {**figures, "generalized_share": 0.7})
    records = [
        Record(n, repeat, outcome, value=value)
        for n in plan.sweep.n
        for value in plan.sweep.values or (None,)
        for repeat in range(10)
    ]
    return analyse(records, plan).to_dict()


def names(value):
    if isinstance(value, dict):
        return set(value).union(*map(names, value.values()))
    return set().union(*map(names, value)) if isinstance(value, list | tuple) else set()


def test_the_plan_decides_which_it_is_and_both_share_their_common_keys():
    over_n, over_constant = found("transition"), found("thresholds")
    assert (over_n["kind"], over_constant["kind"]) == ("transition", "thresholds")
    assert set(over_n) & set(over_constant) == {
        *("kind", "curve", "level", "seed", "repeats", "errors", "warnings")
    }
    assert set(over_n["curve"][0]) & set(over_constant["curve"][0]) == {
        *("trials", "errors", "distance", "distance_interval")
    }
    json.dumps([over_n, over_constant], allow_nan=False)


@pytest.mark.parametrize("kind", ["transition", "thresholds"])
def test_the_reference_names_every_key(kind):
    documented = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    phases = {"memorized", "spurious", "generalized"}  # named in the words of `phases`
    assert names(found(kind)) <= documented | phases
