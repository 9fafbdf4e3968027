"""Kernel densities against scipy, and the relative distance of samples against its limits."""

from __future__ import annotations

import numpy as np
import pytest

from byheart.distances.densities import (
    leave_one_out,
    log_kernel_density,
    relative_sample_distance,
)
from byheart.distances.relative import relative_distance
from byheart.errors import InputError
from byheart.theory.gaussians import GaussianLaw


@pytest.mark.parametrize("block", [2**21, 40])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_log_density_is_the_mean_of_normal_densities(monkeypatch, block, shift):
    from scipy.stats import multivariate_normal

    monkeypatch.setattr("byheart.distances.densities._BLOCK_ENTRIES", block)
    rng = np.random.default_rng(0)
    samples, points = rng.normal(size=(17, 3)), rng.normal(size=(11, 3))
    expected = [
        np.log(np.mean(multivariate_normal(p, 0.3**2 * np.eye(3)).pdf(samples))) for p in points
    ]
    # Coordinates of size 1e4 are stored to 2e-12, which moves squares over eps² by 1e-10.
    found = log_kernel_density(samples + shift, points + shift, 0.3)
    assert found == pytest.approx(expected, abs=1e-9)


def test_far_points_have_a_finite_log_density():
    value = log_kernel_density(np.zeros((5, 100)), np.full((1, 100), 50.0), 0.1)
    # −|x|²/(2 eps²) − 50 log(2 pi eps²)
    assert value[0] == pytest.approx(-1.25e7 - 50 * np.log(2 * np.pi * 0.01), rel=1e-12)


def test_many_samples_of_a_gaussian_agree_with_its_law():
    """The law smoothed by eps_G is the limit of samples: cross differs by Monte Carlo only."""
    rng = np.random.default_rng(1)
    d, n, m = 3, 60, 60_000
    train, generated = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    fresh = rng.normal(size=(4000, d))
    found = relative_sample_distance(train, fresh, generated)
    eps_g = m ** (-1 / d)
    law = GaussianLaw.isotropic(np.zeros(d), 1 + eps_g**2)
    exact = relative_distance(train, law, fresh=fresh)
    assert found.log_pair_train == pytest.approx(exact.log_pair_train, rel=1e-12)
    # The kernel of T (eps = .26) sees about m eps^3 = 1,000 samples at a time: 3% in one point's
    # sum, less in the mean over n points; 5 standard errors of 1%.
    assert found.log_cross_train == pytest.approx(exact.log_cross_train, abs=0.05)
    assert found.log_cross_fresh == pytest.approx(exact.log_cross_fresh, abs=0.05)


def test_leave_one_out_is_the_loss_of_every_point_under_the_others():
    x = np.random.default_rng(3).normal(size=(40, 2))
    eps, loss = leave_one_out(x)
    others = [np.delete(x, i, axis=0) for i in range(40)]

    def direct(bandwidth):
        return -np.mean(
            [log_kernel_density(o, x[i : i + 1], bandwidth)[0] for i, o in enumerate(others)]
        )

    assert loss == pytest.approx(direct(eps), rel=1e-12)
    assert all(loss <= direct(eps * factor) + 1e-12 for factor in (0.9, 1.1, 0.5, 2.0))


def test_leave_one_out_needs_points_that_differ():
    with pytest.raises(InputError, match="equal twin"):
        leave_one_out(np.repeat(np.eye(3), 2, axis=0))
    with pytest.raises(InputError, match="at least 3"):
        leave_one_out(np.eye(2))


def test_sets_of_different_columns_are_refused():
    with pytest.raises(InputError, match="same columns"):
        relative_sample_distance(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(InputError, match="same columns"):
        log_kernel_density(np.ones((3, 2)), np.ones((3, 1)), 1.0)
