"""Every denoiser against Bayes' rule as a plain sum over its prior, and its limits."""

import math
from dataclasses import dataclass

import contract
import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.diffusion import (
    Denoiser,
    EmpiricalDenoiser,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    KernelSmoothedDenoiser,
    LinearDenoiser,
    denoisers,
)

POINTS = np.random.default_rng(1).normal(size=(7, 2)) * [1.0, 0.5] + [0.5, -1.0]
CENTRE = np.array([0.3, -0.6])
COVARIANCE = np.array([[0.8, 0.3], [0.3, 0.4]])
WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[-1.0, 0.0], [0.5, 0.5], [2.0, -1.0]])
COVARIANCES = np.array([0.3 * np.eye(2), COVARIANCE, [[0.5, -0.2], [-0.2, 0.3]]])
BANDWIDTH = 0.4

AXIS = np.arange(-7.0, 7.0, 0.05)
GRID = np.stack(np.meshgrid(AXIS, AXIS), axis=-1).reshape(-1, 2)


def gaussian_density(x, mean, covariance):
    z = x - mean
    squares = np.einsum("ij,jk,ik->i", z, np.linalg.inv(covariance), z)
    return np.exp(-squares / 2) / math.sqrt(np.linalg.det(2 * np.pi * covariance))


def mixture_density(x, weights, means, covariances):
    parts = zip(weights, means, covariances, strict=True)
    return sum(w * gaussian_density(x, m, c) for w, m, c in parts)


@dataclass(frozen=True)
class Case:
    """A denoiser with its prior as weighted atoms: the law itself, or a fine grid of it."""

    denoiser: Denoiser
    atoms: np.ndarray
    masses: np.ndarray

    def brute_force(self, y, s):
        squares = ((y[:, None, :] - self.atoms) ** 2).sum(axis=2)
        likelihood = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * s**2))
        shares = self.masses * likelihood
        return shares @ self.atoms / shares.sum(axis=1, keepdims=True)


CASES = {
    "empirical": Case(EmpiricalDenoiser(POINTS), POINTS, np.ones(len(POINTS))),
    "kernel": Case(
        KernelSmoothedDenoiser(POINTS, BANDWIDTH),
        GRID,
        mixture_density(GRID, np.ones(7) / 7, POINTS, [BANDWIDTH**2 * np.eye(2)] * 7),
    ),
    "gaussian": Case(
        GaussianDenoiser(CENTRE, COVARIANCE), GRID, gaussian_density(GRID, CENTRE, COVARIANCE)
    ),
    "linear": Case(
        LinearDenoiser.fit(POINTS),
        GRID,
        gaussian_density(GRID, POINTS.mean(axis=0), np.cov(POINTS.T)),
    ),
    "linear with floor": Case(
        LinearDenoiser.fit(POINTS, noise_floor=0.3),
        GRID,
        gaussian_density(GRID, POINTS.mean(axis=0), np.cov(POINTS.T) + 0.3 * np.eye(2)),
    ),
    "mixture": Case(
        GaussianMixtureDenoiser(WEIGHTS, MEANS, COVARIANCES),
        GRID,
        mixture_density(GRID, WEIGHTS, MEANS, COVARIANCES),
    ),
}
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@EVERY
@pytest.mark.parametrize("s", [0.3, 1.0, 4.0])
def test_mean_is_bayes_rule(case, s):
    y = np.random.default_rng(2).uniform(-2.5, 2.5, size=(12, 2))
    # The rectangle rule on a Gaussian of deviation v with spacing h errs by exp(-2 pi^2 v^2/h^2):
    # nothing here (v >= .2, h = .05). The grid ends at least 6 deviations away from every part,
    # where the density is below 1e-8 of its peak; times the distance, 1e-6 is safe.
    np.testing.assert_allclose(case.denoiser.mean(y, s), case.brute_force(y, s), atol=1e-6)


@EVERY
def test_large_noise_gives_the_mean_of_the_prior(case):
    # E[x | y] = mean + Cov(y)/s^2 + O(s^-2): below 10 * 3 / s^2 for |y| <= 3.
    y = np.random.default_rng(3).uniform(-2, 2, size=(5, 2))
    prior_mean = case.masses @ case.atoms / case.masses.sum()
    s = 1e4
    expected = np.broadcast_to(prior_mean, y.shape)
    np.testing.assert_allclose(case.denoiser.mean(y, s), expected, atol=30 / s**2 + 1e-6)


