"""The beginning of a fall: exact permutation tests, infinite means, false alarms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from byheart.lab.transition.change_point import bracket, fall_p_value, falling_p_value, peak


def test_the_p_value_is_near_the_exact_one_over_all_relabellings():
    rng = np.random.default_rng(3)
    groups = [rng.normal(shift, 1, 3) for shift in (1.0, 0.5, 0.0)]
    values = np.concatenate(groups)
    ranks = np.argsort(np.argsort(values))

    def statistic(second, third):
        return ranks[list(second)].sum() + 2 * ranks[list(third)].sum()

    seen, everything = statistic(range(3, 6), range(6, 9)), []
    for first in itertools.combinations(range(9), 3):
        rest = [i for i in range(9) if i not in first]
        for second in itertools.combinations(rest, 3):
            everything.append(statistic(second, [i for i in rest if i not in second]))
    exact = np.mean(np.array(everything) <= seen)
    # The normal approximation without continuity correction: steps of 1 in a statistic of
    # deviation 4 to 5 at nine trials give at most about half a density, .05.
    assert falling_p_value(groups) == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("trials", [3, 30])
@pytest.mark.slow
def test_a_flat_curve_seldom_falls_and_a_rising_one_never(trials):
    rng = np.random.default_rng(0)
    flat = [[rng.lognormal(0, 1, trials) for _ in range(6)] for _ in range(300)]
    alarms = sum(fall_p_value(groups) <= 0.05 for groups in flat)
    # Binomial(300, .05): above 28 with probability .0008.
    assert alarms <= 28
    assert fall_p_value([level + rng.random(trials) for level in range(6)]) == 1.0


def test_infinite_distances_are_ranks_like_others():
    infinite, finite = np.full(10, math.inf), np.linspace(1, 2, 10)
    assert fall_p_value([infinite, infinite, finite]) < 1e-4
    assert fall_p_value([infinite, infinite, infinite]) == 1.0
    assert fall_p_value([finite, infinite]) > 0.999


@pytest.mark.parametrize(
    ("means", "at"),
    [
        ([1.0, 3.0, 9.0, 2.0, 1.0], 2),
        ([5.0, 5.0, 5.0, 2.0, 1.0], 2),  # a plateau ends at its last point
        ([math.inf, math.inf, 4.0, 9.0], 1),
        ([4.0, 3.0, 2.0], 0),
        ([0.0, 1.0, 0.5], 1),  # no logarithm of 0
    ],
)
def test_where_the_peak_is(means, at):
    assert peak(np.array(means), np.ones(len(means))) == at


def test_brackets_are_open_at_the_ends_of_the_grid():
    sizes = np.array([10.0, 20.0, 40.0])
    assert bracket(0, False, sizes) == (0.0, 20.0)
    assert bracket(2, False, sizes) == (20.0, math.inf)
    assert bracket(0, True, sizes) == (10.0, 20.0)
    assert bracket(2, True, sizes) == (40.0, math.inf)
