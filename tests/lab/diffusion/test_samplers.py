"""Samplers against exact flows: a Gaussian's is linear, a one-dimensional law's maps quantiles."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import ndtr

from byheart.errors import UsageError
from byheart.lab.diffusion import (
    AncestralSampler,
    CosineBeta,
    EmpiricalDenoiser,
    EulerSampler,
    GaussianDenoiser,
    GaussianMixtureDenoiser,
    HeunSampler,
    LinearBeta,
    LinearDenoiser,
    OneStepSampler,
    VarianceExploding,
)

MEAN = np.array([0.5, -1.0, 0.2])
VARIANCES = np.array([2.0, 0.5, 0.0])
AXES = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
COVARIANCE = AXES * VARIANCES @ AXES.T
GAUSSIAN = GaussianDenoiser(MEAN, COVARIANCE)

SCHEDULES = [
    VarianceExploding(0.1, 20.0),
    VarianceExploding(0.1, 20.0, power=7.0),
    LinearBeta(0.1, beta_min=0.1, beta_max=12.0),
    CosineBeta(0.1, 20.0),
]
STEPPING = [EulerSampler, HeunSampler, AncestralSampler]


def start(schedule, count, d, seed):
    return schedule.noise_levels(1)[0] * np.random.default_rng(seed).standard_normal((count, d))


def gaussian_flow(y, s_max, s_min):
    """End of the probability flow from y at s_max, for the Gaussian above."""
    shrink = np.sqrt((VARIANCES + s_min**2) / (VARIANCES + s_max**2))
    return MEAN + ((y - MEAN) @ AXES * shrink) @ AXES.T


def fitted_order(errors, steps):
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize(("kind", "order"), [(EulerSampler, 1), (HeunSampler, 2)])
def test_order_of_convergence_on_a_gaussian(kind, order, schedule):
    steps = np.array([128, 256, 512])
    exact = gaussian_flow(start(schedule, 50, 3, 1), schedule.noise_levels(1)[0], 0.1)
    errors = []
    for count in steps:
        result = kind(GAUSSIAN, schedule, int(count), "noise_floor").sample(
            50, np.random.default_rng(1)
        )
        errors.append(np.abs(result - exact).max())
    # The error is A h^p (1 + O(h)); at h below 1/128 of a path of log length 5 the second term
    # bends the fitted slope by less than 10%.
    assert fitted_order(errors, steps) == pytest.approx(order, rel=0.1)


@pytest.mark.parametrize(("kind", "order"), [(EulerSampler, 1), (HeunSampler, 2)])
def test_order_of_convergence_on_a_mixture(kind, order):
    """In one dimension the flow keeps order and probability: it maps quantile to quantile."""
    weights, means, variances = np.array([0.3, 0.7]), np.array([-1.0, 1.5]), np.array([0.2, 0.5])
    schedule = VarianceExploding(0.1, 10.0)
    model = GaussianMixtureDenoiser(weights, means[:, None], variances[:, None, None])

    def cumulative(y, s):
        return ndtr((y[:, None] - means) / np.sqrt(variances + s**2)) @ weights

    y = start(schedule, 60, 1, 2)[:, 0]
    target = cumulative(y, 10.0)
    low, high = np.full(60, -10.0), np.full(60, 10.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = cumulative(middle, 0.1) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    steps = np.array([64, 128, 256])
    errors = []
    for count in steps:
        sampler = kind(model, schedule, int(count), "noise_floor")
        errors.append(np.abs(sampler.sample(60, np.random.default_rng(2))[:, 0] - low).max())
    assert fitted_order(errors, steps) == pytest.approx(order, rel=0.15)


def ancestral_variances(levels):
    """Exact variances along the axes of the Gaussian after finitely many ancestral steps."""
    variances = np.full(3, levels[0] ** 2)
    for s, after in itertools.pairwise(levels):
        gain = VARIANCES / (VARIANCES + s**2)
        slope = gain + (after / s) ** 2 * (1 - gain)
        variances = slope**2 * variances + (after / s) ** 2 * (s**2 - after**2)
    return variances


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_ancestral_and_flow_agree_in_law(schedule):
    count, steps = 20_000, 300
    levels = schedule.noise_levels(steps)
    law = VARIANCES + levels[-1] ** 2
    ancestral = AncestralSampler(GAUSSIAN, schedule, steps, "noise_floor")
    flow = HeunSampler(GAUSSIAN, schedule, steps, "noise_floor")
    first = (ancestral.sample(count, np.random.default_rng(3)) - MEAN) @ AXES
    second = (flow.sample(count, np.random.default_rng(4)) - MEAN) @ AXES
    # Discretisation: known exactly for the ancestral one, and small; for Heun's below 1e-3.
    bias = np.abs(ancestral_variances(levels) / law - 1)
    assert bias.max() < 0.05
    # The start without the mean leaves an error |mu| f, f^2 = (lam + c)/(lam + s_max^2) in the
    # flow; in the ancestral chain it is forgotten faster. 3 axes, 4 schedules, 2 comparisons,
    # z = 4.5: false-alarm rate below 2e-4 in all.
    offset = np.linalg.norm(MEAN) * np.sqrt(law / (VARIANCES + levels[0] ** 2))
    gap = np.abs(first.mean(axis=0) - second.mean(axis=0))
    assert (gap < 4.5 * np.sqrt(2 * law / count) + 1.1 * offset).all()
    ratio = first.var(axis=0) / second.var(axis=0)
    start_error = VARIANCES / levels[0] ** 2
    noise = 4.5 * math.sqrt(2 * 2 / count)  # each variance has relative deviation sqrt(2/count)
    assert (np.abs(ratio - 1) < (1 + noise) * (1 + bias + 1e-3 + start_error) - 1).all()


def test_ancestral_follows_its_own_recursion_at_few_steps():
    schedule, count = VarianceExploding(0.1, 20.0), 40_000
    sampler = AncestralSampler(GAUSSIAN, schedule, 5, "noise_floor")
    result = (sampler.sample(count, np.random.default_rng(5)) - MEAN) @ AXES
    exact = ancestral_variances(schedule.noise_levels(5))
    # Relative deviation of a variance sqrt(2/count); z = 4.5 on 3 axes: false alarms below 3e-5.
    np.testing.assert_allclose(result.var(axis=0), exact, rtol=4.5 * math.sqrt(2 / count))


@pytest.mark.parametrize("n", [5, 30])
def test_linear_model_generates_its_gaussian_with_the_noise_floor(n):
    """The flow's map of standard noise to samples has the covariance Sigma_hat + c I."""
    points = np.random.default_rng(6).normal(size=(n, 8)) @ np.diag(np.linspace(0.2, 1.5, 8))
    s_min, s_max, d = 0.15, 500.0, 8
    sampler = HeunSampler(
        LinearDenoiser.fit(points), VarianceExploding(s_min, s_max), 1500, "noise_floor"
    )
    rng = np.random.default_rng(7)
    noise = np.random.default_rng(7).standard_normal((60, d))
    result = sampler.sample(60, rng)
    # Affine and exact: recover the map from more samples than unknowns.
    design = np.column_stack([np.ones(60), noise])
    solution, *_ = np.linalg.lstsq(design, result, rcond=None)
    np.testing.assert_allclose(design @ solution, result, atol=1e-9)
    offset, linear = solution[0], solution[1:].T
    covariance = np.cov(points.T) + s_min**2 * np.eye(d)
    # Heun with log step h = log(s_max/s_min)/1500 = .0054: error of order h^2 = 3e-5 a unit of
    # log length (8). Start: relative lam/s_max^2 < 1e-5, and |xbar| sqrt(3)/s_max < 4e-3.
    np.testing.assert_allclose(linear @ linear.T, covariance, atol=1e-3)
    np.testing.assert_allclose(offset, points.mean(axis=0), atol=5e-3)


