"""Errors of the solvable model's closed forms, per regime of r k (k = (n − 1)/d).

    python -m benchmarks.theory_accuracy [--trials 200] [--seed 7]

First table: the log determinant against the exact series, n ≥ 1.25 d, r = .05 … .95: the largest
error, free of sampling noise. Second table: E KL against simulated training runs, n ≥ 1.2 d: median
and largest relative error, the largest in standard errors, and the root mean square of the latter,
which is 1 if nothing but the simulation's own noise is left. About 2 minutes.
"""

from __future__ import annotations

import argparse

import numpy as np

from byheart.lab.theory.exact_log_determinant import exact_log_determinant
from byheart.lab.theory.random_matrix import regression_log_determinant
from byheart.lab.theory.solvable_model import LinearOneStep

BANDS = ((0.0, 0.7), (0.7, 0.9), (0.9, 1.1), (1.1, 1.3), (1.3, np.inf))
GRID = np.r_[0.3:0.9:0.05, 0.9:1.1:0.01, 1.1:1.4:0.05, 1.6, 2.0, 3.0, 5.0, 8.0]  # of r k
NAMES = ("r k < .7", ".7–.9", ".9–1.1", "1.1–1.3", "≥ 1.3")


def header() -> None:
    print("| | " + " | ".join(NAMES) + " |")
    print("|---|" + "---|" * len(NAMES))


def by_band(cells: list[tuple[float, float, float]]) -> list[np.ndarray]:
    """Split (r k, error, …) rows into the bands."""
    table = np.array(cells)
    return [table[(table[:, 0] >= low) & (table[:, 0] < high), 1:] for low, high in BANDS]


def log_determinant_cells(d: int) -> list[tuple[float, float, float]]:
    cells = []
    for r in (0.05, 0.1, 0.2, 0.35, 0.505, 0.65, 0.8, 0.9, 0.95):
        for target in GRID:
            n = d + 2 * round((target / r - 1) * d / 2)
            if n >= 1.25 * d and n <= 12 * d:
                exact = exact_log_determinant(d, n, r)
                error = float(regression_log_determinant(d, n, r, 1 - r)) - exact
                cells.append((r * n / d, error, 0.0))
    return cells


def divergence_cells(d: int, trials: int, seed: int) -> list[tuple[float, float, float]]:
    cells = []
    for noise_scale in (0.1, 0.5, 1.0, 2.0, 5.0):
        for ratio in (1.2, 1.4, 1.7, 2.0, 2.5, 3.5, 5.0):
            model = LinearOneStep(d, 1.0, noise_scale)
            n = round(ratio * d)
            found = model.simulate(n, trials, seed + n).kl
            gap = float(model.expected_kl(n)) - found.mean
            share = model.correlation * (n - 1) / d
            cells.append((share, gap / found.mean, gap / found.standard_error))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    print("Log determinant against the exact series, largest error:\n")
    header()
    for d in (4, 8, 16, 32, 64, 100):
        worst = [f"{np.abs(band[:, 0]).max():.4f}" for band in by_band(log_determinant_cells(d))]
        print(f"| d = {d} | " + " | ".join(worst) + " |", flush=True)
    print(f"\nE KL against {arguments.trials} simulated runs each, relative error:\n")
    header()
    scores = []
    for d in (16, 64):
        cells = divergence_cells(d, arguments.trials, arguments.seed)
        scores += [cell[2] for cell in cells]
        entries = [
            f"{np.median(np.abs(b[:, 0])):.2%} ({np.abs(b[:, 0]).max():.2%}; "
            f"{np.abs(b[:, 1]).max():.1f} se)"
            for b in by_band(cells)
        ]
        print(f"| d = {d} | " + " | ".join(entries) + " |", flush=True)
    print(
        "\nMedian (largest; largest in standard errors). Root mean square of the errors in standard"
    )
    print(f"errors, {len(scores)} cells: {np.sqrt(np.mean(np.square(scores))):.2f}")


if __name__ == "__main__":
    main()
