"""The edge: how the log determinant of a shifted Ginibre matrix crosses its transition.

Let G be a real d × d matrix of independent N(0, 1) entries and A = x I + G. With x² = d e^l and
η = √d l the determinant feels whether x lies inside the spectrum of G (η < 0) or outside (η > 0):

    E log det AᵀA = x² + Σ_{i=1..d} [ψ(i/2) + log 2] + R(η) + o(1)                       η < 0
    E log det AᵀA = d log x² − ½ log d + φ(η) + log((1 − e^-l)/l) + o(1)                 η ≥ 0

with one entire function R; φ(η) = R(η) + C for η < 0 and R(η) + C + η²/2 for η ≥ 0, where
C = lim Σ_{i=1..d} [ψ(i/2) + log 2] − (d log d − d) + ½ log d = −0.135181. R vanishes as η → −∞, and
φ(η) = log η − 1/η² − 3/η⁴ − … as η → ∞. The next order, 1/√d, is linear in a shape number 1/k
of the signal (0 for a multiple of the identity, d/N for a Wishart signal of N degrees of freedom):
[F(η) + G(η)/k] / √d.

The three tables come from the exact series of `exact_log_determinant` (the shifted matrix is its
limit N → ∞ with N r fixed), continued to d = ∞ by a polynomial in 1/√d. `python -m
benchmarks.edge_crossover` computes them again. Between nodes R is good to 1e-5, F and G to 1e-3. No
simulation went into them; docs/explanation/solvable-model.md derives the series.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

GINIBRE_CONSTANT = -0.1351814227  # C above
_START, _STOP = -5.0, 8.5
# R at -5, -4.75, ..., 8.5: smooth, unlike φ, whose second derivative jumps by 1 at 0.
_R = (
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    -0.000001,
    -0.000004,
    -0.000010,
    -0.000028,
    -0.000073,
    -0.000179,
    -0.000418,
    -0.000935,
    -0.001995,
    -0.004071,
    -0.007949,
    -0.014878,
    -0.026725,
    -0.046146,
    -0.076713,
    -0.122987,
    -0.190482,
    -0.285525,
    -0.414993,
    -0.585959,
    -0.805311,
    -1.079365,
    -1.413566,
    -1.812284,
    -2.278736,
    -2.815034,
    -3.422317,
    -4.100941,
    -4.850692,
    -5.670988,
    -6.561052,
    -7.520035,
    -8.547110,
    -9.641521,
    -10.802607,
    -12.029808,
    -13.322657,
    -14.680766,
    -16.103819,
    -17.591551,
    -19.143743,
    -20.760209,
    -22.440792,
    -24.185356,
    -25.993784,
    -27.865971,
    -29.801828,
    -31.801272,
    -33.864231,
)
# F - η³/6 and G + η³/3 for η > 0 (F and G for η <= 0) at -4, -3.5, ..., 8.5: smooth as well.
_F = (
    -0.00000,
    -0.00001,
    -0.00009,
    -0.00046,
    -0.00185,
    -0.00611,
    -0.01716,
    -0.04284,
    -0.10021,
    0.02288,
    0.00320,
    -0.27381,
    -0.95107,
    -2.17425,
    -4.07222,
    -6.75571,
    -10.32887,
    -14.90059,
    -20.58842,
    -27.51643,
    -35.81152,
    -45.60101,
    -57.01167,
    -70.16966,
    -85.20070,
    -102.23028,
)
_G = (
    0.00000,
    0.00002,
    0.00014,
    0.00065,
    0.00231,
    0.00636,
    0.01373,
    0.02520,
    0.05010,
    0.13360,
    0.39744,
    1.06476,
    2.43884,
    4.84407,
    8.57265,
    13.87086,
    20.95910,
    30.05777,
    41.39998,
    55.23077,
    71.80140,
    91.36470,
    114.17310,
    140.47819,
    170.53096,
    204.58201,
)
# F ~ 1/η + 3.83/η³ and G ~ −1/η − 5.33/η³ for large η: the second terms join the tables.
_FAR_F, _FAR_G = 3.829, 5.326


@cache
def _splines() -> tuple[Any, Any, Any]:
    from scipy.interpolate import CubicSpline

    coarse = np.linspace(-4.0, _STOP, len(_F))
    return (
        CubicSpline(np.linspace(_START, _STOP, len(_R)), _R),
        CubicSpline(coarse, _F),
        CubicSpline(coarse, _G),
    )


def crossover(eta: ArrayLike) -> Array:
    """φ(η), any shape; -0.1352 as η -> -∞ and log η as η -> ∞.

    >>> [round(float(v), 3) for v in crossover([-9.0, 0.0, 2.0, 100.0])]
    [-0.135, -0.212, 0.451, 4.605]
    """
    eta = np.asarray(eta, dtype=np.float64)
    middle = np.clip(eta, _START, _STOP)
    value = _splines()[0](middle) + GINIBRE_CONSTANT + np.where(middle > 0, middle**2 / 2, 0.0)
    far = np.maximum(eta, _STOP)
    tail = np.log(far) - far**-2.0 - 3 * far**-4.0 - 24 * far**-6.0
    value = np.where(eta > _STOP, tail, value)
    return np.asarray(np.where(eta < _START, GINIBRE_CONSTANT, value))


def crossover_correction(eta: ArrayLike, shape: ArrayLike) -> Array:
    """F(η) + shape G(η), the coefficient of 1/√d; `shape` is 1/k = d/N.

    >>> round(float(crossover_correction(0.0, 0.0)), 3)
    -0.1
    """
    eta, shape = np.asarray(eta, dtype=np.float64), np.asarray(shape, dtype=np.float64)
    middle = np.clip(eta, -4.0, _STOP)
    cubic = np.where(middle > 0, middle**3, 0.0)
    _, first, second = _splines()
    value = first(middle) + cubic / 6 + shape * (second(middle) - cubic / 3)
    far = np.maximum(eta, _STOP)
    tail = (1 - shape) / far + (_FAR_F - shape * _FAR_G) * far**-3.0
    value = np.where(eta > _STOP, tail, value)
    return np.asarray(np.where(eta < -4.0, 0.0, value))
