import math

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.diffusion import CosineBeta, DiscreteBeta, LinearBeta, VarianceExploding

SCHEDULES = [
    VarianceExploding(0.02, 30.0),
    VarianceExploding(0.02, 30.0, power=7.0),
    LinearBeta(0.02),
    LinearBeta(0.02, beta_min=5.0, beta_max=5.0),
    CosineBeta(0.02, 30.0),
    CosineBeta(1e-5, 30.0, offset=0.0),
    DiscreteBeta(401, 4e-4, 0.02),  # 400 steps: 50, 20 and 10 of them divide it
]
EVERY = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


@EVERY
def test_levels_fall_from_first_to_floor(schedule):
    levels = schedule.noise_levels(50)
    assert levels.shape == (51,)
    assert (np.diff(levels) < 0).all()
    # The inverse of s(u) and s(u) itself each round a few times; near s_min the linear schedule
    # takes expm1 of log1p(s_min^2), whose relative error stays of the order of 2^-53.
    floor = 0.0004**0.5 / 0.9996**0.5 if isinstance(schedule, DiscreteBeta) else schedule.s_min
    assert levels[-1] == pytest.approx(floor, rel=1e-9)
    np.testing.assert_allclose(schedule.noise_level(np.linspace(1, 0, 51)), levels, rtol=1e-12)


@EVERY
def test_doubling_the_steps_keeps_every_other_level(schedule):
    np.testing.assert_allclose(schedule.noise_levels(20)[::2], schedule.noise_levels(10), rtol=1e-9)


def test_geometric_is_the_limit_of_powers():
    geometric = VarianceExploding(0.02, 30.0).noise_levels(9)
    assert np.diff(np.log(geometric)) == pytest.approx(np.full(9, math.log(0.02 / 30) / 9))
    # (1 + z/p)^p = exp(z) (1 + O(z^2/p)) with |z| at most log(1500) = 7.3: error below 60/p.
    np.testing.assert_allclose(
        VarianceExploding(0.02, 30.0, power=1e6).noise_levels(9), geometric, rtol=1e-4
    )


def test_linear_beta_is_the_limit_of_discrete_ddpm():
    # alpha of K discrete steps, prod sqrt(1 - b_k), tends to exp(-int beta / 2); the difference
    # of the logs is sum b_k^2 / 4 + O(1/K): below 20^2 / (4 K) + 20 / (2 K) = 1.1e-3.
    count = 100_000
    betas = np.linspace(0.1, 20.0, count) / count
    alpha = np.exp(0.5 * np.log1p(-betas).sum())
    first = LinearBeta(0.02).noise_levels(1)[0]
    assert first == pytest.approx(math.sqrt(1 / alpha**2 - 1), rel=2e-3)


def test_linear_beta_is_linear_in_log_alpha_second_differences():
    # log(1 + s^2) is a quadratic in u, and u is linear in time: third differences vanish.
    area = np.log1p(LinearBeta(0.02).noise_levels(30) ** 2)
    assert np.abs(np.diff(area, 3)).max() < 1e-10 * area.max()


def test_cosine_alpha_is_a_cosine():
    levels = CosineBeta(0.02, 30.0).noise_levels(30)
    start = (math.pi / 2) * 0.008 / 1.008
    angle = np.arccos(math.cos(start) / np.sqrt(1 + levels**2))
    assert np.diff(angle, 2) == pytest.approx(np.zeros(29), abs=1e-12)


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_discrete_beta_is_the_product_of_its_steps(scale):
    chain = DiscreteBeta(200, 1e-4, 0.02, scale)
    products = np.cumprod(1 - np.linspace(1e-4, 0.02, 200))[::-1]
    # A product of k factors rounds by k 2^-53; at k = 1, 1/(1 - 1e-4) - 1 magnifies that by 1e4.
    levels = chain.noise_levels(199)
    np.testing.assert_allclose(levels, scale * np.sqrt(1 / products - 1), rtol=1e-11)
    np.testing.assert_allclose(1 / (1 + (levels / scale) ** 2), products, rtol=200 * 2**-52)
    np.testing.assert_allclose([chain.step(s) for s in levels], np.arange(200, 0, -1), rtol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 7, 50, 150, 198])
def test_discrete_beta_takes_a_subsequence(steps):
    chain = DiscreteBeta()
    levels = chain.noise_levels(steps)
    assert len(levels) == steps + 1
    assert (np.diff(levels) < 0).all()
    every = chain.noise_levels(199)
    assert set(levels) <= set(every)
    assert (levels[0], levels[-1]) == (every[0], every[-1])


def test_a_step_between_two_lies_between_them():
    chain = DiscreteBeta(scale=2.0)
    above, below = chain.noise_levels(199)[100:102]
    # log(1 + (s/v)^2) is linear in the step: half a step is the geometric mean of 1 + (s/v)^2.
    middle = 2 * math.sqrt(math.sqrt((1 + above**2 / 4) * (1 + below**2 / 4)) - 1)
    assert chain.step(middle) == pytest.approx(99.5, rel=1e-9)


@pytest.mark.parametrize("s", [0.0, 0.0099, 2.57, math.nan])
def test_discrete_beta_knows_no_step_outside_of_its_chain(s):
    with pytest.raises(UsageError, match="noise_level"):
        DiscreteBeta().step(s)


@pytest.mark.parametrize(
    "build",
    [
        lambda: VarianceExploding(1.0, 1.0),
        lambda: VarianceExploding(0.0, 1.0),
        lambda: VarianceExploding(0.1, math.inf),
        lambda: VarianceExploding(0.1, 1.0, power=0.0),
        lambda: LinearBeta(1000.0),
        lambda: LinearBeta(0.1, beta_min=2.0, beta_max=1.0),
        lambda: CosineBeta(2.0, 1.0),
        lambda: CosineBeta(0.1, 1.0, offset=-0.1),
        lambda: DiscreteBeta(1),
        lambda: DiscreteBeta(beta_first=0.0),
        lambda: DiscreteBeta(beta_first=0.03),
        lambda: DiscreteBeta(beta_last=1.0),
        lambda: DiscreteBeta(scale=0.0),
        lambda: DiscreteBeta().noise_levels(200),
        lambda: VarianceExploding(0.1, 1.0).noise_levels(0),
        lambda: VarianceExploding(0.1, 1.0).noise_levels(2.5),
    ],
)
def test_refuses(build):
    with pytest.raises(UsageError) as caught:
        build()
    assert "\n" not in str(caught.value)
