"""n_gen: where the monotone fall of E dist(rho, rho_G) begins, as n grows.

Read off the mean distances at the n tried, n_1 < … < n_K, in three steps.

*Is there a fall at all?* For every start i the rank correlation of n and distance over the trials
at n_i, …, n_K is compared with its law when distance does not depend on n (a permutation test in
its normal approximation, with midranks, so that infinite distances and heavy tails do no harm);
the smallest p-value, times the number of starts, has to be at most the level.

*Where does it begin?* At the peak of a curve that rises and then falls, fitted to log mean by least
squares weighted by the number of trials; at the last point of the peak if it is flat. An infinite
mean is above everything: if there are some, the peak is the last of them. (One infinite trial makes
the mean infinite, whatever the number of trials: that is what an expectation is.)

*What does the grid leave open?* A single-peaked curve whose largest value on the grid is at n_j has
its peak in (n_{j−1}, n_{j+1}); if it is infinite at n_j and finite at n_{j+1}, the fall begins in
(n_j, n_{j+1}]. This bracket, not n_j, is what is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr

from byheart.intervals import Interval
from byheart.lab.transition.monotone import unimodal

Array = NDArray[np.float64]


def falling_p_value(groups: Sequence[Array]) -> float:
    """Return the p-value against "does not depend on the group", for values that fall with it.

    groups: the values of each group, in order; infinite values are allowed.

    >>> round(falling_p_value([np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 2.5])]), 6)  # 1/20
    0.05
    """
    sizes = np.array([len(group) for group in groups])
    ranks = _midranks(np.concatenate(groups))
    order = _midranks(np.repeat(np.arange(len(groups)), sizes))
    spread = float(np.std(ranks) * np.std(order))
    if not spread:
        return 1.0
    correlation = float(np.mean((ranks - ranks.mean()) * (order - order.mean()))) / spread
    # The normal tail is too small in tiny samples: no p-value is below one over all relabellings.
    smallest = math.exp(float(gammaln(sizes + 1).sum() - gammaln(len(ranks) + 1)))
    return max(float(ndtr(correlation * math.sqrt(len(ranks) - 1))), smallest)


def fall_p_value(groups: Sequence[Array]) -> float:
    """Return the p-value of a fall from some n on to the last, corrected for the choice of n.

    >>> rng = np.random.default_rng(0)
    >>> fall_p_value([level * rng.gamma(9.0, size=20) for level in (1, 3, 2, 1)]) < 0.001
    True
    """
    starts = range(len(groups) - 1)
    return min(1.0, len(starts) * min(falling_p_value(groups[i:]) for i in starts))


def peak(means: Array, weights: Array) -> int:
    """Return the index of the last n of the peak of the fit. means: (K,), inf allowed.

    >>> peak(np.array([np.inf, np.inf, 3.0, 4.0, 1.0]), np.ones(5))
    1
    """
    infinite = np.flatnonzero(np.isinf(means))
    if len(infinite):
        return int(infinite[-1])
    fit = unimodal(np.log(means) if (means > 0).all() else means, weights)
    return int(np.flatnonzero(fit == fit.max())[-1])


def bracket(at: int, infinite: bool, sizes: Array) -> Interval:
    """Return what is known of n_gen when the peak on the grid is number `at`; 0 and inf are open.

    >>> bracket(1, False, np.array([10.0, 20.0, 40.0])), bracket(1, True, np.array([1.0, 2.0, 4.0]))
    ((10.0, 40.0), (2.0, 4.0))
    """
    high = float(sizes[at + 1]) if at + 1 < len(sizes) else math.inf
    if infinite:
        return float(sizes[at]), high
    return (float(sizes[at - 1]) if at else 0.0), high


def _midranks(values: NDArray[np.generic]) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse.ravel()], dtype=np.float64)
