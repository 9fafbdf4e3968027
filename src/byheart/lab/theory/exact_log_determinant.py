"""The log determinant of the least-squares matrix, exactly, for moderate sizes.

X and Y are N × d with independent rows, each pair of entries (X_ij, Y_ij) standard normal with
squared correlation r, B = (YᵀY)⁻¹ YᵀX. Given Y, YᵀX is a matrix of independent normals around
√r YᵀY, so the moments of its determinant are a hypergeometric function of a matrix argument
(Muirhead 1982, chapters 7 and 10), and Euler's relation turns them into

    E (det BᵀB)^h (det YᵀY)^h = 2^dh Γ_d(d/2 + h)/Γ_d(d/2) · 2F1(−h, −p; d/2; r I_d),

with p = (N − d)/2.

2F1 is a sum over partitions κ of at most d rows. Two facts (docs/explanation/solvable-model.md):

* without the limit on the rows it would be a binomial series, (1 − r)^(−2 h p). Hence the closed
  form −(N − d) log(1 − r), exact up to order r^d;
* its derivative at h = 0 only keeps κ = (a, b, 1, …, 1), so that it is a triple sum:

    D = − Σ_a α_a / a + 4 Σ_{l=2..d} c_l Σ_{a>=b>=1} (2a − 2b + 1)
              · α_a / [(2a + l − 1)(2a + l − 2)] · β_b / [(2b + l − 2)(2b + l − 3)],
    α_a = (−p)_a r^a / (½)_a,   β_b = (−p − ½)_b r^b / (b − 1)!,
    c_l = Γ(2p + l) r^(l−2) / [Γ(2p + 2) (l − 2)!],

    E log det BᵀB = Σ_{i=1..d} ψ(i/2) − Σ_{i<d} ψ((N − i)/2) + D.

The terms alternate in sign and reach (1 + √r)^(2N), so the sum runs in integers of fixed point.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from byheart import _check
from byheart.errors import UsageError
from byheart.lab.theory.random_matrix import wishart_log_determinant


def series(dimension: int, degrees: int, correlation: float | Fraction) -> float:
    """D above, the log determinant beyond that of two independent Wishart matrices.

    dimension: d; degrees: N >= d with N - d even; correlation: r, in [0, 1). Exact up to the
    rounding of the result. Cost d (N - d)/2 products of integers of 3 N + 200 bits.
    Raises UsageError for other arguments.

    >>> round(series(1, 3, Fraction(1, 2)), 12)  # d = 1, p = 1: D = 2 p r = 2 r
    1.0
    """
    d = _check.integer(dimension, "dimension", 1)
    degrees = _check.integer(degrees, "degrees", d)
    if (degrees - d) % 2:
        raise UsageError(f"degrees - dimension must be even, got {degrees} - {d}")
    if not 0 <= correlation < 1:
        raise UsageError(f"correlation must lie in [0, 1), got {correlation}")
    excess = degrees - d
    last, bits = excess // 2, 3 * degrees + 200
    one = 1 << bits
    r = int(Fraction(correlation) * one)
    alpha, beta = [0], [0]
    a_term = b_term = one
    for j in range(1, last + 1):
        a_term = (a_term * r >> bits) * (2 * j - 2 - excess) // (2 * j - 1)
        b_term = (b_term * r >> bits) * (2 * j - 3 - excess) // (2 * max(j - 1, 1))
        alpha.append(a_term)
        beta.append(b_term)
    total = -sum(alpha[a] // a for a in range(1, last + 1))
    front = one
    for rows in range(2, d + 1):
        if rows > 2:
            front = (front * r >> bits) * (excess + rows - 1) // (rows - 2)
        plain = weighted = inner = 0  # Σ_{a >= b} of the α-terms, and of 2a times them
        for a in range(last, 0, -1):
            term = alpha[a] // ((2 * a + rows - 1) * (2 * a + rows - 2))
            plain, weighted = plain + term, weighted + 2 * a * term
            pair = beta[a] * (weighted - (2 * a - 1) * plain) >> bits
            inner += pair // ((2 * a + rows - 2) * (2 * a + rows - 3))
        total += 4 * front * inner >> bits
    return float(Fraction(total, one))


def exact_log_determinant(dimension: int, degrees: int, correlation: float | Fraction) -> float:
    """E log det BᵀB of the module's first paragraph; arguments and errors as `series`.

    >>> round(exact_log_determinant(3, 3, 0.5), 12)  # N = d: YᵀX and YᵀY have the same law
    0.0
    """
    value = series(dimension, degrees, correlation)
    gap = np.diff(wishart_log_determinant(dimension, [degrees, dimension]))
    return value + float(gap[0])