@EVERY
def test_small_noise_keeps_the_point_or_its_nearest_atom(case):
    y = np.random.default_rng(4).uniform(-1, 1, size=(5, 2))
    s = 1e-3
    result = case.denoiser.mean(y, s)
    if isinstance(case.denoiser, EmpiricalDenoiser):
        nearest = ((y[:, None] - POINTS) ** 2).sum(axis=2).argmin(axis=1)
        np.testing.assert_array_equal(result.round(12), POINTS[nearest].round(12))
    else:  # E[x | y] - y = s^2 score, and the scores here stay below 100
        assert np.abs(result - y).max() < 100 * s**2


@EVERY
def test_rows_do_not_depend_on_each_other(case, monkeypatch):
    # Only the order of additions in a matrix product may differ.
    contract.rows_do_not_depend_on_each_other(case.denoiser, 0.7, 1e-12)
    monkeypatch.setattr(denoisers, "_BLOCK_ENTRIES", 3 * len(POINTS))  # blocks of 3 rows
    contract.rows_do_not_depend_on_each_other(case.denoiser, 0.7, 1e-12)


@EVERY
def test_keeps_the_contract(case):
    assert case.denoiser.dimension == 2
    contract.does_not_change_its_argument(case.denoiser, 0.7)
    contract.refuses_another_shape(case.denoiser, 1.0)
    contract.refuses_another_noise_level(case.denoiser)


def random_covariance(d, rank, rng):
    factor = rng.normal(size=(d, rank))
    return factor @ factor.T / rank


@pytest.mark.parametrize("rank", [3, 8])
@pytest.mark.parametrize("s", [0.1, 2.0])
def test_gaussian_is_the_normal_equations(rank, s):
    rng = np.random.default_rng(7)
    covariance, mean, y = random_covariance(8, rank, rng), rng.normal(size=8), rng.normal(size=8)
    gain = np.linalg.solve(covariance + s**2 * np.eye(8), covariance)  # symmetric: they commute
    expected = mean + gain @ (y - mean)
    # The condition number of C + s^2 I is below 1e4: relative error below 1e-11.
    np.testing.assert_allclose(
        GaussianDenoiser(mean, covariance).mean(y[None], s)[0], expected, atol=1e-10
    )
    one = GaussianMixtureDenoiser([1.0], [mean], [covariance])
    np.testing.assert_allclose(one.mean(y[None], s)[0], expected, atol=1e-10)


@pytest.mark.parametrize("n", [2, 5, 40])
@pytest.mark.parametrize("floor", [0.0, 0.7])
def test_linear_is_the_gaussian_of_the_sample_moments(n, floor):
    rng = np.random.default_rng(8)
    points, y = rng.normal(size=(n, 6)) * 3 + 100, rng.normal(size=(9, 6)) + 100
    gaussian = GaussianDenoiser(points.mean(axis=0), np.cov(points.T) + floor * np.eye(6))
    np.testing.assert_allclose(
        LinearDenoiser.fit(points, floor).mean(y, 0.5), gaussian.mean(y, 0.5), atol=1e-9
    )


def test_linear_is_least_squares_over_noise_draws():
    # Fit x on y over 200 noise draws a point. Its coefficients differ from the limit by a
    # relative 1/(n - 1) = .5% (unbiased covariance) and by sampling, about 1/sqrt(40,000).
    rng = np.random.default_rng(9)
    points = rng.normal(size=(200, 2)) @ [[1.0, 0.4], [0.0, 0.6]] + 1
    x = np.repeat(points, 200, axis=0)
    y = x + 0.8 * rng.standard_normal(x.shape)
    design = np.column_stack([np.ones(len(y)), y])
    coefficients, *_ = np.linalg.lstsq(design, x, rcond=None)
    new = rng.normal(size=(10, 2)) + 1
    expected = np.column_stack([np.ones(10), new]) @ coefficients
    np.testing.assert_allclose(LinearDenoiser.fit(points).mean(new, 0.8), expected, atol=0.05)


@pytest.mark.parametrize("s", [0.05, 0.5, 5.0])
def test_kernel_is_the_mixture_of_equal_isotropic_parts(s):
    y = np.random.default_rng(10).normal(size=(11, 2))
    mixture = GaussianMixtureDenoiser(np.full(7, 1 / 7), POINTS, [BANDWIDTH**2 * np.eye(2)] * 7)
    np.testing.assert_allclose(
        KernelSmoothedDenoiser(POINTS, BANDWIDTH).mean(y, s), mixture.mean(y, s), atol=1e-12
    )


