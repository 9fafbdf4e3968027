"""The scales n_mem and n_gen and their ratio, each with what the grid of sizes leaves open.

Let n_1 < … < n_K be the sizes tried.

* P(Delta > 0) rises with n, so n_mem lies between the last n at which the rising fit of P is below
  the threshold and the first at which it is not. The estimate interpolates the fit in log n.
* n_gen lies between the neighbours of the peak of the fitted mean distance (`change_point`). The
  estimate is the peak, or the geometric mean of its bracket if the distance is infinite there.

Every resampled curve (`trials`) gives such a bracket. An interval runs from the level/2 quantile of
the brackets' lower ends to the 1 − level/2 quantile of their upper ends: it covers the spread of
the trials and what the grid leaves open. It assumes that P is monotone and the mean distance
single-peaked, and nothing else on their form. A bracket for n_gen is first widened to all sizes
whose mean is not significantly below the peak's, for a plateau before the fall. For the ratio the
brackets of one resampling are divided, lower end by upper and upper by lower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from byheart.intervals import Interval, number
from byheart.lab.transition.change_point import bracket, peak
from byheart.lab.transition.monotone import first_reaching
from byheart.lab.transition.trials import Resampled, Trials

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """A number of training points, or a ratio of two.

    estimate: None where the sweep does not reach it; `bound` then has the values that it can have,
    its ends 0 and inf where open. interval: its ends may be 0 and inf as well.
    """

    estimate: float | None
    interval: Interval
    bound: Interval | None = None

    @property
    def censored(self) -> str | None:
        """How the estimate is censored, in words; None if it is not.

        >>> Scale(None, (300.0, math.inf), (400.0, math.inf)).censored
        'above 400'
        """
        if self.bound is None:
            return None
        low, high = self.bound
        if math.isfinite(high):
            return f"at or below {number(high)}"
        return f"above {number(low)}" if low else "not found"


def memory_brackets(trials: Trials, draws: Resampled, threshold: float) -> Array:
    """Return (repeats, 2): the sizes between which P crosses the threshold, 0 and inf if open."""
    first = first_reaching(draws.p, trials.counts, threshold)
    ends = np.concatenate([[0.0], trials.sizes, [math.inf]])
    return np.stack([ends[first], ends[first + 1]], axis=1)


def quality_brackets(trials: Trials, draws: Resampled, fall: bool, level: float) -> Array:
    """Return (repeats, 2): between which sizes the distance begins to fall, if there is a fall.

    Each bracket is widened to the sizes whose mean is not significantly below the peak's: a
    resampled peak alone does not move over a plateau as much as the peak of new trials would.
    """
    if not fall:
        infinite = np.isinf(draws.means[:, -1])
        low = np.where(infinite, trials.sizes[-1], 0.0)
        return np.stack([low, np.full(len(low), math.inf)], axis=1)
    brackets = np.array([_quality_bracket(trials, means) for means in draws.means])
    at = peak(trials.means, trials.counts)
    if math.isfinite(trials.means[at]):
        level /= 2 * (len(trials.sizes) - 1)  # one-sided, and the peak was chosen among all sizes
        above = (draws.means >= draws.means[:, [at]]).mean(axis=0)
        rivals = np.flatnonzero(above > level)
        least = bracket(int(rivals[0]), False, trials.sizes)[0]
        most = bracket(int(rivals[-1]), False, trials.sizes)[1]
        brackets = np.stack(
            [np.minimum(brackets[:, 0], least), np.maximum(brackets[:, 1], most)], axis=1
        )
    return brackets


def _quality_bracket(trials: Trials, means: Array) -> Interval:
    at = peak(means, trials.counts)
    return bracket(at, math.isinf(means[at]), trials.sizes)


def quantiles(low: Array, high: Array, level: float) -> Interval:
    """Return the level/2 quantile of `low` and the 1 − level/2 quantile of `high`; inf is allowed.

    >>> quantiles(np.array([1.0, 2.0]), np.array([3.0, np.inf]), 0.05)
    (1.0, inf)
    """
    return (
        float(np.quantile(low, level / 2, method="lower")),
        float(np.quantile(high, 1 - level / 2, method="higher")),
    )


def memory_scale(trials: Trials, brackets: Array, threshold: float, level: float) -> Scale:
    """Return n_mem at `threshold`, brackets: from `memory_brackets`."""
    interval = quantiles(brackets[:, 0], brackets[:, 1], level)
    shares = trials.shares
    at = int(first_reaching(shares[None], trials.counts, threshold)[0])
    if at == len(shares):
        return Scale(None, interval, (float(trials.sizes[-1]), math.inf))
    if at == 0:
        return Scale(None, interval, (0.0, float(trials.sizes[0])))
    fit = isotonic_regression(shares, weights=trials.counts).x
    x = np.log(trials.sizes)
    share = (threshold - fit[at - 1]) / (fit[at] - fit[at - 1])
    return Scale(math.exp(x[at - 1] + share * (x[at] - x[at - 1])), interval)


def quality_scale(trials: Trials, brackets: Array, fall: bool, level: float) -> Scale:
    """Return n_gen, brackets: from `quality_brackets`; fall: whether a fall was found at all."""
    interval = quantiles(brackets[:, 0], brackets[:, 1], level)
    means = trials.means
    at = peak(means, trials.counts)
    if at == len(means) - 1:
        low = float(trials.sizes[-1]) if math.isinf(means[at]) else 0.0
        return Scale(None, interval, (low, math.inf))
    if not fall:
        return Scale(None, interval, (0.0, math.inf))
    if math.isinf(means[at]):  # the fall begins between two sizes
        return Scale(math.sqrt(trials.sizes[at] * trials.sizes[at + 1]), interval)
    if at == 0:
        return Scale(None, interval, (0.0, float(trials.sizes[0])))
    return Scale(float(trials.sizes[at]), interval)


def ratio(memory: Scale, quality: Scale, draws: tuple[Array, Array], level: float) -> Scale:
    """Return n_mem/n_gen; draws: the brackets of both, from the same resampled trials."""
    over, under = draws
    with np.errstate(divide="ignore"):
        interval = quantiles(over[:, 0] / under[:, 1], over[:, 1] / under[:, 0], level)
    if memory.estimate is not None and quality.estimate is not None:
        return Scale(memory.estimate / quality.estimate, interval)
    (low, high), (below, above) = _range(memory), _range(quality)
    return Scale(None, interval, (low / above, high / below if below else math.inf))


def _range(scale: Scale) -> Interval:
    if scale.estimate is not None:
        return scale.estimate, scale.estimate
    return scale.bound or (0.0, math.inf)


def scale_text(scale: Scale) -> str:
    """Return a scale with its interval in a few words.

    >>> scale_text(Scale(20.0, (16.0, 24.0))), scale_text(Scale(None, (0.0, 24.0), (0.0, 16.0)))
    ('20 [16, 24]', 'at or below 16')
    """
    if scale.estimate is None:
        return scale.censored or "not found"
    low, high = scale.interval
    return f"{number(scale.estimate)} [{number(low)}, {number(high)}]"
