import math

import numpy as np
import pytest

from byheart.diffusion import CosineBeta, LinearBeta, VarianceExploding
from byheart.errors import UsageError

SCHEDULES = [
    VarianceExploding(0.02, 30.0),
    VarianceExploding(0.02, 30.0, power=7.0),
    LinearBeta(0.02),
    LinearBeta(0.02, beta_min=5.0, beta_max=5.0),
    CosineBeta(0.02, 30.0),
    CosineBeta(1e-5, 30.0, offset=0.0),
]
EVERY = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


@EVERY
def test_levels_fall_from_first_to_floor(schedule):
    levels = schedule.noise_levels(50)
    assert levels.shape == (51,)
    assert (np.diff(levels) < 0).all()
    # The inverse of s(u) and s(u) itself each round a few times; near s_min the linear schedule
    # takes expm1 of log1p(s_min^2), whose relative error stays of the order of 2^-53.
    assert levels[-1] == pytest.approx(schedule.s_min, rel=1e-9)


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
        lambda: VarianceExploding(0.1, 1.0).noise_levels(0),
        lambda: VarianceExploding(0.1, 1.0).noise_levels(2.5),
    ],
)
def test_refuses(build):
    with pytest.raises(UsageError) as caught:
        build()
    assert "\n" not in str(caught.value)