@pytest.mark.parametrize("kind", STEPPING)
@pytest.mark.parametrize("s_min", [1e-2, 1e-3, 1e-4])
def test_empirical_denoiser_ends_on_training_points(kind, s_min):
    points = np.random.default_rng(8).normal(size=(10, 4))
    schedule = VarianceExploding(s_min, 50.0)
    for finish in ("noise_floor", "posterior_mean"):
        sampler = kind(EmpiricalDenoiser(points), schedule, 60, finish)
        result = sampler.sample(200, np.random.default_rng(9))
        distances = np.sqrt(((result[:, None] - points) ** 2).sum(axis=2)).min(axis=1)
        # The floor leaves s_min times a chi_4, here at most 6 (Euler: the residual shrinks by
        # s'/s a step, from at most chi_4 too); the posterior mean is a point up to the weight
        # of the others, exp(-gap^2 / (2 s^2)) < 1e-300 for these points.
        assert distances.max() < (6 * s_min if finish == "noise_floor" else 1e-12)


def test_empirical_denoiser_visits_all_points_alike():
    points, count = np.random.default_rng(10).normal(size=(8, 2)), 4000
    sampler = HeunSampler(
        EmpiricalDenoiser(points), VarianceExploding(0.01, 100.0), 150, "posterior_mean"
    )
    result = sampler.sample(count, np.random.default_rng(11))
    nearest = ((result[:, None] - points) ** 2).sum(axis=2).argmin(axis=1)
    counts = np.bincount(nearest, minlength=8)
    # Multinomial with 1/8 each: z = 4 over 8 cells, false alarms below 1e-3 (seed fixed), plus
    # the start's error: it moves densities by about |mean|/s_max, at most 2%.
    share = 1 / 8
    assert np.abs(counts / count - share).max() < (
        4 * math.sqrt(share * (1 - share) / count) + 0.02 * share
    )


@pytest.mark.parametrize("kind", STEPPING)
def test_finish_is_one_call_of_the_denoiser(kind):
    schedule = VarianceExploding(0.3, 20.0)
    floor = kind(GAUSSIAN, schedule, 10, "noise_floor").sample(7, np.random.default_rng(12))
    mean = kind(GAUSSIAN, schedule, 10, "posterior_mean").sample(7, np.random.default_rng(12))
    np.testing.assert_array_equal(mean, GAUSSIAN.mean(floor, schedule.noise_levels(1)[-1]))


def test_one_step_is_the_posterior_mean_of_the_first_noise():
    schedule = CosineBeta(0.1, 2.0)
    result = OneStepSampler(GAUSSIAN, schedule).sample(9, np.random.default_rng(13))
    s_max = float(schedule.noise_levels(1)[0])
    np.testing.assert_array_equal(result, GAUSSIAN.mean(start(schedule, 9, 3, 13), s_max))


@pytest.mark.parametrize("kind", STEPPING)
def test_same_generator_state_same_samples(kind):
    sampler = kind(GAUSSIAN, VarianceExploding(0.3, 20.0), 5, "noise_floor")
    first, again, other = (sampler.sample(4, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).any()


@pytest.mark.parametrize("kind", STEPPING)
@pytest.mark.parametrize(
    ("steps", "finish", "count"),
    [(0, "noise_floor", 3), (2.5, "noise_floor", 3), (3, "mean", 3), (3, "noise_floor", 0)],
)
def test_refuses(kind, steps, finish, count):
    with pytest.raises(UsageError) as caught:
        kind(GAUSSIAN, VarianceExploding(0.3, 20.0), steps, finish).sample(
            count, np.random.default_rng(0)
        )
    assert "\n" not in str(caught.value)
