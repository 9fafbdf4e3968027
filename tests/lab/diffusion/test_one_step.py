"""The linear one-step denoiser against its normal equations and the solvable model's own law."""

import math

import contract
import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.diffusion import LinearOneStepDenoiser, OneStepSampler, VarianceExploding
from byheart.lab.theory.solvable_model import LinearOneStep

TIME, NOISE_SCALE = 0.8, 1.5
S = math.sqrt(NOISE_SCALE * -math.expm1(-2 * TIME))  # the noise level, after division by e^-T


def training_set(n, d):
    return np.random.default_rng(n).normal(size=(n, d)) * np.linspace(0.5, 2.0, d) + 3.0


def fit(points):
    return LinearOneStepDenoiser.fit(points, S, np.random.default_rng(1))


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 5), (8, 5), (40, 3)])
def test_generates_the_law_of_the_solvable_model(n, d):
    """The denoiser is affine: its values at xbar and along the axes give the generated law."""
    points = training_set(n, d)
    denoiser, spread = fit(points), math.hypot(fit(points).start.spread, S)
    law = LinearOneStep(d, TIME, NOISE_SCALE).fit(points, np.random.default_rng(1))
    mean = denoiser.mean(points.mean(axis=0)[None], S)[0]
    factor = spread * (denoiser.mean(points.mean(axis=0) + np.eye(d), S) - mean).T
    covariance = (law.basis * law.values) @ law.basis.T + law.floor * np.eye(d)
    # The two scale their least squares differently: rounding times condition numbers below 1e4.
    np.testing.assert_allclose(mean, law.mean, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(factor @ factor.T, covariance, rtol=1e-10, atol=1e-10)


def test_samples_have_the_law_of_the_solvable_model():
    points, count = training_set(30, 3), 40_000
    denoiser = fit(points)
    sampler = OneStepSampler(denoiser, VarianceExploding(0.1, S), start=denoiser.start)
    samples = sampler.sample(count, np.random.default_rng(2))
    law = LinearOneStep(3, TIME, NOISE_SCALE).fit(points, np.random.default_rng(1))
    covariance = (law.basis * law.values) @ law.basis.T + law.floor * np.eye(3)
    # z = 4.5 in 3 means and 6 entries of the covariance, whose deviation is below sqrt(2) times
    # the geometric mean of the variances over sqrt(count): false alarms below 1e-4.
    deviation = np.sqrt(np.diag(covariance))
    z = 4.5 / math.sqrt(count)
    assert (np.abs(samples.mean(axis=0) - law.mean) < z * deviation).all()
    gap = np.abs(np.cov(samples.T) - covariance)
    assert (gap < z * math.sqrt(2) * np.outer(deviation, deviation)).all()


@pytest.mark.parametrize(("n", "d"), [(3, 6), (6, 6), (30, 4)])
def test_is_the_least_squares_fit_with_intercept(n, d):
    points = training_set(n, d)
    noisy = points + S * np.random.default_rng(1).standard_normal(points.shape)
    residual = points - fit(points).mean(noisy, S)
    # Residuals of least squares are orthogonal to the regressors, and 0 once n <= d + 1.
    np.testing.assert_allclose(residual.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(noisy.T @ residual, 0, atol=1e-9)
    if n <= d + 1:
        np.testing.assert_allclose(residual, 0, atol=1e-10)


def test_minimum_norm_ignores_directions_without_noisy_points():
    points = training_set(3, 6)
    noisy = points + S * np.random.default_rng(1).standard_normal(points.shape)
    *_, axes = np.linalg.svd(noisy - noisy.mean(axis=0))
    centre = noisy.mean(axis=0)
    moved = fit(points).mean(centre + 10 * axes[2:], S)  # 2 axes are spanned, 4 are not
    np.testing.assert_allclose(moved, np.broadcast_to(points.mean(axis=0), (4, 6)), atol=1e-10)


def test_keeps_the_contract():
    denoiser = fit(training_set(9, 4))
    assert denoiser.dimension == 4
    contract.rows_do_not_depend_on_each_other(denoiser, S, 1e-12)
    contract.does_not_change_its_argument(denoiser, S)
    contract.refuses_another_shape(denoiser, S)
    contract.refuses_another_noise_level(denoiser)


def test_refuses_any_other_noise_level():
    denoiser, y = fit(training_set(9, 4)), np.zeros((1, 4))
    denoiser.mean(y, S * (1 + 1e-12))  # a schedule's rounding
    with pytest.raises(UsageError, match="fitted at") as caught:
        denoiser.mean(y, S * 1.001)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("points", "s", "error", "message"),
    [
        ([[1.0, 2.0]], 1.0, InputError, "at least 2 rows"),
        ([[1.0, math.nan], [0.0, 0.0]], 1.0, InputError, "row 0, column 1"),
        ([[1.0], [2.0]], 0.0, UsageError, "noise_level"),
    ],
)
def test_refuses(points, s, error, message):
    with pytest.raises(error, match=message):
        LinearOneStepDenoiser.fit(points, s, np.random.default_rng(0))
