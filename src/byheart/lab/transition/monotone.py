"""Least squares under an order: what `scipy.optimize.isotonic_regression` has not.

Isotonic regression minimises Σ w_i (y_i − f_i)² over f_1 ≤ … ≤ f_K, by pooling adjacent violators
(Ayer et al. 1955). A unimodal fit is a rising fit of a prefix and a falling fit of the rest, at the
split where the two errors add up to least (Stout 2008). One pass gives the error of every prefix:
merging two blocks of weights a, b and means x, y adds a b/(a + b) (x − y)² to the sum of squares.

Where a rising fit first reaches a level c needs no fit: it is the first minimum of the partial sums
Σ_{i<j} w_i (y_i − c) (the switch relation, Groeneboom 1985). That is how many resampled curves are
done at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

Array = NDArray[np.float64]


def first_reaching(y: Array, weights: Array, level: float) -> NDArray[np.intp]:
    """Return where the nondecreasing fit of each row first is at least `level`; K if nowhere.

    y: (rows, K), weights: (K,).

    >>> first_reaching(np.array([[0.0, 3.0, 1.0], [0.0, 0.0, 0.0]]), np.ones(3), 2.0).tolist()
    [1, 3]
    """
    sums = np.cumsum(weights * (y - level), axis=1)
    sums = np.concatenate([np.zeros((len(y), 1)), sums], axis=1)
    # Rounding must not move a tie, a block whose mean is the level exactly.
    slack = 1e-12 * (1 + np.abs(sums).max(axis=1, keepdims=True))
    return np.asarray(np.argmax(sums <= sums.min(axis=1, keepdims=True) + slack, axis=1))


def unimodal(y: Array, weights: Array) -> Array:
    """Return the fit of y, (K,), that rises and then falls; weights: (K,), positive.

    >>> unimodal(np.array([1.0, 0.0, 4.0, 1.0, 2.0]), np.ones(5)).tolist()
    [0.5, 0.5, 4.0, 1.5, 1.5]
    """
    up, down = _errors(y, weights), _errors(y[::-1], weights[::-1])[::-1]
    split = int(np.argmin(up + np.append(down[1:], 0.0))) + 1
    rising = isotonic_regression(y[:split], weights=weights[:split]).x
    if split == len(y):
        return np.asarray(rising)
    falling = isotonic_regression(y[split:], weights=weights[split:], increasing=False).x
    return np.concatenate([rising, falling])


def _errors(y: Array, weights: Array) -> Array:
    """Return the sum of squares of the rising fit of every prefix, (K,)."""
    blocks: list[tuple[float, float]] = []  # mean and weight
    errors = np.empty(len(y))
    error = 0.0
    for i, (mean, mass) in enumerate(zip(y.tolist(), weights.tolist(), strict=True)):
        while blocks and blocks[-1][0] >= mean:
            before, other = blocks.pop()
            error += mass * other / (mass + other) * (before - mean) ** 2
            mean = (mass * mean + other * before) / (mass + other)
            mass += other
        blocks.append((mean, mass))
        errors[i] = error
    return errors
