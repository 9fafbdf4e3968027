"""How far beyond the largest n tried P(Delta > 0) would reach its threshold.

With k of t trials positive at n, P(n) = F(b (log n − log n_c) + F⁻¹(c)), b > 0, reaches the
threshold c at n_c. For each n_c the likelihood is maximised over b, and the interval holds every
n_c whose log likelihood is within half a chi-squared quantile (one degree of freedom) of the best.
A flat curve excludes no large n_c, so its interval is open, where one of the form estimate ±
error would not be.

Two curves are tried, since what lies beyond the data depends on their form: the logistic,
F(u) = 1/(1 + e^−u), and Gumbel's, F(u) = exp(−e^−u), which nears 1 more slowly and leaves 0 faster.
Those that fit (deviance against a free P at each n) count, and the interval covers both. It assumes
that P goes on in one of these forms; it does not cover a P that levels off on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, xlogy

Array = NDArray[np.float64]
REACH = 10.0  # times the largest n: farther away no estimate is given
_HORIZON = 1000.0  # times the largest n: an interval that reaches it is open
_SLOPES = np.geomspace(0.1, 50.0, 200)


@dataclass(frozen=True)
class Extrapolation:
    """Where P(Delta > 0) is expected to reach `threshold`, beyond the largest n tried.

    estimate: None when refused; `reason` then says why. interval: of the n at which it does so,
    (0, inf) when nothing is known. more: training points beyond the largest n tried.
    """

    threshold: float
    estimate: float | None
    interval: tuple[float, float]
    more: float | None
    reason: str


def extrapolate(
    sizes: Array, positives: Array, trials: Array, threshold: float, level: float = 0.05
) -> Extrapolation:
    """Return where P(Delta > 0) would reach `threshold`. All arrays: (K,), sizes rising.

    >>> found = extrapolate(np.array([100.0, 200.0, 400.0]), np.array([1.0, 5.0, 15.0]),
    ...     np.full(3, 50.0), 0.5)
    >>> 500 < found.estimate < 900
    True
    """
    largest = float(sizes[-1])
    if len(sizes) < 3:
        return _refused(threshold, "at least three sizes n are needed to see the curve's form")
    free = _log_likelihood(positives / trials, positives, trials)
    share = positives.sum() / trials.sum()
    flat = _log_likelihood(np.full(len(sizes), share), positives, trials)
    positions = np.linspace(math.log(sizes[0]), math.log(_HORIZON * largest), 300)
    fits = []
    for form, inverse in _FORMS:
        shifts = np.log(sizes) - positions[:, None]
        u = inverse(threshold) + _SLOPES[:, None, None] * shifts
        profile = _log_likelihood(form(u), positives, trials).max(axis=0)
        fits.append(profile)
    best = max(float(profile.max()) for profile in fits)
    if chdtrc(1, max(0.0, 2 * (best - flat))) > 2 * level:  # one-sided: slopes are positive
        return _refused(threshold, "P(Delta > 0) does not rise clearly over the sizes tried")
    fitting = [
        profile
        for profile in fits
        if chdtrc(len(sizes) - 2, max(0.0, 2 * (free - float(profile.max())))) > level
    ]
    if not fitting:
        return _refused(threshold, "the points do not follow a smooth curve that could be extended")
    inside = np.any([p >= p.max() - chdtri(1, level) / 2 for p in fitting], axis=0)
    low = math.exp(positions[inside][0])
    high = math.inf if inside[-1] else math.exp(positions[inside][-1])
    leading = max(fitting, key=lambda profile: float(profile.max()))
    estimate = math.exp(positions[int(np.argmax(leading))])
    if estimate > REACH * largest or math.isinf(high):
        far = f"it lies more than {REACH:g} times beyond the largest n tried"
        open_ = "the trials do not tell how far it is, only from where on it may be"
        return replace(
            _refused(threshold, far if math.isfinite(high) else open_), interval=(low, high)
        )
    return Extrapolation(
        threshold,
        estimate,
        (low, high),
        max(0.0, estimate - largest),
        "the curve of P(Delta > 0) over log n, continued",
    )


def _refused(threshold: float, reason: str) -> Extrapolation:
    return Extrapolation(threshold, None, (0.0, math.inf), None, reason)


def _log_likelihood(p: Array, positives: Array, trials: Array) -> Array:
    total = xlogy(positives, p) + xlogy(trials - positives, 1 - p)
    return np.asarray(total.sum(axis=-1))


def _logistic(u: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(u, -36, 36))))


def _gumbel(u: Array) -> Array:
    return np.asarray(np.exp(-np.exp(-np.clip(u, -6, 36))))


_FORMS: tuple[tuple[Callable[[Array], Array], Callable[[float], float]], ...] = (
    (_logistic, lambda c: math.log(c / (1 - c))),
    (_gumbel, lambda c: -math.log(-math.log(c))),
)
