"""Samplers: from noise to data along a schedule of noise levels, with any denoiser.

Symbols: y = x + s eta, noise level s, D(y, s) = y + s^2 score the denoiser, rho_s the law of y; D
is E[x | y] where the score is that of rho_s, and for other scores (`regularised`) every line below
holds with the score for grad log rho_s, but for what it says of the law of y at each level. All
samplers start from pure noise y ~ N(0, s_max^2 I), or another law of `byheart.lab.diffusion.start`,
and step from s to the next lower level s'.

Probability flow. The laws rho_s are carried along by the ordinary differential equation
(Song et al. 2021, eq. 13, in the noise level as time; score by Tweedie's formula)

    dy/ds = -s grad log rho_s(y) = [y - D(y, s)] / s.

* Euler: y' = y + (s' - s) [y - D(y, s)]/s = D + (s'/s) (y - D). This is DDIM (Song, Meng and
  Ermon 2021, eq. 12, in these variables). Error of first order in 1/steps.
* Heun: the mean of the slopes at both ends of Euler's step. Second order, two calls a step.

Ancestral (DDPM, Ho et al. 2020, eq. 7). If x were D, Bayes' rule on the chain x -> y' -> y, whose
second part adds noise of variance s^2 - s'^2, gives

    y' | y, x = D  ~  N( D + (s'/s)^2 (y - D),  (s'/s)^2 (s^2 - s'^2) I ).

All of them have the same law of y at every level as steps -> inf.

One step: x = D(y, s_max), the posterior mean straight away.

The end. At the last level s_min the samples have the law rho_{s_min} = rho * N(0, s_min^2 I): a
noise floor of variance c = s_min^2 lies on the data, by design. `finish` says what is returned:

* "noise_floor": y itself. A linear denoiser then generates N(xbar, Sigma_hat + c I).
* "posterior_mean": D(y, s_min). Noise is removed, and with it variance: a Gaussian's eigenvalue
  lam comes out as lam^2/(lam + c). The empirical denoiser returns training points.

The start. Pure noise is not quite rho_{s_max}. For a Gaussian prior N(mu, C) the flow is linear:
the result has mean mu (1 - f) and variance f^2 s_max^2 along an axis of variance lam, with
f^2 = (lam + c)/(lam + s_max^2), instead of mu and lam + c; the relative errors are f and
lam/s_max^2. So s_max is to be chosen well above both |mu| and the spread of the data, or `start`
to be given the data's mean and deviation.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import UsageError
from byheart.lab.diffusion.denoisers import Denoiser
from byheart.lab.diffusion.schedules import Schedule
from byheart.lab.diffusion.start import PURE_NOISE, Start

Array = NDArray[np.float64]
Finish = Literal["noise_floor", "posterior_mean"]


class Sampler(ABC):
    """Draws samples of the law that a denoiser stands for, or that its score leads to."""

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return (count, d) samples. The same generator state gives the same initial noise.

        Raises UsageError unless count is a whole number of at least 1.
        """


