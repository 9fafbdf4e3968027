"""How far the closed forms of the solvable model are from simulation, per regime.

    python -m benchmarks.theory_accuracy [--trials 400]

For each dimension and regime of k r (the second scale is k r = 1) it prints the largest error of
E log det(S/sigma²), with its own standard error, and the largest relative error of E KL, over
several noise scales and times. Nothing is fitted to these runs.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor

from byheart.theory.solvable_model import LinearOneStep

DIMENSIONS = (16, 60)
SETTINGS = ((0.5, 0.3), (2.0, 1.0), (1.0, 2.5))  # time, noise scale: r = .84, .50, .32
REGIMES = (  # name, values of k r
    ("k r < 0.8", (0.5, 0.65)),
    ("0.8 to 1.25", (0.85, 0.95, 1.0, 1.05, 1.15, 1.25)),
    ("k r > 1.25", (1.6, 3.0, 8.0)),
)


def errors(case: tuple[int, float, float, float, int]) -> tuple[float, float, float, float] | None:
    """Return error and standard error of log det, then of E KL relative; None where k < 1.1."""
    d, time, noise_scale, kr, trials = case
    model = LinearOneStep(d, time, noise_scale)
    n = round(kr / model.correlation * d) + 1
    if n < 1.1 * d + 2:
        return None
    found = model.simulate(n, trials, seed=d + n)
    determinant, kl = found.log_determinant, found.kl
    return (
        float(model.log_determinant(n)) - determinant.mean,
        determinant.standard_error,
        float(model.expected_kl(n)) / kl.mean - 1,
        kl.standard_error / kl.mean,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=400)
    options = parser.parse_args()
    print("| d | regime | cells | log det, largest error (s.e.) | E KL, largest error (s.e.) |")
    print("|---|---|---|---|---|")
    with ProcessPoolExecutor(2) as workers:
        for d in DIMENSIONS:
            for name, values in REGIMES:
                cases = [(d, *setting, kr, options.trials) for setting in SETTINGS for kr in values]
                found = [row for row in workers.map(errors, cases) if row is not None]
                determinant = max(found, key=lambda row: abs(row[0]))
                kl = max(found, key=lambda row: abs(row[2]))
                print(
                    f"| {d} | {name} | {len(found)} | {determinant[0]:+.3f} ({determinant[1]:.3f}) "
                    f"| {kl[2]:+.2%} ({kl[3]:.2%}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