@pytest.mark.parametrize("s", [0.05, 0.5])
def test_kernel_and_mixture_tend_to_the_empirical_one(s):
    y = np.random.default_rng(11).normal(size=(11, 2))
    empirical = EmpiricalDenoiser(POINTS).mean(y, s)
    narrow = KernelSmoothedDenoiser(POINTS, 1e-8)
    # Log weights change by |y - x|^2 eps^2 / s^4 < 50 * 1e-16 / 6e-6 < 1e-9.
    np.testing.assert_allclose(narrow.mean(y, s), empirical, atol=1e-8)
    atoms = GaussianMixtureDenoiser(np.full(7, 1 / 7), POINTS, np.zeros((7, 2, 2)))
    np.testing.assert_allclose(atoms.mean(y, s), empirical, atol=1e-10)


def test_tweedie():
    """E[x | y] - y is s^2 times the gradient of the log of the noisy density."""
    s, y, step = 0.6, np.array([[0.4, -0.3]]), 1e-4
    noisy = COVARIANCES + s**2 * np.eye(2)

    def log_density(x):
        return np.log(mixture_density(x, WEIGHTS, MEANS, noisy))

    gradient = [(log_density(y + e) - log_density(y - e))[0] / (2 * step) for e in step * np.eye(2)]
    result = GaussianMixtureDenoiser(WEIGHTS, MEANS, COVARIANCES).mean(y, s)
    # Central differences: step^2/6 times a third derivative of order 10, and 1e-16/step.
    np.testing.assert_allclose(result - y, [s**2 * np.array(gradient)], atol=1e-6)


def test_empirical_survives_a_distant_origin_and_high_dimension():
    # d = 3072, mean 1000, points about as far apart as the noise is long, so that several share
    # the weight. Uncentred, |x|^2 ~ 3e9 rounds by 5e-7, 5e-3 in a log weight, 1e-6 in the result.
    # Centred, what remains is the rounding of y and x themselves, 1e-13 each, and of the sum.
    rng = np.random.default_rng(12)
    points = 1000 + 2e-4 * rng.normal(size=(5, 3072))
    s = 0.01
    y = points + 2e-4 * rng.standard_normal(points.shape)
    squares = ((y[:, None] - points) ** 2).sum(axis=2)
    shares = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * s**2))
    shares /= shares.sum(axis=1, keepdims=True)
    assert shares.max() < 0.95
    expected = points[0] + shares @ (points - points[0])
    np.testing.assert_allclose(EmpiricalDenoiser(points).mean(y, s), expected, rtol=0, atol=1e-11)


def test_float32_points_are_taken_exactly():
    points = POINTS.astype(np.float32)
    y = np.zeros((1, 2))
    np.testing.assert_array_equal(
        EmpiricalDenoiser(points).mean(y, 1.0),
        EmpiricalDenoiser(points.astype(np.float64)).mean(y, 1.0),
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: EmpiricalDenoiser([[0.0, math.nan]]), "row 0, column 1"),
        (lambda: EmpiricalDenoiser(np.zeros(3)), "reshape"),
        (lambda: EmpiricalDenoiser(np.zeros((0, 3))), "empty"),
        (lambda: LinearDenoiser.fit([[1.0, 2.0]]), "at least 2 rows"),
        (lambda: GaussianDenoiser([0.0, 0.0], [[1.0]]), r"expected shape \(2, 2\)"),
        (lambda: GaussianDenoiser([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (lambda: GaussianDenoiser([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), "eigenvalue -1"),
        (lambda: GaussianDenoiser([math.inf], [[1.0]]), "mean"),
        (lambda: GaussianMixtureDenoiser([1.0], MEANS, COVARIANCES), "1, 3 and 3 components"),
        (lambda: GaussianMixtureDenoiser(WEIGHTS, MEANS, COVARIANCES[:2]), "3, 3 and 2"),
    ],
)
def test_refuses_unusable_arrays(build, message):
    with pytest.raises(InputError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weights", [[0.5, 0.5, 0.5], [1.0, 0.5, -0.5]])
def test_refuses_weights_that_are_no_law(weights):
    with pytest.raises(UsageError, match="sum to 1"):
        GaussianMixtureDenoiser(weights, MEANS, COVARIANCES)


def test_refuses_a_bandwidth_of_zero():
    with pytest.raises(UsageError, match="bandwidth"):
        KernelSmoothedDenoiser(POINTS, 0.0)


@pytest.mark.parametrize("floor", [-0.1, math.nan])
def test_refuses_a_noise_floor_below_zero(floor):
    with pytest.raises(UsageError, match="noise_floor"):
        LinearDenoiser.fit(POINTS, floor)
