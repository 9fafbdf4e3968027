"""The three phases over n: from the records of a sweep to a curve and its spurious peak.

Each trial under the matched definition leaves three shares of its samples that sum to 1: memorized,
spurious and generalized (`metrics.phases`; arXiv 2505.21777v3). All trials of a plan have the same
numbers of samples and of held-out points, without which shares at different n could not be
compared: nearest distances shrink as sets grow.

Let n_1 < ... < n_K be the sizes with such shares, s_j the mean spurious share at n_j. Trials are
resampled within each size by the Bayesian bootstrap (Rubin 1981: weights Exp(1), the same for all
three shares); intervals of means are quantiles of the resampled ones.

* The *peak* is the n_j with the largest s_j. A single-peaked curve that is largest on the grid at
  n_j has its peak between n_(j-1) and n_(j+1); the interval is this, widened to the brackets
  of all sizes whose resampled share reaches the peak's in more than level/(2 (K - 1)) of
  resamplings: those that are not significantly below it. At an end of the grid it is censored.
* Its *rise* is s_j - max(s_1, s_K), resampled at the observed peak j. The largest of K - 2 noisy
  shares is above both ends by chance, so the interval's level is divided by K - 2, as many inner
  sizes as j was chosen from. `found` says whether that interval is above 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.intervals import Interval
from byheart.lab.sweeps.record import Record
from byheart.lab.transition.scales import Scale, quantiles, scale_text

Array = NDArray[np.float64]

SHARES = ("memorized_share", "spurious_share", "generalized_share")


@dataclass(frozen=True)
class MeanShare:
    """A mean share over the trials at one n; its interval is None with a single trial."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class PhasePoint:
    """The mean shares of the three phases at one n."""

    n: int
    trials: int
    memorized: MeanShare
    spurious: MeanShare
    generalized: MeanShare


@dataclass(frozen=True)
class PhaseCurve:
    """The phases over n and the peak of the spurious share.

    peak: the n of the largest spurious share, censored at an end of the grid. height: that share.
    rise: how far it stands above both ends of the curve. found: whether the rise's interval is
    above 0, so that there is a peak. without: trials with an outcome but no shares, left out.
    """

    points: tuple[PhasePoint, ...]
    peak: Scale
    height: MeanShare
    rise: MeanShare
    found: bool
    without: int


def phase_curve(
    records: Sequence[Record], *, level: float = 0.05, seed: int = 0, repeats: int = 2000
) -> PhaseCurve | None:
    """Return the phases over n, or None if the records have their shares at fewer than two sizes.

    records: of one plan, in any order; those with an error, and those of older stores or of the
    paper's definition, which have no shares, are left out. level: probability that an interval
    misses. repeats: of the bootstrap. Raises UsageError for an argument out of range.
    Derived in the module's introduction.

    >>> from byheart.lab.sweeps.record import Outcome
    >>> made = [Record(n, i, Outcome(True, 0.0, 1.0, {
    ...     "memorized_share": 0.9 / n, "spurious_share": s, "generalized_share": 1 - 0.9 / n - s}))
    ...     for n, s in ((1, 0.0), (2, 0.3), (3, 0.0)) for i in range(5)]
    >>> found = phase_curve(made)
    >>> found.peak.estimate, found.peak.interval, found.found
    (2.0, (1.0, 3.0), True)
    """
    level = _check.fraction(level, "level")
    repeats = _check.integer(repeats, "repeats", 100)
    rng = np.random.default_rng(_check.integer(seed, "seed", 0))
    groups: dict[int, list[list[float]]] = {}
    without = 0
    for record in records:
        if record.outcome is None:
            continue
        figures = record.outcome.figures
        if all(name in figures for name in SHARES):
            groups.setdefault(record.n, []).append([float(figures[name]) for name in SHARES])
        else:
            without += 1
    if len(groups) < 2:
        return None
    sizes = np.array(sorted(groups), dtype=np.float64)
    shares = [np.array(groups[int(n)]) for n in sizes]
    draws = np.stack([_resampled(values, repeats, rng) for values in shares], axis=1)
    means = np.array([values.mean(axis=0) for values in shares])
    at = int(means[:, 1].argmax())
    reaching = (draws[:, :, 1] >= draws[:, [at], 1]).mean(axis=0)
    rivals = np.flatnonzero(reaching > level / (2 * (len(sizes) - 1)))
    ends = np.concatenate([[0.0], sizes, [math.inf]])
    interval = float(ends[rivals[0]]), float(ends[rivals[-1] + 2])
    inside = 0 < at < len(sizes) - 1
    rises = _rise(draws[:, :, 1], at)
    single = any(len(values) < 2 for values in shares)
    inner = max(1, len(sizes) - 2)
    rise = MeanShare(
        float(_rise(means[None, :, 1], at)[0]),
        None if single else quantiles(rises, rises, level / inner),
    )
    return PhaseCurve(
        points=tuple(
            PhasePoint(int(n), len(values), *_means(means[j], draws[:, j], len(values), level))
            for j, (n, values) in enumerate(zip(sizes, shares, strict=True))
        ),
        peak=Scale(
            float(sizes[at]) if inside else None,
            interval,
            None if inside else (0.0, float(sizes[0])) if at == 0 else (float(sizes[-1]), math.inf),
        ),
        height=_means(means[at], draws[:, at], len(shares[at]), level)[1],
        rise=rise,
        found=rise.interval is not None and rise.interval[0] > 0,
        without=without,
    )


