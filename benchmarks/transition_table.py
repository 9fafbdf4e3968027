"""P(Delta > 0) of the solvable model, simulated in exact arithmetic, beside the prediction.

    python -m benchmarks.transition_table [--trials 100]

T = 2, lambda = 1, fresh = "exact", N_O = 10,000. First the table over n/d for several d; then
n_mem/d as predicted, its limit k*(r), and the time of one simulated run.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from byheart.distances.relative import relative_distance
from byheart.theory.solvable_model import LinearOneStep
from byheart.theory.transition import Transition, limiting_ratio

RATIOS = (0.5, 1, 1.25, 1.5, 2, 3, 4, 6, 10)
DIMENSIONS = (16, 36, 100)
CURVE = (8, 16, 25, 36, 64, 100, 150, 200, 300, 500, 1000)


def positive(d: int, n: int, seed: int) -> bool:
    """Return whether Delta > 0 for one training set."""
    rng = np.random.default_rng([seed, d, n])
    x = rng.standard_normal((n, d))
    return relative_distance(x, LinearOneStep(d, 2.0, 1.0).fit(x, rng)).positive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    seeds = range(options.trials)
    print("P(Delta > 0), simulated / predicted (standard error up to .05 / .025)\n")
    print("| n/d | " + " | ".join(f"{ratio:g}" for ratio in RATIOS) + " |")
    print("|" + "---|" * (len(RATIOS) + 1))
    with ProcessPoolExecutor(2) as workers:
        for d in DIMENSIONS:
            cells = []
            for ratio in RATIOS:
                n = round(ratio * d)
                share = np.mean(list(workers.map(partial(positive, d, n), seeds, chunksize=5)))
                theory = "–"
                if n > d + 2:
                    r = LinearOneStep(d, 2.0, 1.0).correlation
                    theory = f"{Transition(d, r).probability(n):.2f}"
                cells.append(f"{share:.2f} / {theory}")
            print(f"| d = {d} | " + " | ".join(cells) + " |", flush=True)
    r = LinearOneStep(100, 2.0, 1.0).correlation
    print("\nPredicted n_mem/d and n_mem/n_gen (n_gen = d + 3), r = .505\n")
    print("| d | n_mem/d | n_mem/n_gen |\n|---|---|---|")
    for d in CURVE:
        scale = Transition(d, r).memorization_scale()
        print(f"| {d} | {scale / d:.2f} | {scale / (d + 3):.2f} |", flush=True)
    print(
        "\nLimit k*(r): "
        + ", ".join(f"{limiting_ratio(v):.2f} at r = {v}" for v in (0.1, 0.3, 0.505, 0.7))
    )
    start = time.perf_counter()
    for seed in range(20):
        positive(100, 100, seed)
    print(f"\none run at d = n = 100: {(time.perf_counter() - start) / 20 * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
