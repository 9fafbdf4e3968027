"""The per-coordinate kernel distance against the sum over all pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.measures.coordinates import relative_coordinate_distance


def brute_force(a, b, sigma):
    """sigma_c ∫ (rho_A − rho_B)² for every coordinate, all pairs, with the diagonals."""
    total = np.zeros(a.shape[1])
    for x, y, sign in ((a, a, 1), (b, b, 1), (a, b, -2)):
        variance = sigma**2 * (1 / len(x) ** 2 + 1 / len(y) ** 2)
        gaps = x[:, None, :] - y[None, :, :]
        kernels = np.exp(-(gaps**2) / (2 * variance)) / np.sqrt(2 * math.pi * variance)
        total += sign * sigma * kernels.mean(axis=(0, 1))
    return float(total.mean())


@pytest.mark.parametrize(
    ("n", "fresh", "m", "levels"),
    [(7, 90, 11, None), (40, 300, 40, None), (1, 50, 2, None), (30, 200, 25, 5)],
)
def test_it_is_the_sum_over_all_pairs(n, fresh, m, levels):
    rng = np.random.default_rng(n)
    sigma = np.array([0.1, 2.0, 30.0])
    sets = [5 + sigma * rng.normal(size=(size, 3)) for size in (n, fresh, m)]
    if levels:  # few grey levels, so that most values are equal
        sets = [np.round(x / sigma * levels) / levels * sigma for x in sets]
    train, others, generated = sets
    result = relative_coordinate_distance(train, others, generated, sigma)
    near, far = brute_force(others, generated, sigma), brute_force(train, generated, sigma)
    # Sums of at most 60,000 positive terms of order 1: relative rounding below 60,000 * 2^-53 in
    # both ways of summing, so 1e-10 of the terms' size leaves a factor of 10.
    assert result.distance_fresh == pytest.approx(near, rel=1e-10, abs=1e-10)
    assert result.delta == pytest.approx(far - near, rel=1e-10, abs=1e-10)


def test_many_pairs_are_split_without_a_trace(monkeypatch):
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(size, 2)) for size in (20, 100, 30)]
    whole = relative_coordinate_distance(*sets, np.ones(2))
    monkeypatch.setattr("byheart.lab.measures.coordinates._PAIRS", 7)
    split = relative_coordinate_distance(*sets, np.ones(2))
    assert split.delta == pytest.approx(whole.delta, rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_units_do_not_matter(shift):
    rng = np.random.default_rng(1)
    sets = [rng.normal(size=(size, 2)) for size in (20, 200, 30)]
    plain = relative_coordinate_distance(*sets, np.ones(2))
    scaled = relative_coordinate_distance(*(255 * x + shift for x in sets), np.full(2, 255.0))
    # A shift of 1e4 rounds coordinates at 1e4 * 2^-53 = 1e-12, against a smallest eps of 255/200.
    assert scaled.delta == pytest.approx(plain.delta, rel=1e-9)


def test_copies_are_memorization_and_fresh_points_are_not():
    rng = np.random.default_rng(2)
    train, fresh, honest = (rng.normal(size=(size, 4)) for size in (50, 2000, 50))
    assert relative_coordinate_distance(train, fresh, train, np.ones(4)).delta < 0
    # Smoothed with eps = 1/50 instead of 1/2000, a set is nearer in L2 whatever it holds; so the
    # honest model's Delta is of either sign, but far from a copy's.
    copied = relative_coordinate_distance(train, fresh, train, np.ones(4)).delta
    assert relative_coordinate_distance(train, fresh, honest, np.ones(4)).delta > copied / 2


def test_what_cannot_be_compared_is_refused():
    x = np.ones((3, 2))
    with pytest.raises(InputError, match="same columns"):
        relative_coordinate_distance(x, x, np.ones((3, 1)), np.ones(2))
    with pytest.raises(UsageError, match="deviations"):
        relative_coordinate_distance(x, x, x, [1.0, 0.0])
