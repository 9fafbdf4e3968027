"""The edge functions R, F and G again, from the exact series at finite d.

    python -m benchmarks.edge_crossover [--step 1.0]

At D = d (1 − 1/k), eta = √D ell, the exact log determinant less its leading line is
R(eta) + [F(eta) + G(eta)/k]/√D + O(1/D) (theory.edge). Here it is computed for d up to 160
at k = 2 and 3 and continued to d = ∞ by a polynomial in 1/√D: twice the constant, and F + G/2 and
F + G/3 from the slopes. Printed beside the tables' interpolation: phi, F, G, and the difference of
the two constants, which must vanish if phi depends on eta alone. About 1 minute at step 1.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from byheart.lab.theory import edge
from byheart.lab.theory.exact_log_determinant import exact_log_determinant, series

SIZES = (24, 32, 48, 64, 96, 128, 160)


def left_over(d: int, k: int, eta: float) -> float:
    """The exact log determinant less its leading line: phi(eta) + [F + G/k]/√D + …."""
    n, width = k * d, d * (1 - 1 / k)
    ell = eta / math.sqrt(width)
    r = math.exp(ell) / (k - 1 + math.exp(ell))
    if eta <= 0:
        return series(d, n, r) + (n - d) * math.log1p(-r) + edge.GINIBRE_CONSTANT
    share = math.log(-math.expm1(-ell) / ell)
    return exact_log_determinant(d, n, r) - d * math.log(r) + math.log(width) / 2 - share


def limit(k: int, eta: float) -> tuple[float, float]:
    """The constant and the slope in 1/√D at D = ∞."""
    x = np.array([(d * (1 - 1 / k)) ** -0.5 for d in SIZES])
    slope, constant = np.polyfit(x, [left_over(d, k, eta) for d in SIZES], 5)[-2:]
    return float(constant), float(slope)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=float, default=1.0)
    step = parser.parse_args().step
    print("| eta | phi | its table | k = 2 less k = 3 | F | its table | G | its table |")
    print("|---|---|---|---|---|---|---|---|")
    for eta in np.arange(-4.0, 8.01, step):
        (two, half), (three, third) = limit(2, eta), limit(3, eta)
        g = (half - third) * 6
        f = half - g / 2
        f_table = float(edge.crossover_correction(eta, 0.0))
        g_table = float(edge.crossover_correction(eta, 1.0)) - f_table
        phi = float(edge.crossover(eta))
        print(
            f"| {eta:.2f} | {two:.6f} | {phi:.6f} | {two - three:.1e} | {f:.4f} | {f_table:.4f} "
            f"| {g:.4f} | {g_table:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
