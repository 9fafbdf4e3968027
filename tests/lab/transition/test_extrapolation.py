"""Extrapolation: an exact curve is continued, a flat one is refused, intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from byheart.lab.theory.transition import Transition
from byheart.lab.transition.extrapolation import extrapolate

SIZES = np.array([25.0, 50.0, 100.0, 200.0, 400.0])


def logistic(n, centre, slope):
    return 1 / (1 + (n / centre) ** -slope)


def test_a_curve_without_noise_is_continued_where_it_goes():
    trials = np.full(5, 1e6)
    found = extrapolate(SIZES, logistic(SIZES, 800.0, 2.0) * trials, trials)
    # The second scan has 100 steps over what lies between the crossings of the three forms, below
    # a factor e² in n_c here: a step of .02 in log n.
    assert found.estimate == pytest.approx(800, rel=0.02)
    assert found.more == pytest.approx(found.estimate - 400)


@pytest.mark.parametrize(
    ("positives", "word"),
    [
        ([0, 0, 0, 0, 0], "rise"),
        ([5, 4, 6, 5, 5], "rise"),
        ([20, 10, 5, 2, 0], "rise"),
        ([0, 30, 10, 12, 40], "smooth"),
        ([0, 0, 1, 0, 4], "far"),
    ],
)
def test_what_the_data_do_not_support_is_refused_with_a_reason(positives, word):
    found = extrapolate(SIZES, np.array(positives, float), np.full(5, 100.0))
    assert found.estimate is None
    assert found.more is None
    assert word in found.reason


def test_two_sizes_have_no_form():
    found = extrapolate(SIZES[:2], np.array([0.0, 9.0]), np.full(2, 30.0))
    assert found.interval == (0.0, math.inf)


def test_the_interval_covers_the_true_crossing():
    rng = np.random.default_rng(5)
    trials, hits, given = np.full(5, 60.0), 0, 0
    for _ in range(100):
        positives = rng.binomial(60, logistic(SIZES, 700.0, 2.5)).astype(float)
        found = extrapolate(SIZES, positives, trials)
        if found.interval[0]:
            given += 1
            hits += found.interval[0] <= 700 <= found.interval[1]
    assert given >= 80
    # At coverage .95, Binomial(100, .95) is below 87 with probability .0015.
    assert hits >= 0.87 * given


@pytest.mark.parametrize(
    ("dimension", "multiples"), [(36, (1.1, 1.25, 1.5)), (100, (1.5, 2, 2.5, 3))]
)
def test_the_interval_covers_the_scale_of_the_solvable_model(dimension, multiples):
    model = Transition(dimension, 0.505)
    sizes = np.array([float(int(dimension * k)) for k in multiples])
    shares = np.array([model.probability(int(n)) for n in sizes])
    truth, rng, hits = model.memorization_scale(), np.random.default_rng(3), 0
    for _ in range(60):
        low, high = extrapolate(
            sizes, rng.binomial(100, shares) / 1.0, np.full(len(sizes), 100.0)
        ).interval
        hits += low <= truth <= high
    # At coverage .95, Binomial(60, .95) is below 51 with probability .0008.
    assert hits >= 51
