"""The two energies against the exact posterior mean of points, and in their limits."""

import numpy as np
import pytest
from scipy.integrate import quad

from byheart.errors import UsageError
from byheart.lab.diffusion import EmpiricalDenoiser
from byheart.lab.theory.associative_memory import (
    circle_energy,
    circle_slope,
    collapse_level,
    ring_radius,
)


@pytest.mark.parametrize("beta", [0.3, 1.0, 1.5, 20.0, 5000.0])
def test_the_energy_is_that_of_the_integral(beta):
    for r in (0.0, 0.4, 1.0, 1.7):
        # the largest term is at angle 0; factored out so that beta = 5000 does not underflow
        width = min(np.pi, 40 / np.sqrt(beta * r)) if r else np.pi
        total, _ = quad(lambda a, r=r: np.exp(2 * beta * r * (np.cos(a) - 1)), -width, width)
        exact = (r - 1) ** 2 - np.log(total / (2 * np.pi)) / beta
        assert float(circle_energy(r, beta)) == pytest.approx(exact, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("beta", [0.5, 2.0, 30.0])
def test_the_slope_is_that_of_the_energy_and_of_the_posterior_mean(beta):
    r = np.array([0.2, 0.7, 1.0, 1.3])
    step = 1e-5
    difference = (circle_energy(r + step, beta) - circle_energy(r - step, beta)) / (2 * step)
    assert circle_slope(r, beta) == pytest.approx(difference, abs=1e-8)
    # 400 equal steps integrate exp(z cos) to rounding: its Fourier series has I_400(z) left.
    angle = 2 * np.pi * np.arange(400) / 400
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    y = np.column_stack([r, np.zeros(4)])
    mean = EmpiricalDenoiser(points).mean(y, 1 / np.sqrt(2 * beta))
    assert circle_slope(r, beta) == pytest.approx(2 * (y - mean)[:, 0], abs=1e-12)


@pytest.mark.parametrize("beta", [0.2, 0.9, 1.0, 1.001, 1.1, 2.0, 100.0])
def test_a_ring_exists_only_for_beta_above_one(beta):
    grid = np.linspace(0, 1.5, 30_001)
    lowest = grid[np.argmin(circle_energy(grid, beta))]
    assert ring_radius(beta) == pytest.approx(lowest, abs=6e-5)
    assert (ring_radius(beta) > 0) == (beta > 1)
    if beta > 1:
        assert float(circle_slope(ring_radius(beta), beta)) == pytest.approx(0, abs=1e-12)


def test_limits_of_the_ring():
    # A(z) = z/2 - z^3/16 ...: R^2 = 2 (beta - 1)/beta^3 near 1; A(z) = 1 - 1/(2 z) at large z
    assert ring_radius(1.0001) ** 2 == pytest.approx(2e-4, rel=1e-3)
    assert ring_radius(1e4) == pytest.approx(1 - 1 / 4e4, abs=1e-8)


def test_collapse_scales_with_the_data_and_has_its_limits():
    assert collapse_level(50, 10, 3.0) == pytest.approx(3 * collapse_level(50, 10))
    # n^(2/d) = 2: s_c = sigma_x
    assert collapse_level(32, 10) == pytest.approx(1.0)
    assert collapse_level(10, 10**6) == pytest.approx(np.sqrt(10**6 / (2 * np.log(10))), rel=1e-5)


def test_arguments_out_of_range():
    for wrong in (lambda: circle_energy(-1.0, 2.0), lambda: circle_energy(1.0, 0.0)):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(UsageError, match="n must be at least 2"):
        collapse_level(1, 3)
