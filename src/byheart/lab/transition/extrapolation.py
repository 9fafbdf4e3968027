"""How far beyond the largest n tried P(Delta > 0) would reach 1/2.

With k of t trials positive at n, P(n) = F(b (log n − log n_c) + F⁻¹(1/2)), b > 0, reaches 1/2 at
n_c. For each n_c the likelihood is maximised over b, and the interval holds every n_c whose log
likelihood is within half a chi-squared quantile (one degree of freedom) of the best. A flat curve
excludes no large n_c, so its interval is open, where one of the form estimate ± error would not be.

What lies beyond the data depends on the curve's form, so three are tried: the logistic,
F(u) = 1/(1 + e^−u), Gumbel's, F(u) = exp(−e^−u), and Fréchet's of shape 2,
F(u) = exp(−(1 + u/2)^−2), which leave 0 ever more sharply and near 1 ever more slowly. Those that
fit (deviance against a free P at each n) count, and the interval covers all of them. Without the
third, the interval missed n_mem of the solvable model (d = 36, 100, 200) far more often than
stated, for its P leaps from 0 and then slows down.

There is no such continuation to .95: P of the solvable model at d = 100 levels off near .88, and
an interval for where it reaches .95 (of the first two forms) missed every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, xlogy

from byheart.intervals import Interval

Array = NDArray[np.float64]
REACH = 10.0  # times the largest n: farther away no estimate is given
_HORIZON = 1000.0  # times the largest n: an interval that reaches it is open
_SLOPES = (0.05, 100.0)  # between which b is searched
_SCAN = 100  # values of log n_c in one scan
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Extrapolation:
    """Where P(Delta > 0) is expected to reach 1/2, beyond the largest n tried.

    estimate: None when refused; `reason` then says why. interval: of the n at which it does so,
    (0, inf) when nothing is known. more: training points beyond the largest n tried.
    """

    estimate: float | None
    interval: Interval
    more: float | None
    reason: str


def extrapolate(
    sizes: Array, positives: Array, trials: Array, level: float = 0.05
) -> Extrapolation:
    """Return where P(Delta > 0) would reach 1/2. All arrays: (K,), sizes rising.

    >>> found = extrapolate(np.array([100.0, 200.0, 400.0]), np.array([1.0, 5.0, 15.0]),
    ...     np.full(3, 50.0))
    >>> 500 < found.estimate < 900
    True
    """
    largest = float(sizes[-1])
    if len(sizes) < 3:
        return _refused("at least three sizes n are needed to see the curve's form")
    free = _log_likelihood(positives / trials, positives, trials)
    share = positives.sum() / trials.sum()
    flat = _log_likelihood(np.full(len(sizes), share), positives, trials)
    horizon = math.log(_HORIZON * largest)
    positions = np.linspace(math.log(sizes[0]), horizon, _SCAN)
    likelihood = partial(_profiles, np.log(sizes), positives, trials)
    margin = chdtri(1, level) / 2
    # A second scan, only where the first one found the interval.
    near = np.flatnonzero((_drops(likelihood(positions)) <= margin).any(axis=0))
    ends = positions[[max(near[0] - 1, 0), min(near[-1] + 1, _SCAN - 1)]]
    positions = np.linspace(ends[0], ends[1], _SCAN)
    profiles = likelihood(positions)
    best = profiles.max(axis=1)
    if chdtrc(1, max(0.0, 2 * (best.max() - flat))) > 2 * level:  # one-sided: slopes are positive
        return _refused("P(Delta > 0) does not rise clearly over the sizes tried")
    fits = chdtrc(len(sizes) - 2, np.maximum(0.0, 2 * (free - best))) > level
    if not fits.any():
        return _refused("the points do not follow a smooth curve that could be extended")
    inside = positions[(_drops(profiles[fits]) <= margin).any(axis=0)]
    low = math.exp(inside[0])
    high = math.exp(inside[-1]) if inside[-1] < horizon else math.inf
    leading = int(np.argmax(np.where(fits, best, -math.inf)))
    estimate = math.exp(positions[int(profiles[leading].argmax())])
    if estimate > REACH * largest or math.isinf(high):
        far = f"it lies more than {REACH:g} times beyond the largest n tried"
        unclear = "the trials do not tell how far it is, only from where on it may be"
        refused = _refused(far if math.isfinite(high) else unclear)
        return replace(refused, interval=(low, high))
    return Extrapolation(
        estimate,
        (low, high),
        max(0.0, estimate - largest),
        "the curve of P(Delta > 0) over log n, continued",
    )


def _refused(reason: str) -> Extrapolation:
    return Extrapolation(None, (0.0, math.inf), None, reason)


def _drops(profiles: Array) -> Array:
    return np.asarray(profiles.max(axis=1, keepdims=True) - profiles)


def _profiles(x: Array, positives: Array, trials: Array, positions: Array) -> Array:
    """Return (forms, positions): the log likelihood of log n_c, at its best slope.

    Golden section on log b; the log likelihood is concave in b but for the third form's last term,
    log(1 − F).
    """
    rows = []
    for form, start in _FORMS:
        shifts = x - positions[:, None]

        def value(
            log_slope: Array,
            form: Callable[[Array], Array] = form,
            start: float = start,
            shifts: Array = shifts,
        ) -> Array:
            return _log_likelihood(
                form(start + np.exp(log_slope)[:, None] * shifts), positives, trials
            )

        low, high = (np.full(len(positions), math.log(b)) for b in _SLOPES)
        for _ in range(32):  # to 2e-6 of the range
            inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
            better = value(inner) >= value(outer)
            low, high = np.where(better, low, inner), np.where(better, outer, high)
        rows.append(value((low + high) / 2))
    return np.array(rows)


def _log_likelihood(p: Array, positives: Array, trials: Array) -> Array:
    total = xlogy(positives, p) + xlogy(trials - positives, 1 - p)
    return np.asarray(total.sum(axis=-1))


def _logistic(u: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(u, -36, 36))))


def _gumbel(u: Array) -> Array:
    return np.asarray(np.exp(-np.exp(-np.clip(u, -6, 36))))


def _frechet(u: Array) -> Array:
    return np.asarray(np.exp(-(np.maximum(1 + u / 2, 0.05) ** -2)))


# Each form with its F⁻¹(1/2).
_FORMS: tuple[tuple[Callable[[Array], Array], float], ...] = (
    (_logistic, 0.0),
    (_gumbel, -math.log(math.log(2))),
    (_frechet, 2 / math.sqrt(math.log(2)) - 2),
)