def peak_text(curve: PhaseCurve) -> str:
    """Return the spurious peak in a few words.

    >>> share = MeanShare(0.31, (0.25, 0.4))
    >>> peak_text(PhaseCurve((), Scale(64.0, (32.0, 128.0)), share, share, True, 0))
    'spurious share at most 31% [25%, 40%], at n = 64 [32, 128]'
    """
    height = curve.height
    ends = "" if height.interval is None else " [{:.0%}, {:.0%}]".format(*height.interval)
    where = scale_text(curve.peak)
    at = f"n = {where}" if curve.peak.estimate is not None else f"n {where}"
    text = f"spurious share at most {height.value:.0%}{ends}, at {at}"
    return text if curve.found else f"{text}; no peak between two phases is established"


def shares_text(point: PhasePoint) -> tuple[str, str, str]:
    """Return the three shares at one n as text, with their intervals.

    >>> point = PhasePoint(8, 1, MeanShare(1.0, None), *[MeanShare(0.0, (0.0, 0.1))] * 2)
    >>> shares_text(point)
    ('100%', '0% [0%, 10%]', '0% [0%, 10%]')
    """
    cells = []
    for share in (point.memorized, point.spurious, point.generalized):
        ends = "" if share.interval is None else " [{:.0%}, {:.0%}]".format(*share.interval)
        cells.append(f"{share.value:.0%}{ends}")
    return cells[0], cells[1], cells[2]


def _resampled(values: Array, repeats: int, rng: np.random.Generator) -> Array:
    """Return resampled means, (repeats, 3), of the shares of trials, (t, 3)."""
    weights = rng.standard_exponential((repeats, len(values)))
    return np.asarray(weights @ values / weights.sum(axis=1, keepdims=True))


def _rise(spurious: Array, at: int) -> Array:
    """Return how far each curve, (repeats, K), stands above both its ends at size number `at`."""
    return np.asarray(spurious[:, at] - np.maximum(spurious[:, 0], spurious[:, -1]))


def _means(means: Array, draws: Array, trials: int, level: float) -> list[MeanShare]:
    """Return the three mean shares at one size; means: (3,), draws: (repeats, 3)."""
    return [
        MeanShare(float(mean), quantiles(draws[:, i], draws[:, i], level) if trials > 1 else None)
        for i, mean in enumerate(means)
    ]
