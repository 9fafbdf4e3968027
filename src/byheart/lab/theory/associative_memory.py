"""A training set as an associative memory: two energies in closed form.

Symbols: x_i are n training points in d dimensions, y = x + s eta a noisy point, s the noise level,
beta = 1/(2 s^2). Tweedie's score of the noisy training set is the slope of the energy of a dense
associative memory that stores the x_i (arXiv 2505.21777v3),

    E(y) = -(1/beta) log (1/n) sum_i exp(-beta |y - x_i|^2),    grad E = 2 (y - D(y)),

D(y) the posterior mean of the training set, so that one step of length 1/2 downhill is y <- D(y).

*The circle.* Infinitely many points, uniform on the unit circle in the plane, y at radius R. With
|y - x|^2 = R^2 + 1 - 2 R cos(angle) and I_0(z) = (1/2 pi) int exp(z cos(a)) da,

    E(R) = R^2 + 1 - (1/beta) log I_0(2 beta R),      E'(R) = 2 [R - A(2 beta R)],  A = I_1/I_0.

A rises from A(0) = 0 with slope A'(0) = 1/2, is concave, and stays below 1. R = A(2 beta R) has
thus a solution R > 0 exactly if beta A'(0) 2 > 1, that is beta > 1, and then only one: the bottom
of a ring, because E''(0) = 2 (1 - beta) < 0. For beta <= 1, s >= 1/sqrt(2), the centre is the only
minimum. A ring has no preferred point on it: it is the energy of a model that generalizes.

*Collapse.* n points of N(0, sigma_x^2 I_d) and y = x_1 + s eta. The own term of the sum is
exp(-|eta|^2/2), whose log is near -d/2. The others add up, if there are enough of them, to n times
their mean, the integral of N(x; 0, sigma_x^2 I) exp(-|y - x|^2/(2 s^2)), which at |y|^2 =
d (s^2 + sigma_x^2) is (s^2/(s^2 + sigma_x^2))^(d/2) exp(-d/2). Below the level at which both are
equal, n = (1 + sigma_x^2/s^2)^(d/2), the own term rules and the backward process ends in x_1:

    s_c^2 = sigma_x^2 / (n^(2/d) - 1)

(the collapse of Biroli, Bonnaire, de Bortoli and Mezard, arXiv 2402.18491, at their variance
exploding noise). The logs of both sides spread by O(sqrt(d)) and s_c balances terms of order d, so
it is asymptotic in d.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import i0e, i1e

from byheart import _check
from byheart.errors import UsageError

Floats = NDArray[np.float64]


def circle_energy(radius: ArrayLike, beta: float) -> Floats:
    """Return E(R) = R^2 + 1 - (1/beta) log I_0(2 beta R) of the unit circle, shaped as `radius`.

    radius: R >= 0. beta: 1/(2 s^2), above 0. Raises UsageError otherwise.
    Source: arXiv 2505.21777v3; derived in the module's introduction.

    >>> [round(float(e), 4) for e in circle_energy([0.0, 1.0], beta=2.0)]
    [1.0, 0.7875]
    """
    r, beta = _radius(radius), _check.positive(beta, "beta")
    z = 2 * beta * r
    return np.asarray(r**2 + 1 - (np.log(i0e(z)) + z) / beta)


def circle_slope(radius: ArrayLike, beta: float) -> Floats:
    """Return E'(R) = 2 [R - I_1(2 beta R)/I_0(2 beta R)]; arguments as for `circle_energy`.

    >>> [round(float(e), 4) for e in circle_slope([0.0, 1.0], beta=2.0)]
    [0.0, 0.273]
    """
    r, beta = _radius(radius), _check.positive(beta, "beta")
    return np.asarray(2 * (r - _bessel_ratio(2 * beta * r)))


def ring_radius(beta: float) -> float:
    """Return the radius of the circle's energy minimum: 0 for beta <= 1, else that of its ring.

    >>> ring_radius(1.0), round(ring_radius(2.0), 4), round(ring_radius(50.0), 4)
    (0.0, 0.8315, 0.995)
    """
    beta = _check.positive(beta, "beta")
    if beta <= 1:
        return 0.0
    # E' < 0 below the root and > 0 above it, and A <= 1; the root tends to 0 as beta -> 1.
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle < float(_bessel_ratio(np.asarray(2 * beta * middle))):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def collapse_level(n: int, d: int, spread: float = 1.0) -> float:
    """Return the noise level s_c below which n points of N(0, spread^2 I_d) are told apart.

    In the units of `spread`, sigma_x. Raises UsageError for n < 2 or d < 1.
    Source: arXiv 2402.18491; derived in the module's introduction; asymptotic in d.

    >>> round(collapse_level(100, 2), 4), round(collapse_level(100, 64), 4)
    (0.1005, 2.5418)
    """
    n, d = _check.integer(n, "n", 2), _check.integer(d, "d", 1)
    return _check.positive(spread, "spread") / math.sqrt(math.expm1(2 * math.log(n) / d))


def _bessel_ratio(z: Floats) -> Floats:
    return np.asarray(i1e(z) / i0e(z))


def _radius(radius: Any) -> Floats:
    r = np.asarray(radius, dtype=np.float64)
    if not (np.isfinite(r) & (r >= 0)).all():
        raise UsageError("radius must be finite and at least 0 everywhere")
    return r
