"""Agreement of linear models: closed forms against integrals, simulation, limits and a bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from byheart.errors import UsageError
from byheart.lab.theory.agreement import factor_overlap, isotropic_agreement, linear_agreement


def simulated(lam, n, noise_floor, repeats, seed):
    """Agreement and cosine with the truth of each pair of halves, (repeats, 2)."""
    rng = np.random.default_rng(seed)
    size = np.sum(lam + noise_floor)
    found = []
    for _ in range(repeats):
        roots = []
        for _ in range(2):
            covariance = np.cov(rng.normal(size=(n, len(lam))) * np.sqrt(lam), rowvar=False)
            variances, axes = np.linalg.eigh(covariance)
            roots.append((axes * np.sqrt(np.maximum(variances, 0) + noise_floor)) @ axes.T)
        truth = np.mean([np.diag(root) @ np.sqrt(lam) for root in roots])
        found.append((np.sum(roots[0] * roots[1]) / size, truth / math.sqrt(size * lam.sum())))
    return np.array(found)


@pytest.mark.parametrize("k", [0.05, 0.5, 0.8, 1.0, 1.3, 2.0, 10.0, 1000.0])
def test_the_closed_form_is_the_integral_over_marchenko_pastur(k):
    r = 1 / k
    low, high = (1 - math.sqrt(r)) ** 2, (1 + math.sqrt(r)) ** 2
    # x = middle + radius cos u takes the square roots at both ends out of the density.
    middle, radius = (low + high) / 2, (high - low) / 2
    moment, error = quad(
        lambda u: (radius * math.sin(u)) ** 2 / math.sqrt(middle + radius * math.cos(u)),
        0,
        math.pi,
        epsabs=0,
        epsrel=1e-10,
        limit=200,
    )
    # quad's own estimate of its error, and rounding; the mass 1 − k at zero adds nothing
    assert isotropic_agreement(k) == pytest.approx((moment / (2 * math.pi * r)) ** 2, rel=1e-8)
    assert error < 1e-8 * moment


def test_known_values_and_limits():
    assert isotropic_agreement(1.0) == pytest.approx((8 / (3 * math.pi)) ** 2, rel=1e-14)
    # the two figures that this formula was asked to give, to their three digits
    assert isotropic_agreement([1.0, 0.5]) == pytest.approx([0.721, 0.435], abs=5e-4)
    assert isotropic_agreement(1e6) == pytest.approx(1 - 0.25e-6, abs=1e-12)  # 1 − r/4
    assert isotropic_agreement(1e-6) == pytest.approx(1e-6, rel=1e-6)  # k (1 − k/4)
    assert isotropic_agreement(1.0, dimension=math.inf) == isotropic_agreement(1.0)
    grid = isotropic_agreement(np.geomspace(0.01, 100, 200))
    assert (np.diff(grid) > 0).all()


@pytest.mark.parametrize(("d", "samples"), [(20, 10), (20, 20), (20, 60), (8, 16)])
@pytest.mark.slow
def test_the_finite_dimension_correction_is_that_of_simulation(d, samples):
    rng = np.random.default_rng(d + samples)
    roots = [
        np.linalg.svd(rng.normal(size=(samples, d)), compute_uv=False).sum() for _ in range(2000)
    ]
    moments = np.array(roots) / math.sqrt(samples) / d
    error = moments.std() / math.sqrt(len(moments))
    found = math.sqrt(isotropic_agreement(samples / d, d))
    # four standard errors (6e-5 false alarms) and the term of order 1/d², at most .5/d² here
    assert moments.mean() == pytest.approx(found, abs=4 * error + 0.5 / d**2)
    limit = math.sqrt(isotropic_agreement(samples / d))
    assert abs(moments.mean() - found) < abs(moments.mean() - limit)


@pytest.mark.parametrize("n", [41, 101, 401])
def test_the_general_formula_gives_the_closed_form_on_isotropic_data(n):
    found = linear_agreement([1.0], n, weights=[100])
    # Both are the limit in closed form: only quadrature and the kappa solver, 1e-10, differ.
    assert found.agreement == pytest.approx(float(isotropic_agreement((n - 1) / 100)), rel=1e-9)
    assert found.truth**2 == pytest.approx(found.agreement, rel=1e-9)
    scaled = linear_agreement([7.0], n, weights=[100])
    assert scaled.agreement == pytest.approx(found.agreement, rel=1e-9)


@pytest.mark.parametrize(
    ("n", "noise_floor"),
    [(40, 0.0), (40, 0.01), (200, 0.01), (60, 10.0)],
)
def test_any_covariance_against_simulation(n, noise_floor):
    lam = 1 / np.arange(1, 61)
    pairs = simulated(lam, n, noise_floor, 60, seed=n)
    found = linear_agreement(lam, n, noise_floor)
    error = pairs.std(axis=0) / math.sqrt(len(pairs))
    # 4.5 standard errors of each of the 8 figures, and the O(1/N) of the limit
    assert abs(found.agreement - pairs[:, 0].mean()) < 4.5 * error[0] + 0.5 / n
    assert abs(found.truth - pairs[:, 1].mean()) < 4.5 * error[1] + 0.5 / n


def test_agreement_bounds_recovery_and_is_not_recovery():
    lam = 1 / np.arange(1, 61)
    floors = [0.0, 0.01, 0.1, 1.0, 100.0]
    found = [linear_agreement(lam, 60, floor) for floor in floors]
    assert all(f.truth**2 <= f.agreement for f in found)
    # A large noise floor: both models return the noise, whatever the data.
    assert found[-1].agreement > 0.999999
    noise = np.sqrt(lam).sum() / math.sqrt(60 * lam.sum())
    assert found[-1].truth == pytest.approx(noise, abs=1e-3)


def test_a_planted_factor_is_found_beyond_its_threshold_only_and_agreement_does_not_see_it():
    d, theta = 300, 0.6  # threshold at N/d = 1/.36 = 2.8
    rng = np.random.default_rng(0)
    lam = np.ones(d)
    lam[0] += theta
    for k in (1.0, 12.0):
        overlaps = []
        for _ in range(8):
            x = rng.normal(size=(int(k * d) + 1, d)) * np.sqrt(lam)
            overlaps.append(np.linalg.eigh(np.cov(x, rowvar=False))[1][0, -1] ** 2)
        # below the threshold the overlap is O(d^(-1/3)) at worst: 0.15; above, sd about .03
        assert np.mean(overlaps) == pytest.approx(factor_overlap(theta, k), abs=0.12)
        with_factor = linear_agreement(lam, int(k * d) + 1).agreement
        assert with_factor == pytest.approx(isotropic_agreement(k), abs=2 / d)
    assert factor_overlap(theta, 1 / theta**2) == 0
    assert factor_overlap(theta, 1e9) == pytest.approx(1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: isotropic_agreement(0.0),
        lambda: isotropic_agreement(1.0, dimension=0),
        lambda: factor_overlap(-1.0, 2.0),
        lambda: factor_overlap(1.0, math.nan),
        lambda: linear_agreement([1.0, -1.0], 10),
        lambda: linear_agreement([0.0], 10),
        lambda: linear_agreement([1.0], 1),
        lambda: linear_agreement([1.0], 10, -0.1),
        lambda: linear_agreement([1.0, 2.0], 10, weights=[1.0]),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(UsageError):
        call()
