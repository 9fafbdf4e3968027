"""What an extraction attack has found, and how it is counted.

*Extracted* is a point x with D(g, x) <= radius for some sample g (Euclidean): the cumulative UMS of
`metrics.extraction` times the number of samples. Intervals of a number of distinct points and its
jackknife variance are derived there. For two independent arms with numbers a, b and variances
V_a, V_b the ratio's interval is a/b exp(+-z sqrt(V_a/a^2 + V_b/b^2)), by the delta method on logs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics.extraction import compare, distinct_interval, distinct_variance
from byheart.intervals import Interval

Array = NDArray[np.float64]

CURVE_POINTS = 20


@dataclass(frozen=True)
class Costs:
    """What one row of work costs, in rows through the denoiser.

    gradient: of the classifier at one row. training: one row of one training batch. clustering: one
    sample that is clustered.
    """

    gradient: float
    training: float
    clustering: float


@dataclass(frozen=True)
class Compute:
    """Rows that each part of the work has handled, and their sum in denoiser rows."""

    denoiser: int
    gradient: int = 0
    training: int = 0
    units: float = 0.0


@dataclass(frozen=True)
class Findings:
    """What a set of samples has extracted.

    train, heldout: distinct points of the scored half of the training set, and of as many held-out
    ones; with intervals. hits: samples that have extracted a training point of the scored half.
    compute: charged for the samples.
    """

    samples: int
    compute: Compute
    hits: int
    train: int
    train_interval: Interval
    heldout: int
    heldout_interval: Interval

    @property
    def ams(self) -> float:
        """Cumulative AMS: share of the samples that have extracted a training point."""
        return self.hits / self.samples

    @property
    def ums(self) -> float:
        """Cumulative UMS: distinct training points per sample."""
        return self.train / self.samples

    @property
    def per_thousand(self) -> float:
        """Distinct training points per thousand units of compute."""
        return 1000 * self.train / self.compute.units


@dataclass(frozen=True)
class Pilot:
    """One strength tried: points extracted of the half that chooses and of the scored half."""

    strength: float
    samples: int
    chooses: int
    scored: int
    heldout: int


@dataclass(frozen=True)
class ExtractionAttack:
    """An attack beside unconditional sampling at equal compute.

    scored: training points in the scored half, and held-out points beside them. strength: lambda
    chosen. attack: all samples of the attack. guided: those of its last part, everything charged.
    as_many: unconditional samples in the number of the guided ones (at most all there are), which
    is the paper's comparison. unconditional: at equal compute.
    difference, ratio: distinct training points, attack against unconditional, with intervals.
    curves: distinct training points of the attack and of unconditional sampling after each
    twentieth of the compute. seconds: of both arms on this machine.
    """

    radius: float
    scored: int
    clusters_found: int
    clusters_kept: int
    strength: float
    pilots: tuple[Pilot, ...]
    costs: Costs
    attack: Findings
    guided: Findings
    unconditional: Findings
    as_many: Findings
    difference: int
    difference_interval: Interval
    ratio: float
    ratio_interval: Interval
    curves: tuple[tuple[int, ...], tuple[int, ...]]
    seconds: tuple[float, float]


def extracted(samples: Array, points: Array, radius: float) -> NDArray[np.bool_]:
    """Return which sample has extracted which point, (m, n)."""
    return compare(samples, points, "distance") <= radius


def count_findings(
    samples: Array, scored: Array, control: Array, radius: float, compute: Compute, level: float
) -> tuple[Findings, float]:
    """Return what the samples have extracted, and the variance of their training points."""
    counts, reaches, variances, extractors = [], [], [], []
    for points in (scored, control):
        hits = extracted(samples, points, radius)
        times = hits.sum(axis=0)
        alone = hits[:, times == 1].sum(axis=1).astype(np.float64)
        counts.append(int(np.sum(times > 0)))
        reaches.append(distinct_interval(counts[-1], alone, len(points), level))
        variances.append(distinct_variance(alone))
        extractors.append(int(hits.any(axis=1).sum()))
    finding = Findings(
        len(samples), compute, extractors[0], counts[0], reaches[0], counts[1], reaches[1]
    )
    return finding, variances[0]


def growth(
    samples: Array, spent: Array, units: float, scored: Array, radius: float
) -> tuple[int, ...]:
    """Return distinct points after each twentieth of the compute."""
    hits = extracted(samples, scored, radius)
    opened = np.where(hits.any(axis=0), spent[hits.argmax(axis=0)], np.inf)
    grid = units * np.arange(1, CURVE_POINTS + 1) / CURVE_POINTS
    slack = 1e-9 * units
    return tuple(int(np.sum(opened <= at + slack)) for at in grid)


def ratio_interval(a: Findings, b: Findings, var_a: float, var_b: float, z: float) -> Interval:
    """Return the interval of a/b on a log scale; (0, inf) where one of them is 0."""
    if not a.train or not b.train:
        return 0.0, math.inf
    width = z * math.sqrt(var_a / a.train**2 + var_b / b.train**2)
    ratio = a.train / b.train
    return ratio * math.exp(-width), ratio * math.exp(width)
