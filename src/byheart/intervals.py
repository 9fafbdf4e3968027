"""Interval estimates for proportions, means and the area under the curve, and their text.

`level` is always the probability of missing the truth (0.05 gives 95% intervals), both sides
together unless the name says "lower".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri, stdtrit

from byheart.numbers import Number

Interval = tuple[Number, Number]


@dataclass(frozen=True)
class Estimate:
    """A share or a mean, and its interval."""

    value: float
    interval: Interval


def wilson(successes: float, trials: int, level: float = 0.05) -> Interval:
    """Score interval of a proportion (Wilson 1927); a tie may count as half a success.

    >>> [round(v, 3) for v in wilson(0, 20)]
    [0.0, 0.161]
    """
    z2 = float(ndtri(1 - level / 2)) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(successes: int, trials: int, level: float = 0.05) -> Interval:
    """Exact interval of a binomial proportion (Clopper and Pearson 1934).

    >>> [round(v, 3) for v in clopper_pearson(59, 59, level=0.1)]
    [0.95, 1.0]
    """
    lower = clopper_pearson_lower(successes, trials, level / 2)
    return lower, 1 - clopper_pearson_lower(trials - successes, trials, level / 2)


def clopper_pearson_lower(successes: int, trials: int, level: float = 0.05) -> float:
    """One-sided exact lower confidence limit of a binomial proportion.

    >>> round(clopper_pearson_lower(10, 10, 0.05), 4)
    0.7411
    """
    if successes == 0:
        return 0.0
    return float(betaincinv(successes, trials - successes + 1, level))


def auc(value: float, positives: float, negatives: float, level: float = 0.05) -> Interval:
    """Score interval of an area under the curve (Newcombe 2006, part 2, method 5).

    Solves |a - value| = z sd(a) with the variance of Hanley and McNeil at the true area a, so
    it does not collapse at 0 and 1, where DeLong's does. `positives`, `negatives`: sample sizes.

    >>> [round(v, 2) for v in auc(0.5, 100, 100)]
    [0.42, 0.58]
    >>> auc(1.0, 50, 50)[0] < 1
    True
    """
    z = float(ndtri(1 - level / 2))
    bonus = (positives + negatives) / 2 - 1

    def excess(a: float) -> float:
        spread = a * (1 - a) * (1 + bonus * ((1 - a) / (2 - a) + a / (1 + a)))
        return abs(a - value) - z * math.sqrt(spread / (positives * negatives))

    return _edge(excess, value, 0.0), _edge(excess, value, 1.0)


def _edge(excess: Any, inside: float, outside: float) -> float:
    """Bisect to the place between `inside` and `outside` where `excess` turns positive."""
    if inside == outside or excess(outside) <= 0:
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return outside


def student_half_width(values: ArrayLike, level: float = 0.05) -> float:
    """Half of Student's t interval of the mean of (n,) values; infinite for fewer than two.

    >>> round(student_half_width([1.0, 2.0, 3.0]), 3)
    2.484
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return math.inf
    return _half_width(array, float(stdtrit(len(array) - 1, 1 - level / 2)))


def normal_half_width(values: ArrayLike, level: float = 0.05) -> float:
    """Half of the normal interval of the mean of (n,) values; infinite for fewer than two.

    >>> round(normal_half_width([1.0, 2.0, 3.0]), 3)
    1.132
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return math.inf
    return _half_width(array, float(ndtri(1 - level / 2)))


def _half_width(values: NDArray[np.float64], quantile: float) -> float:
    return quantile * float(values.std(ddof=1)) / math.sqrt(len(values))


def bootstrap(
    contributions: NDArray[np.float64],
    rng: np.random.Generator,
    level: float = 0.05,
    repeats: int = 500,
) -> NDArray[np.float64]:
    """Percentile bootstrap of column means.

    contributions: (rows, columns), one row per independent unit.
    Returns (columns, 2). Memory: repeats x 4096 weights at a time.

    >>> rng = np.random.default_rng(0)
    >>> low, high = bootstrap(rng.normal(size=(1000, 1)), rng)[0]
    >>> bool(low < 0.0 < high)
    True
    """
    rows = len(contributions)
    totals = np.zeros((repeats, contributions.shape[1]))
    # Resampling counts, drawn block by block: how many of the draws fall into each block first,
    # then which rows of it, so that memory does not grow with the number of rows.
    left = np.full(repeats, rows)
    for start in range(0, rows, 4096):
        block = contributions[start : start + 4096]
        share = len(block) / (rows - start)
        drawn = rng.binomial(left, min(1.0, share))
        left = left - drawn
        weights = rng.multinomial(drawn, np.full(len(block), 1 / len(block)))
        totals += weights @ block
    quantiles = np.quantile(totals / rows, [level / 2, 1 - level / 2], axis=0)
    return np.asarray(quantiles.T, dtype=np.float64)


def number(value: float) -> str:
    """Return a number of points or a ratio as text, infinite as "inf".

    >>> number(2999.6), number(3.5712), number(math.inf)
    ('3,000', '3.57', 'inf')
    """
    return f"{value:,.0f}" if 100 <= value < math.inf else f"{value:.3g}"


def interval_text(ends: Interval) -> str:
    """Return an interval as text, its open ends in words.

    >>> interval_text((16.0, 24.0)), interval_text((0.0, 24.0)), interval_text((400.0, math.inf))
    ('16 to 24', 'at most 24', 'at least 400')
    """
    low, high = ends
    if math.isinf(high):
        return f"at least {number(low)}" if low else "no limit"
    return f"{number(low)} to {number(high)}" if low else f"at most {number(high)}"
