"""Which points of a data set stand alone: the noise level at which each is told from the others.

Symbols: x_i are n points in d dimensions, y = x_i + s eta a noisy point, D(y) = sum_j w_j x_j the
posterior mean of the set, with weights proportional to exp(-|y - x_j|^2/(2 s^2)).

*A level for each point.* A sampler that follows D ends in x_i once it is near x_i at a noise level
at which x_i's own weight rules there. At y = x_i that weight is

    w_i(s) = c_i / (c_i + sum_{j: x_j != x_i} exp(-|x_i - x_j|^2/(2 s^2))),

with c_i the number of points equal to x_i, itself included. It falls from 1 to c_i/n as s grows.
The *isolation* of x_i is the level s_i at which

    sum_{j: x_j != x_i} exp(-|x_i - x_j|^2/(2 s_i^2)) = c_i / e^2,                              (1)

that is w_i = 1/(1 + e^-2) = .88. The constant is that of two points: the sum of two equal Gaussians
has one maximum if and only if its centres are at most 2 s apart, so two lone points merge at
s = r/2, which solves (1). Below s_i the point is a memory of its own; a model that resolves the
score down to a level s (by its bandwidth, its noise floor, its capacity or the length of its
training) holds the points with s_i > s as memories, and those with s_i < s only together with their
neighbours. As the level falls, the most isolated points become memories first.

*Local density and n.* Where x_i's neighbours have density rho around it, on a sheet of dimension D,
and s is small against the scale on which rho varies, the sum in (1) is near
(n - 1) rho (2 pi s^2)^(D/2), so that

    s_i = (2 pi)^(-1/2) [e^2 (n - 1) rho / c_i]^(-1/D):

local density and n alone, in the one product n rho. For y = x_i + s eta in place of y = x_i the own
term is near exp(-D/2) along the sheet, which stands in the place of e^-2; for N(0, sigma^2 I_d)
with typical rho that is Biroli's collapse at large n^(2/d) (`theory.associative_memory`). (1) needs
no estimate of D or rho. Points that come several times are memories at higher levels: (1) divides
their density by c_i.

That low local coverage goes with memorization is the finding of Merger and Goldt
(arXiv 2606.14390v1); (1) is this project's, from the exact posterior, and not their criterion.

The sum is cut to the 32 nearest distinct points: it is too small by what the others would add, at
most (n - 33) exp(-r^2/(2 s^2)) with r the distance of the farthest one kept, which makes s_i too
large where very many points lie at nearly one distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.distances.neighbours import within
from byheart.errors import InputError

Floats = NDArray[np.float64]

NEIGHBOURS = 32
MERGING = 2.0  # log of own weight over the others' where two points merge
_STEPS = 60  # bisections of log s


@dataclass(frozen=True)
class Isolation:
    """The isolation of each of n rows.

    levels: (n,) s_i in the units of the rows, the larger the more isolated. copies: (n,) c_i, rows
    equal to the row, itself included. order: (n,) row numbers, the most isolated first, ties by the
    lower number.
    """

    levels: Floats
    copies: NDArray[np.int64]
    order: NDArray[np.int64]

    def above(self, noise_level: float) -> int:
        """Return how many rows are memories of their own at this noise level.

        >>> isolation(np.array([[0.0], [0.1], [5.0]])).above(1.0)
        1
        """
        return int((self.levels > _check.positive(noise_level, "noise_level")).sum())


def isolation(points: Any, *, max_memory: int | None = None) -> Isolation:
    """Return the isolation of each row of `points`, (n, d), from the other rows alone.

    max_memory: bytes of working memory of the neighbour search, which costs half of n x n values.
    Raises InputError for rows that are not a finite matrix, or fewer than two different rows.
    Derived in the module's introduction.

    >>> found = isolation(np.array([[0.0], [1.0], [1.0], [9.0]]))
    >>> found.order.tolist(), found.copies.tolist()
    ([3, 1, 2, 0], [1, 2, 2, 1])
    """
    rows = _check.matrix(points, "points")
    distinct, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    if len(distinct) < 2:
        raise InputError("points: all rows are equal; give at least two different rows")
    table = within(np.ascontiguousarray(distinct), NEIGHBOURS, max_memory=max_memory)
    weights = np.log(counts[table.indices].astype(np.float64))
    levels = _levels(table.distances, weights, np.log(counts.astype(np.float64)))
    inverse = inverse.reshape(-1)
    levels, copies = levels[inverse], counts[inverse].astype(np.int64)
    return Isolation(levels, copies, np.argsort(-levels, kind="stable"))


def _levels(distances: Floats, log_weights: Floats, log_own: Floats) -> Floats:
    """Solve (1) for each row; distances (n, k) ascending and above 0, log_weights of each, (n, k).

    By bisection in logs. A row with so many twins that its weight never falls that low has inf.
    """
    nearest = distances[:, :1]
    ratio = (distances / nearest) ** 2
    low, high = np.full(len(distances), math.log(1e-3)), np.full(len(distances), math.log(1e3))
    for _ in range(_STEPS):
        middle = (low + high) / 2  # log of s over the nearest distance
        exponents = log_weights - ratio / (2 * np.exp(2 * middle))[:, None]
        top = exponents.max(axis=1)
        total = top + np.log(np.exp(exponents - top[:, None]).sum(axis=1))
        inside = total < log_own - MERGING
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    unbounded = np.logaddexp.reduce(log_weights, axis=1) <= log_own - MERGING
    return np.asarray(np.where(unbounded, math.inf, nearest[:, 0] * np.exp((low + high) / 2)))
