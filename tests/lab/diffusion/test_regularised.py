"""Regularised denoisers: the contract, Tweedie's formula, and the formulas of the module."""

import itertools
import math

import contract
import numpy as np
import pytest
from scipy.special import chdtr, chdtri, ndtr

from byheart.errors import InputError, UsageError
from byheart.lab.diffusion import (
    AncestralSampler,
    Denoiser,
    EmpiricalBayesDenoiser,
    EmpiricalDenoiser,
    EulerSampler,
    HeunSampler,
    KernelSmoothedDenoiser,
    Start,
    TikhonovDenoiser,
    VarianceExploding,
)

POINTS = np.random.default_rng(1).normal(size=(7, 2)) * [1.0, 0.5] + [0.5, -1.0]
CASES = {
    "tikhonov": TikhonovDenoiser(POINTS, 0.3),
    "empirical Bayes": EmpiricalBayesDenoiser(POINTS, -0.7),
}
EVERY = pytest.mark.parametrize("denoiser", CASES.values(), ids=CASES.keys())


@EVERY
def test_keeps_the_contract(denoiser: Denoiser):
    assert denoiser.dimension == 2
    contract.rows_do_not_depend_on_each_other(denoiser, 0.7, 1e-12)
    contract.does_not_change_its_argument(denoiser, 0.7)
    contract.refuses_another_shape(denoiser, 1.0)
    contract.refuses_another_noise_level(denoiser)


def kernels(y, s):
    return np.exp(-((y[:, None] - POINTS) ** 2).sum(axis=2) / (2 * s**2))


