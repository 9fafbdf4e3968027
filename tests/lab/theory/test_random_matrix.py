import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import digamma

from byheart.lab.theory import random_matrix as rm


def integral(function, c):
    low, high = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    return quad(
        lambda x: function(x) * np.sqrt((high - x) * (x - low)) / (2 * np.pi * c * x), low, high
    )[0]


@pytest.mark.parametrize("c", [0.1, 0.5, 0.95])
def test_log_moment_against_quadrature(c):
    # quad's own accuracy is 1e-8
    assert rm.log_moment(c) == pytest.approx(integral(np.log, c), abs=1e-7)


@pytest.mark.parametrize(("k", "r"), [(1.1, 0.5), (2.0, 0.3), (4.0, 0.2), (3.0, 0.5), (1.5, 0.9)])
def test_the_closed_determinant_solves_its_variational_problem(k, r):
    """max over u ≥ 0 of ∫ log(r k x + u) − u/(1−r), found on a grid."""
    u = np.linspace(0, 1, 201) * (1 - r)
    values = [integral(lambda x, v=v: np.log(r * k * x + v), 1 / k) - v / (1 - r) for v in u]
    # The grid misses the maximum by at most curvature/2 times (step/2)², here below 1e-4.
    found = float(rm.deformed_ginibre_log_determinant(1, k, r))
    assert found == pytest.approx(max(values), abs=1e-4)


@pytest.mark.parametrize("d", [1, 2, 7, 30])
@pytest.mark.parametrize("extra", [0, 1, 2, 50])
def test_wishart_log_determinant_is_the_sum_of_digammas(d, extra):
    n = d + extra
    direct = sum(digamma((n - i) / 2) + np.log(2) for i in range(d))
    assert rm.wishart_log_determinant(d, n) == pytest.approx(direct, rel=1e-12, abs=1e-11)


def test_wishart_log_determinant_against_simulation():
    rng = np.random.default_rng(0)
    logs = [np.linalg.slogdet(z @ z.T)[1] for z in rng.normal(size=(4000, 5, 9))]
    # Variance Σ ψ'((N−i)/2) = 1.7 at d = 5, N = 9: 4 standard errors.
    assert np.mean(logs) == pytest.approx(float(rm.wishart_log_determinant(5, 9)), abs=0.085)
    assert rm.wishart_log_determinant(5, 4) == -np.inf


def test_the_ginibre_correction_tends_to_its_law():
    for d in (100, 10_000, 10**6):
        gap = rm.ginibre_correction(d) + 0.5 * np.log(d) - rm.GINIBRE_CONSTANT
        assert abs(gap) < 0.2 / d + 1e-4


@pytest.mark.parametrize(("k", "r"), [(1.3, 0.3), (2.0, 0.3), (1.2, 0.7), (3.0, 0.7)])
@pytest.mark.slow
def test_deformed_ginibre_against_simulation(k, r):
    d = 60
    rng = np.random.default_rng(int(100 * k))
    logs = []
    for _ in range(300):
        x = rng.normal(size=(d, round(k * d)))
        values, vectors = np.linalg.eigh(x @ x.T)
        root = (vectors * np.sqrt(values)) @ vectors.T
        a = np.sqrt(r) * root + np.sqrt(1 - r) * rng.normal(size=(d, d))
        logs.append(2 * np.linalg.slogdet(a)[1])
    # Away from k r = 1 what is left is g(d), of order −½ log d − .14 = −2.2, or less beyond it.
    gap = np.mean(logs) - float(rm.deformed_ginibre_log_determinant(d, k, r))
    error = np.std(logs) / np.sqrt(len(logs))
    if k * r < 0.9:
        assert gap == pytest.approx(rm.ginibre_correction(d), abs=4 * error + 0.05)
    else:
        assert -3 < gap < 0.5
