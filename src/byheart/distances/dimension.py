"""Local intrinsic dimension of a law known by samples: maximum likelihood and local PCA.

Symbols: T_1 <= ... <= T_k are the distances from a point to its k nearest rows of the reference
set, S = sum_{j<k} log(T_k/T_j).

*Maximum likelihood.* If rows fall around the point like a Poisson process of constant density on a
manifold of dimension m, the (T_j/T_k)^m, j < k, are independent and uniform, so

    m S ~ Gamma(k - 1, 1),    E[(k - 2)/S] = m,    sd = m/sqrt(k - 3).

(k - 2)/S is the estimate (Levina and Bickel 2004, equations 8 and 9, in the unbiased form), and
gamma quantiles over S are an interval that is exact in this model. It knows nothing of curvature or
of a density that varies within T_k, which bias it. Over several points the inverses are averaged,
(k - 1)/mean(S), not the estimates (MacKay and Ghahramani 2005).

Atoms: T_j = 0 for some j < k makes S infinite and the dimension 0, as it is for a point that has
mass; all T_j equal and positive make it infinite (a lattice, not a manifold).

*Local PCA.* The number of eigenvalues l_1 >= l_2 >= ... of the k neighbours' covariance above
ALPHA l_1 (Fukunaga and Olsen 1971; ALPHA = .05 is the habit of the packages). log l_j has the
standard error sqrt(2/k) for Gaussian neighbours and k >> m (Anderson 1963), a ratio of two
independent ones 2/sqrt(k), so the interval counts with every ratio moved by z 2/sqrt(k).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri

from byheart import _check
from byheart.distances.neighbours import Neighbours, two_way, within
from byheart.errors import InputError
from byheart.intervals import Interval

Array = NDArray[np.float64]

NEIGHBOURS = 20  # of the maximum-likelihood estimate: a standard error of a quarter
PCA_NEIGHBOURS = 100  # of local PCA, which needs many more than the dimension
ALPHA = 0.05  # share of the largest eigenvalue that still counts as a direction
_BLOCK_VALUES = 2**20  # coordinates of neighbours gathered at a time


@dataclass(frozen=True)
class LocalDimension:
    """Local intrinsic dimension at m points.

    values: (m,). intervals: (m, 2), of each value at the level it was asked for.
    """

    values: Array
    intervals: Array


def maximum_likelihood(
    reference: Any,
    points: Any = None,
    *,
    neighbours: int = NEIGHBOURS,
    level: float = 0.05,
    max_memory: int | None = None,
) -> LocalDimension:
    """Return the maximum-likelihood dimension of the law of `reference`, (n, d), at `points`.

    points: (m, d); None means every reference row, itself left out of its neighbours. neighbours:
    k >= 3 (at most as many as there are). level: the intervals' chance to miss. max_memory: bytes
    of the neighbour pass. Raises InputError for arrays that do not match or hold too few rows.
    Source: Levina and Bickel 2004; intervals derived in the module's introduction.

    >>> circle = np.exp(2j * np.pi * np.random.default_rng(0).random(500))
    >>> found = maximum_likelihood(np.column_stack([circle.real, circle.imag]))
    >>> round(float(np.median(found.values)), 2)
    0.96
    """
    table, _ = _table(reference, points, _check.integer(neighbours, "neighbours", 3), max_memory)
    return from_distances(table.distances, level)


def from_distances(distances: Array, level: float = 0.05) -> LocalDimension:
    """Return the maximum-likelihood dimension from distances to nearest rows, (m, k), ascending.

    Raises InputError for fewer than 3 columns.

    >>> from_distances(np.array([[1.0, 2.0, 4.0, 8.0]])).values.round(3)  # 2/log(64)
    array([0.481])
    >>> from_distances(np.zeros((1, 4))).intervals
    array([[0., 0.]])
    """
    sums = _log_sums(distances)
    degrees = distances.shape[1] - 1
    quantiles = gammaincinv(degrees, np.array([level / 2, 1 - level / 2]))
    with np.errstate(divide="ignore"):
        return LocalDimension((degrees - 1) / sums, quantiles / sums[:, None])


def average(distances: Array, level: float = 0.05) -> tuple[float, Interval]:
    """Return one dimension for points with neighbours at `distances`, (m, k), and its interval.

    (k - 1)/mean(S), the average of MacKay and Ghahramani 2005. The interval is over draws of the
    points with the reference set held fixed (normal approximation of mean(S)); neighbourhoods that
    overlap make it too narrow for another reference set. An atom among the points makes it 0.
    Raises InputError for fewer than 2 points or 3 neighbours.

    >>> value, (low, high) = average(np.cumsum(np.ones((5, 4)), axis=1))
    >>> round(value, 3), low == value == high
    (1.267, True)
    """
    sums = _log_sums(distances)
    degrees = distances.shape[1] - 1
    if len(sums) < 2:
        raise InputError(f"distances: {len(sums)} points; an average needs at least 2")
    mean = float(sums.mean())
    if not math.isfinite(mean) or mean == 0:
        value = 0.0 if mean else math.inf
        return value, (value, value)
    half = float(ndtri(1 - level / 2)) * float(sums.std(ddof=1)) / math.sqrt(len(sums))
    high = degrees / (mean - half) if mean > half else math.inf
    return degrees / mean, (degrees / (mean + half), high)


def local_pca(
    reference: Any,
    points: Any = None,
    *,
    neighbours: int = PCA_NEIGHBOURS,
    level: float = 0.05,
    max_memory: int | None = None,
) -> LocalDimension:
    """Return the number of large local eigenvalues of `reference`, (n, d), at `points`.

    Arguments, errors as for `maximum_likelihood`. Source: Fukunaga and Olsen 1971; the module's
    introduction.

    >>> rng = np.random.default_rng(0)
    >>> plane = np.column_stack([rng.normal(size=(300, 2)), np.zeros((300, 3))])
    >>> found = local_pca(plane, plane[:1])
    >>> found.values, found.intervals
    (array([2.]), array([[2., 2.]]))
    """
    k = _check.integer(neighbours, "neighbours", 3)
    table, rows = _table(reference, points, k, max_memory)
    m, k = table.indices.shape
    shift = math.exp(2 * float(ndtri(1 - level / 2)) / math.sqrt(k))
    counts = np.empty((3, m))
    floor = k * (1e-12 * float(np.abs(rows).max())) ** 2  # equal rows: rounding of their mean
    step = max(1, _BLOCK_VALUES // (k * rows.shape[1]))
    for start in range(0, m, step):
        block = slice(start, start + step)
        near = rows[table.indices[block]].astype(np.float64)
        near -= near.mean(axis=1, keepdims=True)
        eigenvalues = np.linalg.svd(near, compute_uv=False) ** 2
        least = ALPHA * eigenvalues[:, :1]
        for i, factor in enumerate((1.0, 1 / shift, shift)):
            large = eigenvalues * factor > np.maximum(least, floor)
            large[:, 0] = eigenvalues[:, 0] > floor
            counts[i, block] = large.sum(axis=1)
    return LocalDimension(counts[0], counts[1:].T.copy())


def _log_sums(distances: Array) -> Array:
    """Return S, (m,): infinite where some of the k - 1 nearest, or all k, are at distance 0."""
    if distances.ndim != 2 or distances.shape[1] < 3:
        raise InputError(
            f"distances: expected (points, k) with k at least 3, got shape {distances.shape}; "
            "give more rows, or more neighbours"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(distances[:, -1:] / distances[:, :-1])
    logs[np.isnan(logs)] = np.inf  # 0/0: k rows at the very point
    return np.asarray(logs.sum(axis=1))


def _table(
    reference: Any, points: Any, k: int, max_memory: int | None
) -> tuple[Neighbours, NDArray[np.floating[Any]]]:
    rows = _check.matrix(reference, "reference")
    available = len(rows) - (points is None)
    if available < 3:
        raise InputError(f"reference: {len(rows)} rows; a local dimension needs 3 neighbours")
    if points is None:
        return within(rows, k, max_memory=max_memory), rows
    queries = _check.matrix(points, "points")
    if queries.shape[1] != rows.shape[1]:
        raise InputError(
            f"points and reference must have the same columns, got {queries.shape} and {rows.shape}"
        )
    dtype = np.result_type(queries, rows)
    rows = rows.astype(dtype, copy=False)
    table = two_way(queries.astype(dtype, copy=False), rows, k, max_memory=max_memory)
    return table.forward, rows
