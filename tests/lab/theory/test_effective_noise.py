"""The effective noise: closed forms, its defining equation, limits, extremes."""

import numpy as np
import pytest
from scipy.optimize import brentq

from byheart.lab.theory.effective_noise import effective_noise

SPECTRA = {
    "harmonic": 1 / np.arange(1, 101),
    "isotropic": np.ones(30),
    "wide": np.geomspace(1e-12, 1e6, 50),
    "with zeros": np.array([3.0, 1.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("n", [2, 5, 31, 100, 1000, 10**9])
@pytest.mark.parametrize("floor", [1e-9, 1e-3, 0.1, 10.0])
def test_isotropic_is_the_root_of_a_quadratic(n, floor):
    samples, d = n - 1, 30
    # kappa^2 + kappa (1 - c - d/N) - c = 0
    b = 1 - floor - d / samples
    root = (
        (-b + np.sqrt(b * b + 4 * floor)) / 2
        if b < 0
        else 2 * floor / (b + np.hypot(b, 2 * floor**0.5))
    )
    # the quadratic's own cancellation costs a few digits
    assert effective_noise([1.0], n, floor, weights=[d]) == pytest.approx(root, rel=1e-11)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("floor", [1e-10, 1e-4, 1.0, 1e5])
def test_against_a_scalar_solver(name, floor):
    lam = SPECTRA[name]
    for n in (2, 3, 10, 101, 5000):
        high = floor + lam.sum() / (n - 1)

        def gap(k, n=n):
            return floor / k + (lam / (lam + k)).sum() / (n - 1) - 1

        expected = brentq(gap, floor * (1 - 1e-15), high * (1 + 1e-12), xtol=1e-300, rtol=1e-14)
        assert effective_noise(lam, n, floor) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", SPECTRA)
def test_limits(name):
    lam = SPECTRA[name]
    rank = int((lam > 0).sum())
    assert effective_noise(lam, np.inf, 0.3) == pytest.approx(0.3, rel=1e-15)
    assert effective_noise(lam, rank + 1, 0.0) == 0
    assert effective_noise(lam, rank + 50, 0.0) == 0
    if rank > 2:
        below = effective_noise(lam, rank, 0.0)
        # no floor and fewer samples than directions: all N degrees of freedom are used up
        assert below > 0
        assert (lam / (lam + below)).sum() == pytest.approx(rank - 1, rel=1e-12)
        assert effective_noise(lam, rank, 1e-30) == pytest.approx(below, rel=1e-6)


def test_falls_with_n_and_rises_with_the_floor():
    kappa = effective_noise(
        SPECTRA["harmonic"], np.arange(2, 300)[:, None], np.geomspace(1e-6, 1, 7)
    )
    assert kappa.shape == (298, 7)
    assert (np.diff(kappa, axis=0) < 0).all()
    assert (np.diff(kappa, axis=1) > 0).all()


def test_weights_are_multiplicities_and_a_million_dimensions_are_cheap():
    lam, weights = np.array([2.0, 0.5]), np.array([3, 7])
    whole = effective_noise(np.repeat(lam, weights), [4, 40], 0.01)
    assert effective_noise(lam, [4, 40], 0.01, weights) == pytest.approx(whole, rel=1e-14)
    kappa = effective_noise([1.0], [10**5, 3 * 10**6], 1e-3, weights=[1e6])
    assert kappa == pytest.approx([9.0009, 0.001499], rel=1e-3)


def test_no_variance_leaves_the_floor():
    assert effective_noise([0.0, 0.0], [2, 9], 0.25).tolist() == [0.25, 0.25]
