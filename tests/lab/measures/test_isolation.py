"""Isolation against the exact posterior, in limits, with planted points, and with ties."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from byheart import InputError
from byheart.lab.diffusion import EmpiricalDenoiser
from byheart.lab.measures.isolation import MERGING, isolation


def brute(points):
    """Equation (1) for each row from all distances, one root at a time."""
    levels = []
    for x in points:
        squared = ((points - x) ** 2).sum(axis=1)
        own, others = (squared == 0).sum(), squared[squared > 0]

        def excess(log_s, own=own, others=others):
            return np.exp(-others / (2 * np.exp(2 * log_s))).sum() - own * math.exp(-MERGING)

        levels.append(math.exp(brentq(excess, -8, 8, xtol=1e-13)))
    return np.array(levels)


@pytest.mark.parametrize("case", ["few rows", "clusters", "copies", "float32"])
def test_levels_are_those_of_all_distances(case):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 3))
    if case == "clusters":
        points = np.concatenate([points, 5 + 0.1 * rng.normal(size=(30, 3))])
    if case == "copies":
        points = np.concatenate([points, points[:5], points[:2]])
    if case == "float32":
        points = points.astype(np.float32)
    found = isolation(points)
    # The clusters have 59 other points and lists of 32: terms left out are below e^-100 of it.
    assert found.levels == pytest.approx(brute(points.astype(float)), rel=1e-9)


def test_two_points_merge_at_half_their_distance():
    assert isolation(np.array([[0.0], [3.0]])).levels == pytest.approx([1.5, 1.5])


def test_the_level_is_that_of_the_posterior_weight():
    points = np.random.default_rng(1).normal(size=(25, 2))
    found = isolation(points)
    for i in (0, 7, 19):
        # in one more coordinate only row i differs: its posterior mean there is its weight
        marked = np.column_stack([points, 1e-7 * (np.arange(25) == i)])
        mean = EmpiricalDenoiser(marked).mean(marked[i : i + 1], float(found.levels[i]))
        assert mean[0, 2] / 1e-7 == pytest.approx(1 / (1 + math.exp(-MERGING)), rel=1e-6)


def test_planted_isolated_points_come_first():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(300, 5))
    planted = rng.choice(300, size=12, replace=False)
    points[planted] *= 6 / np.linalg.norm(points[planted], axis=1, keepdims=True)
    assert set(isolation(points).order[:12].tolist()) == set(planted.tolist())


def test_it_is_local_density_times_n():
    """On a grid of spacing a in D dimensions: (2 pi)^(-1/2) (e^2 rho)^(-1/D), rho = a^-D."""
    grid = np.stack(np.meshgrid(*[np.arange(12.0)] * 2), axis=-1).reshape(-1, 2)
    for spacing in (1.0, 0.25):
        level = isolation(spacing * grid).levels.reshape(12, 12)[6, 6]
        # The sum of a theta series at s = .15 a is not its integral; the nearest four dominate:
        # 4 exp(-a^2/(2 s^2)) + 4 exp(-a^2/s^2) = e^-2.
        exact = brentq(
            lambda s: 4 * np.exp(-1 / (2 * s**2)) + 4 * np.exp(-1 / s**2) - np.exp(-2), 0.1, 1.0
        )
        assert level == pytest.approx(spacing * exact, rel=1e-3)
    # Denser by a factor of 16 in n: levels fall by 16^(-1/D) everywhere.
    rng = np.random.default_rng(3)
    few, many = (np.median(isolation(rng.random((n, 2))).levels) for n in (250, 4000))
    assert few / many == pytest.approx(4, rel=0.15)  # medians of 250: deviation about 5%


@pytest.mark.parametrize("change", ["order", "rotation", "shift", "scale"])
def test_invariances(change):
    rng = np.random.default_rng(4)
    points = rng.normal(size=(60, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    order = rng.permutation(60)
    before = isolation(points).levels
    after = {
        "order": lambda: isolation(points[order]).levels[np.argsort(order)],
        "rotation": lambda: isolation(points @ turn).levels,
        "shift": lambda: isolation(points + 2.0).levels,
        "scale": lambda: isolation(8.0 * points).levels / 8,
    }[change]()
    assert after == pytest.approx(before, rel=1e-9)


def test_ties():
    """Equal rows share a level and stand for one point, the more firmly the more there are."""
    points = np.array([[0.0], [0.0], [0.0], [4.0], [8.0]])
    found = isolation(points)
    assert found.copies.tolist() == [3, 3, 3, 1, 1]
    assert len(set(found.levels[:3].tolist())) == 1
    once = isolation(points[2:])
    assert found.levels[0] > once.levels[0]  # three copies are a firmer memory than one
    assert found.levels[3] < once.levels[1]  # and draw their neighbour in
    # Rows that tie keep the order of their numbers.
    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert isolation(square).order.tolist() == [0, 1, 2, 3]


def test_a_row_that_outweighs_all_others():
    points = np.concatenate([np.zeros((40, 1)), [[1.0], [2.0]]])
    found = isolation(points)
    assert np.isinf(found.levels[:40]).all()  # its weight is 40/42 however large s is
    assert np.isfinite(found.levels[40:]).all()
    assert found.above(1e9) == 40


def test_equal_rows_alone_are_refused():
    with pytest.raises(InputError, match="all rows are equal"):
        isolation(np.ones((5, 2)))
