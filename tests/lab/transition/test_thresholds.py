"""Thresholds of a swept parameter: where shares cross one half, in which order, at what cost."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.parameter import parameter_of
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.transition.thresholds import graphs, thresholds

CONSTANT = parameter_of("tikhonov", "constant")
STEPS = parameter_of("mlp", "training_steps")


def outcome(word, distance):
    kind = word if word in ("copies", "traces") else ""
    verdict = "memorizes" if kind else word
    return Outcome(not kind, 0.0, distance, {"verdict": verdict, "kind": kind})


def records(words, runs=20, distance=lambda value, run: value + run):
    """words: value -> word of every run, or a function of the run."""
    return [
        Record(
            300,
            run,
            outcome(word if isinstance(word, str) else word(run), distance(value, run)),
            value=value,
        )
        for value, word in words.items()
        for run in range(runs)
    ]


CLEAR = {0.1: "copies", 0.2: "copies", 0.4: "traces", 0.8: "traces", 1.6: "generalizes"}


def test_both_thresholds_and_their_brackets():
    found = thresholds(records(CLEAR), CONSTANT)
    assert (found.no_copies.value, found.no_copies.between) == (0.4, (0.2, 0.4))
    assert (found.generalizes.value, found.generalizes.between) == (1.6, (0.8, 1.6))
    assert [p.value for p in found.curve] == sorted(CLEAR)
    assert found.curve[2].traces.value == 1
    assert found.warnings == ()
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_order_of_the_records_does_not_matter():
    made = records(CLEAR)
    shuffled = [made[i] for i in np.random.default_rng(0).permutation(len(made))]
    assert thresholds(shuffled, CONSTANT) == thresholds(made, CONSTANT)


def test_where_lower_values_regularise_more_all_is_read_from_the_top():
    words = {100: "generalizes", 200: "traces", 400: "traces", 800: "copies"}
    found = thresholds(records(words), STEPS)
    assert [p.value for p in found.curve] == [800, 400, 200, 100]
    assert (found.no_copies.value, found.no_copies.between) == (400, (800, 400))
    assert (found.generalizes.value, found.generalizes.between) == (100, (200, 100))
    assert found.generalizes.cost == pytest.approx(-700)  # the distance was made to be the value


def test_costs_are_paired_by_run():
    """Distances spread by 6 between runs and cost .3: only pairs can see it to .01."""
    noise = np.random.default_rng(0).normal(size=(3, 20)) * 0.01
    values = {0.1: 0, 1.0: 1, 2.0: 2}

    def distance(value, run):
        return run + 0.3 * (value > 0.5) + noise[values[value], run]

    words = {0.1: "copies", 1.0: "traces", 2.0: "generalizes"}
    found = thresholds(records(words, distance=distance), CONSTANT)
    gaps = 0.3 + noise[1] - noise[0]
    assert found.no_copies.cost == pytest.approx(gaps.mean())
    low, high = found.no_copies.cost_interval
    # a mean of 20 gaps of deviation .014: intervals about .013 wide
    assert low < gaps.mean() < high
    assert 0.008 < high - low < 0.02


def test_a_threshold_that_is_not_reached_or_already_passed_is_open():
    found = thresholds(records({0.1: "copies", 1.0: "copies"}), CONSTANT)
    assert found.no_copies.value is None
    assert found.no_copies.between == (1.0, None)
    assert found.no_copies.cost is None
    found = thresholds(records({0.1: "generalizes", 1.0: "inconclusive"}), CONSTANT)
    assert (found.generalizes.value, found.generalizes.between) == (0.1, (None, 0.1))
    assert found.generalizes.cost == 0


def test_inconclusive_is_neither_a_copy_nor_cleared():
    found = thresholds(records({0.1: "copies", 1.0: "inconclusive"}), CONSTANT)
    assert found.no_copies.value == 1.0
    assert found.generalizes.value is None


def test_intervals_cover_the_threshold_of_the_true_shares():
    """Shares .9, .7, .3, .1 of copies: the threshold is the third value."""
    rng = np.random.default_rng(1)
    shares = {1.0: 0.9, 2.0: 0.7, 4.0: 0.3, 8.0: 0.1}
    values = [None, *shares, None]
    covered = 0
    for _ in range(100):
        draws = {v: rng.random(12) < p for v, p in shares.items()}
        words = {
            v: (lambda run, hits=hits: "copies" if hits[run] else "traces")
            for v, hits in draws.items()
        }
        weak, strong = thresholds(records(words, 12), CONSTANT, repeats=200).no_copies.between
        low = -1 if weak is None else values.index(weak)
        high = 9 if strong is None else values.index(strong)
        covered += low <= 2 and high >= 3
    # 95% intervals: 12 or more misses of 100 at a true 5% have a chance below 1%
    assert covered >= 88


def test_runs_that_failed_are_left_out_and_said():
    made = records(CLEAR)
    made[0] = Record(300, 0, None, "it broke", value=0.1)
    made += [Record(300, run, None, "it broke", value=3.2) for run in range(2)]
    found = thresholds(made, CONSTANT)
    assert found.errors == 3
    assert (found.curve[0].trials, found.curve[0].errors) == (19, 1)
    assert found.no_copies.value == 0.4
    assert any("trials at 0.1 ended in an error" in note for note in found.warnings)
    assert any("every trial at 3.2" in note for note in found.warnings)
    few = thresholds(records(CLEAR, 3), CONSTANT)
    assert "fewer than 10 trials at 0.1, 0.2" in few.warnings[0]
    one = thresholds(records(CLEAR, 1), CONSTANT)
    assert one.no_copies.cost_interval is None
    assert one.curve[0].distance_interval is None


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ([], "there are 0; sweep more values"),
        (records({0.1: "copies"}), "there are 1; sweep more values"),
        ([replace(r, value=None) for r in records(CLEAR)], "without a swept parameter"),
        (records({0.1: "copies", 1.0: "nan"}), "'nan' is no verdict of an audit"),
        (records(CLEAR, distance=lambda v, r: math.inf), "a distance is not finite"),
    ],
)
def test_records_that_cannot_be_read_are_refused(made, words):
    with pytest.raises(InputError, match=words):
        thresholds(made, CONSTANT)


def test_arguments_out_of_range_are_refused():
    for wrong in ({"level": 0.0}, {"repeats": 10}, {"seed": -1}):
        with pytest.raises(UsageError):
            thresholds(records(CLEAR), CONSTANT, **wrong)


def test_graphs_say_which_way_is_stronger():
    shares, cost = graphs(thresholds(records(CLEAR), CONSTANT), "tikhonov", "energy distance")
    assert [s.name for s in shares.series] == ["copies", "traces", "inconclusive", "generalizes"]
    assert (shares.log_x, cost.log_y) == (True, True)
    assert "Further right" in shares.subtitle
    words = {-40.0: "copies", -30.0: "traces"}
    shares, cost = graphs(
        thresholds(records(words, 1), parameter_of("empirical-bayes", "log_threshold")), "x", "y"
    )
    assert (shares.log_x, cost.series[0].intervals) == (False, None)
    shares, _ = graphs(thresholds(records({1: "traces", 2: "copies"}), STEPS), "mlp", "y")
    assert "Further left" in shares.subtitle
