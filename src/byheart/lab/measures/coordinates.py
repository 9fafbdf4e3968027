"""The kernel distance of two sets coordinate by coordinate, exact from sorted points.

arXiv 2411.17807 compares the samples of its U-Net with the data one coordinate at a time. For
coordinate c with deviation sigma_c, a set of N points is smoothed with eps(N) = sigma_c / N, which
is h N^(-1/d) at d = 1, and

    dist(A, B) = mean_c sigma_c ∫ (rho_A,eps − rho_B,eps)² dx
               = mean_c [pair_c(A) + pair_c(B) − 2 cross_c(A, B)]
    pair_c(A)     = (sigma_c / N_A²) Σ_ij N(a_i − a_j; 0, 2 eps_A²)
    cross_c(A, B) = (sigma_c / (N_A N_B)) Σ_ij N(a_i − b_j; 0, eps_A² + eps_B²)

in units without dimension. The diagonal of pair is 1/√(4 pi) for every N; in a relative distance it
cancels on paper, so pair leaves it out here.

With z = |a_i − b_j| over the kernel's deviation, a term is exp(−z²/2), beside 1 for each point on
the diagonal. Terms with z > 12 are below 6e-32 and lie beneath the rounding of the sum for any N
below 10^15. On sorted points the others are a run of neighbours of about 15 points, whatever N: the
sum over all pairs takes O(N log N). Equal values are summed once, with their number as weight, so
that pixels with few grey levels cost no more than others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from byheart import _check
from byheart.errors import InputError, UsageError

Array = NDArray[np.float64]

_REACH = 12.0  # deviations of the kernel, see the module's introduction
# Pairs of points looked at together: 64 KiB an array, which stay in the cache. From 10,000 values
# on OpenBLAS shares a dot product among threads, and on a busy machine waiting for them takes
# longer than everything else.
_PAIRS = 2**13


@dataclass(frozen=True)
class CoordinateDistance:
    """The terms of Delta, each a mean over coordinates, without dimension and without diagonal.

    Delta = [pair_train − 2 cross_train] − [pair_fresh − 2 cross_fresh]; below 0 is memorization.
    distance_fresh: dist(rho, rho_G), all diagonals included.
    """

    pair_train: float
    cross_train: float
    pair_fresh: float
    cross_fresh: float
    distance_fresh: float

    @property
    def delta(self) -> float:
        """The relative distance Delta."""
        return (self.pair_train - self.pair_fresh) - 2 * (self.cross_train - self.cross_fresh)


def relative_coordinate_distance(
    train: ArrayLike, fresh: ArrayLike, generated: ArrayLike, deviations: ArrayLike
) -> CoordinateDistance:
    """Return Delta coordinate by coordinate, each set with its own eps(N) = deviation / N.

    train: (n, d); fresh: (N_O, d), never trained on; generated: (m, d), all in the same units.
    deviations: sigma_c of the data, (d,), all above 0. Raises InputError for sets that do not
    match and UsageError for other deviations. Source: arXiv 2411.17807; derived above.

    >>> rng = np.random.default_rng(0)
    >>> train, fresh = rng.normal(size=(20, 2)), rng.normal(size=(500, 2))
    >>> relative_coordinate_distance(train, fresh, train + 1e-3, np.ones(2)).delta < 0
    True
    """
    sets = [
        _Set.of(values, role)
        for values, role in ((train, "train"), (fresh, "fresh"), (generated, "generated"))
    ]
    width = {len(x.columns) for x in sets}
    if len(width) > 1:
        raise InputError(
            "train, fresh and generated must have the same columns, got "
            + ", ".join(str((x.size, len(x.columns))) for x in sets)
        )
    sigma = np.asarray(deviations, dtype=np.float64)
    if sigma.shape != (width.pop(),) or not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise UsageError(
            f"deviations must be one number above 0 for each column, got shape {sigma.shape}; "
            "leave constant columns out"
        )
    t, o, g = sets
    pair_train, pair_fresh, pair_generated = (_pairs(x, sigma) for x in sets)
    cross_train, cross_fresh = _cross(t, g, sigma), _cross(o, g, sigma)
    diagonal = 1 / math.sqrt(4 * math.pi)
    return CoordinateDistance(
        pair_train=pair_train,
        cross_train=cross_train,
        pair_fresh=pair_fresh,
        cross_fresh=cross_fresh,
        distance_fresh=pair_fresh + pair_generated + 2 * diagonal - 2 * cross_fresh,
    )


@dataclass(frozen=True)
class _Column:
    """Distinct values, ascending, and how often each occurs."""

    values: Array
    times: Array

    @classmethod
    def of(cls, ordered: Array) -> _Column:
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        return cls(ordered[starts], np.diff(np.r_[starts, len(ordered)]).astype(np.float64))


@dataclass(frozen=True)
class _Set:
    size: int
    columns: list[_Column]

    @classmethod
    def of(cls, values: ArrayLike, role: str) -> _Set:
        x = _check.float64_matrix(values, role)
        return cls(len(x), [_Column.of(column) for column in np.sort(x.T, axis=1)])


def _pairs(x: _Set, sigma: Array) -> float:
    """Return the mean over coordinates of pair_c without its diagonal."""
    width = math.sqrt(2) / x.size
    sums = [_pair_sum(c, width * s) for c, s in zip(x.columns, sigma, strict=True)]
    return float(np.mean(sums)) / (x.size * math.sqrt(4 * math.pi))


def _cross(x: _Set, y: _Set, sigma: Array) -> float:
    """Return the mean over coordinates of cross_c."""
    spread = math.hypot(1 / x.size, 1 / y.size)
    parts = zip(x.columns, y.columns, sigma, strict=True)
    sums = [_cross_sum(a, b, spread * s) for a, b, s in parts]
    return float(np.mean(sums)) / (x.size * y.size * spread * math.sqrt(2 * math.pi))


def _pair_sum(a: _Column, width: float) -> float:
    """Return Σ_i≠j exp(−(a_i − a_j)²/(2 width²)): equal values, and twice the pairs above."""
    first = np.arange(1, len(a.values) + 1)
    stop = np.searchsorted(a.values, a.values + _REACH * width, "right")
    equal = float(np.sum(a.times * (a.times - 1)))
    return equal + 2 * _run_sum(a, a, first, np.maximum(stop - first, 0), width)


def _cross_sum(a: _Column, b: _Column, width: float) -> float:
    """Return Σ_ij exp(−(a_i − b_j)²/(2 width²))."""
    first = np.searchsorted(b.values, a.values - _REACH * width, "left")
    stop = np.searchsorted(b.values, a.values + _REACH * width, "right")
    return _run_sum(a, b, first, stop - first, width)


def _run_sum(
    a: _Column, b: _Column, first: NDArray[np.intp], counts: NDArray[np.intp], width: float
) -> float:
    """Sum the kernel over each a_i and the `counts[i]` values of b from `first[i]` on."""
    ends = np.cumsum(counts)
    total, start = 0.0, 0
    while start < len(counts):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _PAIRS, "right")))
        here = counts[start:stop]
        rows = np.repeat(np.arange(start, stop), here)
        columns = np.arange(len(rows)) + np.repeat(
            first[start:stop] - (np.cumsum(here) - here), here
        )
        scaled = (a.values[rows] - b.values[columns]) / width
        terms = np.exp(-0.5 * scaled * scaled)
        total += float(terms @ (a.times[rows] * b.times[columns]))
        start = stop
    return total
