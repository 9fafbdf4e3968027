"""Unimodal least squares and crossings against slower definitions of the same."""

from __future__ import annotations

import numpy as np
import pytest

from byheart.lab.transition.monotone import first_reaching, unimodal


def by_min_max(y, weights):
    """The isotonic fit by its formula: max over i ≤ j of min over k ≥ j of the mean of i..k."""
    size = range(len(y))
    mean = {
        (i, k): np.average(y[i : k + 1], weights=weights[i : k + 1])
        for i in size
        for k in size
        if i <= k
    }
    return np.array([max(min(mean[i, k] for k in size[j:]) for i in size[: j + 1]) for j in size])


@pytest.mark.parametrize("level", [0.0, 0.5, 0.95, 1.0])
def test_where_a_level_is_reached_is_where_the_fit_reaches_it(level):
    rng = np.random.default_rng(0)
    y, weights = rng.integers(0, 21, (200, 7)) / 20, rng.integers(1, 9, 7).astype(float)
    for row, first in zip(y, first_reaching(y, weights, level), strict=True):
        reached = np.flatnonzero(by_min_max(row, weights) >= level - 1e-12)
        assert first == (reached[0] if len(reached) else 7)


@pytest.mark.parametrize("seed", range(8))
def test_unimodal_is_the_best_over_all_peaks(seed):
    rng = np.random.default_rng(seed)
    y, weights = rng.normal(size=8), rng.integers(1, 5, 8).astype(float)

    def error(fit):
        return float(weights @ (y - fit) ** 2)

    fit = unimodal(y, weights)
    best = min(
        error(
            np.append(
                by_min_max(y[:s], weights[:s]), -by_min_max(-y[s:], weights[s:]) if s < 8 else []
            )
        )
        for s in range(1, 9)
    )
    assert error(fit) == pytest.approx(best, abs=1e-12)
    steps = np.sign(np.diff(fit))
    assert (np.diff(steps[steps != 0]) <= 0).all()  # once it falls it never rises


def test_a_fit_that_obeys_the_order_is_left_alone():
    y = np.array([0.0, 1.0, 3.0, 2.0, -1.0])
    assert unimodal(y, np.ones(5)).tolist() == y.tolist()