@dataclass(frozen=True)
class _SteppingSampler(Sampler):
    """The loop that all many-step samplers share.

    denoiser, schedule: the model and its noise levels. steps: how many, at least 1.
    finish: "noise_floor" or "posterior_mean", see the module's introduction.
    start: the law of the first point, see `Start`.
    Raises UsageError for other values.
    """

    denoiser: Denoiser
    schedule: Schedule
    steps: int
    finish: Finish
    start: Start = PURE_NOISE

    def __post_init__(self) -> None:
        _check.integer(self.steps, "steps", 1)
        if self.finish not in get_args(Finish):
            raise UsageError(
                f"finish must be 'noise_floor' or 'posterior_mean', got {self.finish!r}"
            )

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return (count, d) samples; see `Sampler.sample`."""
        levels = self.schedule.noise_levels(self.steps).tolist()
        count = _check.integer(count, "count", 1)
        y = self.start.draw(count, self.denoiser.dimension, levels[0], rng)
        for s, s_next in itertools.pairwise(levels):
            y = self._step(y, s, s_next, rng)
        return self.denoiser.mean(y, levels[-1]) if self.finish == "posterior_mean" else y

    @abstractmethod
    def _step(self, y: Array, s: float, s_next: float, rng: np.random.Generator) -> Array:
        """Return y at noise level s_next from y at noise level s."""


@final
@dataclass(frozen=True)
class EulerSampler(_SteppingSampler):
    """Deterministic probability flow, Euler's steps: DDIM. One call of the denoiser a step.

    denoiser, schedule: the model and its noise levels. steps: how many, at least 1.
    finish: "noise_floor" or "posterior_mean", see the module's introduction.
    start: the law of the first point, see `Start`.
    Raises UsageError for other values. Source: Song, Meng and Ermon 2021, eq. 12.

    >>> from byheart.lab.diffusion import GaussianDenoiser, VarianceExploding
    >>> model = GaussianDenoiser([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    >>> sampler = EulerSampler(model, VarianceExploding(0.1, 50.0), 20, finish="noise_floor")
    >>> sampler.sample(5, np.random.default_rng(0)).shape
    (5, 2)
    """

    def _step(self, y: Array, s: float, s_next: float, rng: np.random.Generator) -> Array:
        estimate = self.denoiser.mean(y, s)
        return estimate + (s_next / s) * (y - estimate)


@final
@dataclass(frozen=True)
class HeunSampler(_SteppingSampler):
    """Deterministic probability flow, Heun's steps: second order, two calls a step.

    denoiser, schedule: the model and its noise levels. steps: how many, at least 1.
    finish: "noise_floor" or "posterior_mean", see the module's introduction.
    start: the law of the first point, see `Start`.
    Raises UsageError for other values. Source: Karras et al. 2022, algorithm 1, which takes an
    Euler step to s = 0 at the end; here the last level is s_min and `finish` says what follows.

    >>> from byheart.lab.diffusion import EmpiricalDenoiser, VarianceExploding
    >>> model = EmpiricalDenoiser([[0.0], [1.0]])
    >>> sampler = HeunSampler(model, VarianceExploding(0.01, 9.0), 20, finish="posterior_mean")
    >>> sorted(set(sampler.sample(20, np.random.default_rng(0)).ravel().round(6).tolist()))
    [0.0, 1.0]
    """

    def _step(self, y: Array, s: float, s_next: float, rng: np.random.Generator) -> Array:
        slope = (y - self.denoiser.mean(y, s)) / s
        predicted = y + (s_next - s) * slope
        slope_next = (predicted - self.denoiser.mean(predicted, s_next)) / s_next
        return y + (s_next - s) * (slope + slope_next) / 2


@final
@dataclass(frozen=True)
class AncestralSampler(_SteppingSampler):
    """Stochastic sampling backwards along the noising chain: DDPM.

    denoiser, schedule: the model and its noise levels. steps: how many, at least 1.
    finish: "noise_floor" or "posterior_mean", see the module's introduction.
    start: the law of the first point, see `Start`.
    Raises UsageError for other values. Source: Ho et al. 2020, eq. 7.

    >>> from byheart.lab.diffusion import GaussianDenoiser, LinearBeta
    >>> model = GaussianDenoiser([0.0], [[1.0]])
    >>> sampler = AncestralSampler(model, LinearBeta(0.01), 50, finish="posterior_mean")
    >>> sampler.sample(3, np.random.default_rng(0)).shape
    (3, 1)
    """

    def _step(self, y: Array, s: float, s_next: float, rng: np.random.Generator) -> Array:
        estimate = self.denoiser.mean(y, s)
        ratio = s_next / s
        spread = ratio * math.sqrt((s - s_next) * (s + s_next))
        mean: Array = estimate + ratio**2 * (y - estimate)
        return mean + spread * rng.standard_normal(y.shape)


@final
@dataclass(frozen=True)
class OneStepSampler(Sampler):
    """The posterior mean of noise at the schedule's first level, in a single step.

    denoiser, schedule: the model and its noise levels, of which only the first is used.
    start: the law of the noise, see `Start`.
    Source: the one-step generation of arXiv 2411.17807.

    >>> from byheart.lab.diffusion import GaussianDenoiser, VarianceExploding
    >>> sampler = OneStepSampler(GaussianDenoiser([0.0], [[1.0]]), VarianceExploding(0.1, 1.0))
    >>> sampler.sample(3, np.random.default_rng(0)).shape
    (3, 1)
    """

    denoiser: Denoiser
    schedule: Schedule
    start: Start = PURE_NOISE

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return (count, d) samples; see `Sampler.sample`."""
        count = _check.integer(count, "count", 1)
        first = float(self.schedule.noise_levels(1)[0])
        y = self.start.draw(count, self.denoiser.dimension, first, rng)
        return self.denoiser.mean(y, first)
