import math

import numpy as np
import pytest
from scipy import stats

from byheart.errors import InputError, UsageError
from byheart.lab.measures.relative import (
    bandwidth,
    combine,
    relative_distance,
    relative_sample_distance,
)
from byheart.lab.theory.gaussians import GaussianLaw


def brute_force(x, fresh, mean, covariance):
    """The definition term by term, diagonals kept, in plain numbers."""
    d = x.shape[1]

    def half(points):
        eps2 = bandwidth(len(points), d) ** 2
        kernel = stats.multivariate_normal(np.zeros(d), 2 * eps2 * np.eye(d))
        pair = kernel.pdf(points[:, None] - points[None]).mean()
        law = stats.multivariate_normal(mean, covariance + eps2 * np.eye(d))
        return pair - 2 * law.pdf(points).mean()

    return half(x) - half(fresh)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_with_fresh_points_it_is_the_definition(d):
    rng = np.random.default_rng(d)
    x, fresh = rng.normal(size=(30, d)), rng.normal(size=(200, d))
    factor = rng.normal(size=(d, d)) / 2
    mean = 0.1 * np.ones(d)
    found = relative_distance(x, GaussianLaw.from_factor(mean, factor), fresh=fresh)
    expected = brute_force(x, fresh, mean, factor @ factor.T)
    # The uncancelled diagonals cost brute force digits: both are (4 pi)^(-d/2), about 1e-2.
    assert found.sign * math.exp(found.log_size) == pytest.approx(expected, rel=1e-7, abs=1e-14)


@pytest.mark.slow
def test_exact_is_the_expectation_over_fresh_points():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    law = GaussianLaw.isotropic(np.array([0.3, -0.1]), 0.8)
    exact = relative_distance(x, law, fresh_rows=500)
    drawn = [relative_distance(x, law, fresh=rng.normal(size=(500, 2))) for _ in range(200)]
    for name in ("log_pair_fresh", "log_cross_fresh"):
        values = np.exp([getattr(one, name) for one in drawn])
        error = values.std(ddof=1) / math.sqrt(len(values))
        # Two comparisons at 4 standard errors.
        assert math.exp(getattr(exact, name)) == pytest.approx(values.mean(), abs=4 * error)


def test_scale_and_place_do_not_matter():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 4))
    law = GaussianLaw.isotropic(0.1 * np.ones(4), 0.9)
    plain = relative_distance(x, law)
    moved = relative_distance(
        7 + 3 * x, GaussianLaw.isotropic(7 + 0.3 * np.ones(4), 8.1), mean=7.0, sigma=3.0
    )
    assert moved.sign == plain.sign
    # Densities scale by 3^-d.
    assert moved.log_size == pytest.approx(plain.log_size - 4 * math.log(3), rel=1e-9)


def test_a_kernel_density_of_the_training_set_is_memorization():
    x = np.random.default_rng(2).normal(size=(3, 2))
    law = GaussianLaw.isotropic(x[0], 0.01)  # all mass on one training point
    assert not relative_distance(x, law).positive


def test_combine_is_exact_near_cancellation():
    assert combine(-400.0, -500.0, -400.0, -500.0).sign == 0
    assert combine(-400.0, -500.0, -400.0, -500.0).log_size == -math.inf
    assert combine(-4000.0, -4001.0, -4000.5, -4001.0).sign == 1


@pytest.mark.parametrize(
    "arguments", [{"fresh_rows": 40}, {"fresh": "all"}, {"sigma": 0.0}, {"fresh": np.ones((9, 2))}]
)
def test_wrong_arguments_are_refused(arguments):
    x = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(UsageError):
        relative_distance(x, GaussianLaw.isotropic(np.zeros(2), 1.0), **arguments)


@pytest.mark.slow
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


def test_samples_of_different_columns_are_refused():
    with pytest.raises(InputError, match="same columns"):
        relative_sample_distance(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 1)))
