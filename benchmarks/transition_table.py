"""P(Delta > 0) of the solvable model, simulated in exact arithmetic, beside the prediction.

    python -m benchmarks.transition_table [--trials 100] [--paper]

T = 2, lambda = 1, fresh = "exact", N_O = 10,000. First the table over n/d for several d; then
n_mem/d as predicted, and its limit k*(r). With --paper also the reference code's arithmetic at
d = 100 (float32, the diagonal not cancelled) beside the exact one, and the time of one exact run.
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from byheart.distances.relative import bandwidth, relative_distance
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


def float32_sign(n: int, seed: int, d: int = 100, fresh: int = 10_000) -> int:
    """Return the sign of Delta at d = 100 with plain float32 densities and diagonals kept."""
    rng = np.random.default_rng([seed, d, n])
    x = rng.standard_normal((n, d)).astype(np.float32)
    outside = rng.standard_normal((fresh, d)).astype(np.float32)
    law = LinearOneStep(d, 2.0, 1.0).fit(x, rng)
    cov = ((law.basis * law.values) @ law.basis.T).astype(np.float32)

    def half(points: np.ndarray) -> np.float32:
        eps2 = np.float32(bandwidth(len(points), d) ** 2)
        norm = np.float32((4 * np.pi * eps2) ** np.float32(-d / 2))
        total = np.float32(0)
        for start in range(0, len(points), 1000):
            block = points[start : start + 1000]
            squares = (block**2).sum(1)[:, None] + (points**2).sum(1) - 2 * block @ points.T
            total += np.exp(-np.maximum(squares, 0) / (4 * eps2)).sum(dtype=np.float32)
        pair = norm * total / np.float32(len(points) ** 2)
        values, basis = np.linalg.eigh(cov + eps2 * np.eye(d, dtype=np.float32))
        inside = (points - law.mean.astype(np.float32)) @ basis
        density = np.exp(-0.5 * (inside**2 / values).sum(1)) / np.sqrt(
            np.prod(2 * np.pi * values.astype(np.float32))
        )
        return pair - 2 * density.mean(dtype=np.float32)

    with np.errstate(all="ignore"):
        return int(np.sign(half(x) - half(outside)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--paper", action="store_true")
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
    if options.paper:
        start = time.perf_counter()
        for seed in range(20):
            positive(100, 100, seed)
        print(f"\none exact run at d = n = 100: {(time.perf_counter() - start) / 20 * 1e3:.1f} ms")
        for n in (50, 75, 100, 150):
            signs = [float32_sign(n, seed) for seed in range(5)]
            exact = np.mean([positive(100, n, seed) for seed in range(100)])
            print(
                f"d = 100, n = {n}: share of positive signs in float32 "
                f"{np.mean(np.array(signs) > 0):.2f} "
                f"(5 runs), in exact arithmetic {exact:.2f} (100 runs)"
            )
        print(f"float32's smallest normal number is e^{math.log(np.finfo(np.float32).tiny):.0f}")


if __name__ == "__main__":
    main()