@pytest.mark.parametrize("s", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("constant", [0.01, 2.0])
def test_tikhonov_is_its_formula(s, constant):
    y = np.random.default_rng(2).uniform(-2, 2, size=(12, 2))
    k = kernels(y, s)
    m = k @ POINTS / k.sum(axis=1, keepdims=True)
    score = (m - y) / (s**2 + constant)
    found = TikhonovDenoiser(POINTS, constant).mean(y, s)
    np.testing.assert_allclose(found, y + s**2 * score, atol=1e-11)


@pytest.mark.parametrize("s", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("log_threshold", [-9.0, -1.0, 1.0])
def test_empirical_bayes_is_its_formula(s, log_threshold):
    y = np.random.default_rng(2).uniform(-2, 2, size=(12, 2))
    k = kernels(y, s)
    mass = k.sum(axis=1, keepdims=True)
    score = (k @ POINTS - mass * y) / (s**2 * np.maximum(mass, math.exp(log_threshold)))
    found = EmpiricalBayesDenoiser(POINTS, log_threshold).mean(y, s)
    np.testing.assert_allclose(found, y + s**2 * score, atol=1e-11)


@pytest.mark.parametrize("s", [0.05, 0.5, 5.0])
def test_without_regularisation_they_are_the_empirical_one(s):
    y = np.random.default_rng(3).normal(size=(11, 2))
    empirical = EmpiricalDenoiser(POINTS).mean(y, s)
    # the share differs from 1 by c/s^2 <= 4e-12, the estimate by that times |m - y| < 4
    found = TikhonovDenoiser(POINTS, 1e-14).mean(y, s)
    np.testing.assert_allclose(found, empirical, atol=2e-11)
    # K is at least exp(-16/(2 * .05^2)) = exp(-3200)
    np.testing.assert_array_equal(EmpiricalBayesDenoiser(POINTS, -1e4).mean(y, s), empirical)


def test_a_threshold_of_many_dimensions_needs_its_log():
    d = 4000  # tau = exp(-2000) is no floating point number
    y = np.full((1, d), 1.0)
    for log_threshold, expected in [(-1999.0, 1 - math.exp(-1)), (-2001.0, 0.0)]:
        found = EmpiricalBayesDenoiser(np.zeros((1, d)), log_threshold).mean(y, 1.0)
        # log K = -d/2 exactly
        np.testing.assert_allclose(found, expected, atol=1e-9)


def path(denoiser, start, levels, steps):
    """Positions at each of `levels`, from `start` at the first one, by Heun's steps between."""
    y, positions = start, [start]
    for s, s_next in itertools.pairwise(levels):
        sampler = HeunSampler(denoiser, VarianceExploding(s_next, s), steps, finish="noise_floor")
        fine = sampler.schedule.noise_levels(steps)
        for a, b in itertools.pairwise(fine):
            y = sampler._step(y, a, b, np.random.default_rng(0))
        positions.append(y)
    return np.array(positions)


def test_collapse_is_proportional_to_the_noise_level():
    """|x(s) - x*| = O(s), x* a training point or, from a start on one, on a Voronoi face."""
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    start = 40 * np.random.default_rng(4).normal(size=(200, 2))
    start[:3] = [[0.0, 30.0], [-25.0, 0.0], [0.0, 0.0]]  # symmetric: on faces, and on a vertex
    levels = 40 * 2.0 ** -np.arange(0.0, 15.0)  # down to .0024
    positions = path(EmpiricalDenoiser(square), start, levels, 30)
    ends = positions[-1]
    limits = square[((ends[:, None] - square) ** 2).sum(axis=2).argmin(axis=1)].copy()
    limits[:3] = [[0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]]
    gaps = np.linalg.norm(positions - limits, axis=2)
    late = gaps[-5:-1]
    assert np.abs(positions[:, 0, 0]).max() < 1e-15  # it has not left its face
    assert np.abs(gaps[:, 2]).max() < 1e-15
    moving = np.arange(200) != 2
    rates = np.log2(late[:-1, moving] / late[1:, moving])
    # Below s = .04 the other points weigh less than exp(-1/(2 * .04^2)) unless a path has come
    # within .01 of a face. Heun's relative error in 90 steps of ratio 2^(1/30) is below 1e-3.
    assert np.abs(np.median(rates) - 1) < 1e-3
    assert (np.abs(rates - 1) < 0.01).mean() > 0.97
    assert (gaps[-1] < 5 * levels[-1]).all()


def mixture_cdf(x, points, s):
    return ndtr((x[:, None] - points) / s).mean(axis=1)


@pytest.mark.parametrize("stop", [0.1, 0.6])
def test_stopping_is_the_kernel_density(stop):
    """In one dimension a flow that carries laws carries quantiles: F_stop(end) = F_start(start)."""
    points = np.array([-1.0, 0.2, 1.5])
    start = np.linspace(-90, 90, 61)[:, None]
    levels = np.array([40.0, stop])
    kernel = KernelSmoothedDenoiser(points[:, None], stop)
    high = math.sqrt(levels[0] ** 2 - stop**2)
    stopped = path(EmpiricalDenoiser(points[:, None]), start, levels, 2000)[-1]
    smoothed = path(kernel, start, np.array([high, 1e-3 * stop]), 2000)[-1]
    expected = mixture_cdf(start[:, 0], points, levels[0])
    # Heun: second order, 2,000 steps of relative size .003; a density of at most 1/(.1 * 2.5 * 3)
    np.testing.assert_allclose(mixture_cdf(stopped[:, 0], points, stop), expected, atol=1e-4)
    np.testing.assert_allclose(mixture_cdf(smoothed[:, 0], points, stop), expected, atol=1e-4)
    np.testing.assert_allclose(smoothed, stopped, atol=1e-3)


@pytest.mark.parametrize("constant", [0.01, 1.0, 25.0])
@pytest.mark.parametrize("finish", ["noise_floor", "posterior_mean"])
@pytest.mark.parametrize("make", [EulerSampler, HeunSampler])
def test_tikhonov_of_one_point_has_its_variance(constant, finish, make):
    s_max, s_min = 10.0, 1e-3 * math.sqrt(constant)
    schedule = VarianceExploding(s_min, s_max)
    steps = 400 if make is HeunSampler else 4000
    sampler = make(TikhonovDenoiser(np.zeros((1, 3)), constant), schedule, steps, finish=finish)
    found = sampler.sample(50, np.random.default_rng(5))
    start = s_max * np.random.default_rng(5).standard_normal((50, 3))
    ratio = math.sqrt(constant / (s_max**2 + constant))
    # s_min^2/c = 1e-6; the steps: log(s_max/s_min) = 12 over 400 (squared) or 4,000 of them
    np.testing.assert_allclose(found, ratio * start, rtol=4e-3)


@pytest.mark.parametrize("constant", [0.5, 25.0])
def test_tikhonov_backwards_along_the_chain(constant):
    s_max, count = 10.0, 40_000
    schedule = VarianceExploding(0.02 * math.sqrt(constant), s_max)
    denoiser = TikhonovDenoiser(np.zeros((1, 1)), constant)
    sampler = AncestralSampler(denoiser, schedule, 600, finish="noise_floor")
    found = sampler.sample(count, np.random.default_rng(6)).var()
    expected = constant * (1 - (constant / (s_max**2 + constant)) ** 2)
    # 4 standard errors of a variance: 4 sqrt(2/40,000) = .028; steps of .01 in log s: about .01
    assert found == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("d", [4, 16, 64])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_empirical_bayes_of_one_point_collapses_with_its_share(d, share):
    log_threshold = -float(chdtri(d, 1 - share)) / 2
    assert chdtr(d, -2 * log_threshold) == pytest.approx(share)
    s_max, s_min, count = 10.0, 1e-5, 1500
    sampler = HeunSampler(
        EmpiricalBayesDenoiser(np.full((1, d), 3.0), log_threshold),
        VarianceExploding(s_min, s_max),
        400,
        finish="posterior_mean",
        start=Start(mean=3.0),
    )
    gaps = np.linalg.norm(sampler.sample(count, np.random.default_rng(7)) - 3.0, axis=1)
    noise = np.random.default_rng(7).standard_normal((count, d))
    squares = (noise**2).sum(axis=1)
    collapsed = gaps < 1e-6
    # Point by point. Just outside, u^2 + 2 log tau grows like s^-(u^2): at d = 4, share .2, where
    # u^2 is 1.6, by 1e10; Heun's steps move u by less than 1e-3 where a = 1.
    clear = np.abs(squares + 2 * log_threshold) > 0.01 * squares
    np.testing.assert_array_equal(collapsed[clear], (squares < -2 * log_threshold)[clear])
    # 4.5 standard errors: a false alarm in 1e-5 of seeds
    assert abs(collapsed.mean() - share) < 4.5 * math.sqrt(share * (1 - share) / count) + 0.02


def test_the_threshold_scales_as_half_the_dimension():
    """Half of the samples collapse at log tau = -d/2 (1 + O(1/d))."""
    for d in (16, 256, 4096):
        half = -float(chdtri(d, 0.5)) / 2
        assert half / (-d / 2) == pytest.approx(1, abs=1 / d)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: TikhonovDenoiser(POINTS, 0.0), UsageError, "constant"),
        (lambda: TikhonovDenoiser([[math.nan]], 1.0), InputError, "row 0, column 0"),
        (lambda: EmpiricalBayesDenoiser(POINTS, math.nan), UsageError, "log_threshold must be fin"),
        (lambda: EmpiricalBayesDenoiser(np.zeros(3), 0.0), InputError, "reshape"),
    ],
)
def test_refuses_unusable_arguments(build, error, message):
    with pytest.raises(error, match=message):
        build()
