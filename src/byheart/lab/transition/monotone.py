"""Least squares under an order: curves that rise, and curves that rise and then fall.

Isotonic regression minimises Σ w_i (y_i − f_i)² over f_1 ≤ … ≤ f_K. Pool adjacent violators (Ayer
et al. 1955): take the points in order and merge the last two blocks, by their weighted mean, as
long as they are out of order. Merging blocks of weights a, b and means x, y adds
a b/(a + b) (x − y)² to the sum of squares, so one pass gives the error of every prefix. A
unimodal fit is a rising fit of a prefix and a falling fit of the rest, at the split where the two
errors add up to least (Stout 2008).

Where a rising fit first reaches a level c needs no fit: it is the first minimum of the partial sums
Σ_{i<j} w_i (y_i − c) (the switch relation, Groeneboom 1985). That is how many resampled curves are
done at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def isotonic(y: Array, weights: Array) -> Array:
    """Return the nondecreasing fit of y, (K,), with positive weights, (K,).

    >>> isotonic(np.array([0.0, 3.0, 1.0]), np.ones(3)).tolist()
    [0.0, 2.0, 2.0]
    """
    means, lengths, _ = _pool(y, weights)
    return np.repeat(means, lengths)


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
    """Return the fit of y, (K,), that rises and then falls.

    >>> unimodal(np.array([1.0, 0.0, 4.0, 1.0, 2.0]), np.ones(5)).tolist()
    [0.5, 0.5, 4.0, 1.5, 1.5]
    """
    up = _pool(y, weights)[2]
    down = _pool(y[::-1], weights[::-1])[2][::-1]
    split = int(np.argmin(up + np.append(down[1:], 0.0))) + 1
    falling = isotonic(y[split:][::-1], weights[split:][::-1])[::-1]
    return np.concatenate([isotonic(y[:split], weights[:split]), falling])


def _pool(y: Array, weights: Array) -> tuple[list[float], list[int], Array]:
    """Return the blocks' means and lengths, and the error of every prefix."""
    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    errors = np.empty(len(y))
    error = 0.0
    for i, (mean, mass) in enumerate(zip(y.tolist(), weights.tolist(), strict=True)):
        length = 1
        while means and means[-1] >= mean:
            before, other = means.pop(), masses.pop()
            error += mass * other / (mass + other) * (before - mean) ** 2
            mean = (mass * mean + other * before) / (mass + other)
            mass, length = mass + other, length + lengths.pop()
        means.append(mean)
        masses.append(mass)
        lengths.append(length)
        errors[i] = error
    return means, lengths, errors
