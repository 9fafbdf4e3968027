"""Noise schedules: which noise levels a sampler visits.

One convention holds in the whole package. A noisy point is

    y = x + s eta,    eta ~ N(0, I_d),

and `s` is its *noise level* (a standard deviation, in the units of the data). A schedule is a
decreasing path s(t) of noise levels, t = 1 (nearly pure noise) to t = 0 (the noise floor s_min).

Variance exploding: s(t) itself is given.

    s(t) = [s_min^(1/p) + t (s_max^(1/p) - s_min^(1/p))]^p      (Karras et al. 2022, eq. 5)

The limit p -> inf is geometric spacing, s(t) = s_min (s_max / s_min)^t.

Variance preserving: the process is z = alpha x + sqrt(1 - alpha^2) eta, with alpha falling in a
time u from 1 (at u = 0) to nearly 0 (at u = 1). Dividing by alpha gives the convention above:

    y = z / alpha,    s = sqrt(1/alpha^2 - 1),    alpha = 1 / sqrt(1 + s^2).

So a variance-preserving schedule is a spacing of noise levels too, no sampler has to know alpha,
and a network that expects z is called with z = y / sqrt(1 + s^2). Schedule time t is u cut to
[u(s_min), u(s_max)] and stretched to [0, 1], where u(s) is the inverse of s(u).

    linear beta: beta(u) = beta_min + u (beta_max - beta_min),
                 log(1 + s^2) = int_0^u beta = beta_min u + (beta_max - beta_min) u^2 / 2
    cosine:      alpha = cos(a) / cos(a_0),  a = (pi/2) (u + o)/(1 + o),  a_0 = a at u = 0,
                 s^2 = sin(a - a_0) sin(a + a_0) / cos(a)^2

Discrete beta (DDPM itself): a chain of K noising steps with betas b_1 .. b_K, evenly spaced,

    alphabar_k = alpha_k^2 = prod_{j<=k} (1 - b_j),    s_k = v sqrt(1/alphabar_k - 1),

k = 1 .. K, for data standardised by the deviation v. Between the steps log(1 + (s/v)^2), that is
-log alphabar, is interpolated linearly: a noise level has a fractional step, and time is the step
stretched to [0, 1].

(linear: Ho et al. 2020, in the continuous time of Song et al. 2021, eq. 32; cosine: Nichol and
Dhariwal 2021, eq. 17, o = 0.008). The last line avoids the cancellation of cos^2 a_0 - cos^2 a.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.errors import UsageError

Array = NDArray[np.float64]


class Schedule(ABC):
    """A decreasing path of noise levels. Subclasses say where it is at time t."""

    @abstractmethod
    def noise_level(self, time: Array) -> Array:
        """Return s(t) for times in [0, 1]: any shape in, the same shape out; increasing in t."""

    def noise_levels(self, steps: int) -> Array:
        """Return the (steps + 1,) noise levels from s(1) down to s(0), evenly spaced in time.

        Raises UsageError unless steps is a whole number of at least 1.

        >>> VarianceExploding(0.01, 100.0).noise_levels(4).round(6).tolist()
        [100.0, 10.0, 1.0, 0.1, 0.01]
        """
        steps = _check.integer(steps, "steps", 1)
        return self.noise_level(np.linspace(1.0, 0.0, steps + 1))


@final
@dataclass(frozen=True)
class VarianceExploding(Schedule):
    """Power-law spacing between two noise levels; geometric when power is infinite.

    s_min, s_max: last and first noise level, in the units of the data, 0 < s_min < s_max.
    power: p of Karras et al. 2022, eq. 5 (they advise 7); larger puts more steps at low noise.
    Raises UsageError for values outside of these.

    >>> VarianceExploding(1.0, 9.0, power=2.0).noise_levels(2).round(6).tolist()
    [9.0, 4.0, 1.0]
    """

    s_min: float
    s_max: float
    power: float = math.inf

    def __post_init__(self) -> None:
        _check_range(self.s_min, self.s_max)
        if self.power != math.inf:
            _check.positive(self.power, "power")

    def noise_level(self, time: Array) -> Array:
        """Return s(t); see the class."""
        if self.power == math.inf:
            low, high = math.log(self.s_min), math.log(self.s_max)
            return np.asarray(np.exp((1 - time) * low + time * high), dtype=np.float64)
        low, high = self.s_min ** (1 / self.power), self.s_max ** (1 / self.power)
        return np.asarray(((1 - time) * low + time * high) ** self.power, dtype=np.float64)


@final
@dataclass(frozen=True)
class LinearBeta(Schedule):
    """Variance-preserving schedule with linear beta (DDPM), from noise level s_min to u = 1.

    s_min: last noise level. beta_min, beta_max: rates per unit of u, 0 < beta_min <= beta_max;
    K discrete steps with betas b_1 .. b_K correspond to beta_min = K b_1, beta_max = K b_K.
    Raises UsageError for values outside of these or an s_min above the first noise level.

    >>> LinearBeta(0.01).noise_levels(2).round(3).tolist()
    [152.167, 3.421, 0.01]
    """

    s_min: float
    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        _check.positive(self.beta_min, "beta_min")
        if _check.positive(self.beta_max, "beta_max") < self.beta_min:
            raise UsageError(
                f"beta_max must be at least beta_min = {self.beta_min}, got {self.beta_max}"
            )
        _check_range(self.s_min, math.sqrt(math.expm1((self.beta_min + self.beta_max) / 2)))

    def noise_level(self, time: Array) -> Array:
        """Return s(t); see the class."""
        slope = self.beta_max - self.beta_min
        area = math.log1p(self.s_min**2)
        # The root of slope u^2/2 + beta_min u = area that survives slope = 0.
        first = 2 * area / (self.beta_min + math.sqrt(self.beta_min**2 + 2 * slope * area))
        u = (1 - time) * first + time
        return np.asarray(np.sqrt(np.expm1(self.beta_min * u + slope * u**2 / 2)), dtype=np.float64)


@final
@dataclass(frozen=True)
class CosineBeta(Schedule):
    """Variance-preserving schedule with alpha a cosine, between two noise levels.

    s_min, s_max: last and first noise level, 0 < s_min < s_max (alpha is 0 at u = 1, so s_max
    has to be chosen). offset: o above, not negative.
    Raises UsageError for values outside of these.

    >>> CosineBeta(0.01, 100.0).noise_levels(2).round(3).tolist()
    [100.0, 1.006, 0.01]
    """

    s_min: float
    s_max: float
    offset: float = 0.008

    def __post_init__(self) -> None:
        _check_range(self.s_min, self.s_max)
        if self.offset != 0:
            _check.positive(self.offset, "offset")

    def noise_level(self, time: Array) -> Array:
        """Return s(t); see the class."""
        start = (math.pi / 2) * self.offset / (1 + self.offset)
        low, high = (self._angle(s, start) for s in (self.s_min, self.s_max))
        a = (1 - time) * low + time * high
        squared = np.sin(a - start) * np.sin(a + start)
        return np.asarray(np.sqrt(squared) / np.cos(a), dtype=np.float64)

    @staticmethod
    def _angle(s: float, start: float) -> float:
        """Invert s: tan(a)^2 = (s^2 + sin(a_0)^2) / cos(a_0)^2."""
        return math.atan(math.hypot(s, math.sin(start)) / math.cos(start))


@final
@dataclass(frozen=True)
class DiscreteBeta(Schedule):
    """The noise levels of a DDPM chain of K steps.

    length: K, at least 2. beta_first, beta_last: b_1 and b_K, 0 < b_1 <= b_K < 1. scale: v > 0, the
    deviation that standardises the data, in its units. The defaults are those of arXiv 2411.17807.
    Raises UsageError for values outside of these. Source: Ho et al. 2020, section 2.

    The K levels make K - 1 sampling steps. With `finish="posterior_mean"` and the start law
    N(shift, v^2 + s^2), `AncestralSampler(denoiser, schedule, K - 1, ...)` is DDPM's reverse chain.

    >>> DiscreteBeta().noise_levels(199)[[0, -1]].round(4).tolist()
    [2.5623, 0.01]
    """

    length: int = 200
    beta_first: float = 1e-4
    beta_last: float = 0.02
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check.integer(self.length, "length", 2)
        _check.fraction(self.beta_first, "beta_first")
        if _check.fraction(self.beta_last, "beta_last") < self.beta_first:
            raise UsageError(
                f"beta_last must be at least beta_first = {self.beta_first}, got {self.beta_last}"
            )
        _check.positive(self.scale, "scale")

    def noise_level(self, time: Array) -> Array:
        """Return s(t); see the class."""
        steps = np.arange(1, self.length + 1)
        step = 1 + np.asarray(time) * (self.length - 1)
        return self._level(np.interp(step, steps, self._areas))

    def noise_levels(self, steps: int) -> Array:
        """Return steps + 1 of the chain's own levels, from s_K down to s_1, evenly spaced in k.

        Raises UsageError unless steps is a whole number of 1 to K - 1.
        """
        steps = _check.integer(steps, "steps", 1, self.length - 1)
        index = np.rint(np.linspace(self.length - 1, 0, steps + 1)).astype(np.intp)
        return self._level(self._areas[index])

    def step(self, noise_level: float) -> float:
        """Return the fractional step k, 1 to K, of a noise level; UsageError outside of s_1 to s_K.

        >>> DiscreteBeta(scale=5.0).step(5 * 0.0001**0.5 / 0.9999**0.5)
        1.0
        """
        low, high = self._level(self._areas[[0, -1]]).tolist()
        s = _check.positive(noise_level, "noise_level")
        if not low * (1 - 1e-9) <= s <= high * (1 + 1e-9):  # room for rounding
            raise UsageError(
                f"noise_level must lie on the chain, {low:.6g} to {high:.6g}, got {s:.6g}; "
                f"take the levels from its noise_levels(steps)"
            )
        area = math.log1p((s / float(self.scale)) ** 2)
        return float(np.interp(area, self._areas, np.arange(1, self.length + 1)))

    @property
    def _areas(self) -> Array:
        """-log alphabar_k, k = 1 .. K."""
        return -np.cumsum(np.log1p(-np.linspace(self.beta_first, self.beta_last, self.length)))

    def _level(self, area: Array) -> Array:
        return np.asarray(self.scale * np.sqrt(np.expm1(area)), dtype=np.float64)


def _check_range(s_min: float, s_max: float) -> None:
    if _check.positive(s_max, "s_max") <= _check.positive(s_min, "s_min"):
        raise UsageError(f"s_min must be below s_max, got s_min={s_min:g}, s_max={s_max:g}")
