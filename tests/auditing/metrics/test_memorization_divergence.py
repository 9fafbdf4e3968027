"""The divergence is its oracle for separated points, and tells a copier from an honest model."""

import math

import numpy as np
import pytest

from byheart.auditing.metrics.memorization_divergence import (
    memorization_divergence,
    separated_divergence,
)
from byheart.errors import InputError, UsageError
from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser

RNG = np.random.default_rng(0)
TRAIN, HELDOUT = 10 * RNG.normal(size=(2, 60, 8))  # nearest distances above 5


@pytest.mark.parametrize("eps", [0.02, 0.1, 0.3])
def test_separated_points(eps):
    copier = IsotropicMixtureDenoiser(TRAIN, 0.1)
    found = memorization_divergence(
        TRAIN, HELDOUT, copier.log_density, eps, draws=40, rng=np.random.default_rng(1)
    )
    exact = separated_divergence(8, eps, 0.1)
    # The draws are independent: 4 standard errors, and rounding where the error is 0 (eps = .1).
    assert abs(found.train - exact) < 4 * found.train_error + 1e-6
    assert found.difference < -100


def test_it_diverges_for_small_bandwidths():
    values = [separated_divergence(8, eps, 0.1) for eps in (0.1, 0.01, 0.001)]
    assert values[0] == 0
    # (d/2) log(1/r) - d/2 with r = 1e-2 and 1e-4: each factor 10 adds d log 10.
    assert values[2] - values[1] == pytest.approx(8 * math.log(10), rel=1e-2)


def test_one_point_and_one_gaussian():
    """KL between N(x, eps^2 I) and N(0, v I) is known."""

    def log_density(x):
        return -0.5 * (x**2).sum(axis=1) / 4 - 4 * np.log(2 * np.pi * 4)

    x = np.full((1, 8), 0.5)
    found = memorization_divergence(
        x, x, log_density, 0.3, draws=4000, rng=np.random.default_rng(0)
    )
    r = 0.3**2 / 4
    exact = 4 * (r - 1 - math.log(r)) + 0.5 * 8 * 0.25 / 4
    # A draw's deviation is sqrt(d/2)(1 - r) and a little: 2/sqrt(4000) = .03; 5 of them.
    assert found.train == pytest.approx(exact, abs=0.16)
    assert math.isinf(found.train_error)  # of one point nothing is known


def test_an_honest_model_has_no_difference():
    def log_density(x):
        return -0.5 * (x**2).sum(axis=1) / 100 - 4 * np.log(2 * np.pi * 100)

    found = memorization_divergence(TRAIN, HELDOUT, log_density, 0.1, rng=np.random.default_rng(1))
    assert abs(found.difference) < 3 * found.difference_error


def test_sets_are_cut_to_equal_numbers_and_seeds_repeat():
    copier = IsotropicMixtureDenoiser(TRAIN, 0.1)
    a, b = (
        memorization_divergence(
            TRAIN, HELDOUT[:20], copier.log_density, 0.1, rng=np.random.default_rng(5)
        )
        for _ in range(2)
    )
    assert a == b
    assert a.rows == 20


def test_refusals():
    def run(train=TRAIN, log_density=lambda x: np.zeros(len(x)), bandwidth=0.1, draws=1):
        memorization_divergence(
            train, HELDOUT, log_density, bandwidth, draws=draws, rng=np.random.default_rng(0)
        )

    with pytest.raises(InputError, match="must have the same columns"):
        run(train=TRAIN[:, :2])
    with pytest.raises(InputError, match="expected 60 finite numbers, got shape \\(60, 1\\)"):
        run(log_density=lambda x: np.zeros((len(x), 1)))
    with pytest.raises(InputError, match="density is above 0"):
        run(log_density=lambda x: np.full(len(x), -np.inf))
    with pytest.raises(UsageError, match="bandwidth"):
        run(bandwidth=0.0)
    with pytest.raises(UsageError, match="draws"):
        run(draws=0)
    with pytest.raises(UsageError, match="model_bandwidth"):
        separated_divergence(2, 0.1, 0.0)
