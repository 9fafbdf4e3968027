"""P(Delta > 0) of the linear one-step model in the paper's definition, simulated and predicted.

    python -m benchmarks.transition_table [--sets 100] [--dimensions 16 36 100] [--seed 0]

T = 2, lambda = 1, fresh="exact" with N_O = 10⁴: per cell the share of training sets with Delta > 0
and, after the slash, the prediction of theory.transition (needs n > d + 1). The standard
error of a share p of 100 is 10 √(p (1 − p)) %. Then n_mem/d over d with its limit, and the limit
over r. About 1 minute.
"""

from __future__ import annotations

import argparse

import numpy as np

from byheart.lab.measures.relative import relative_distance
from byheart.lab.theory.solvable_model import LinearOneStep
from byheart.lab.theory.transition import Transition, limiting_ratio

RATIOS = (0.5, 1, 1.25, 1.5, 2, 3, 4, 6, 10)


def share_positive(model: LinearOneStep, n: int, sets: int, seed: int) -> float:
    hits = 0
    for child in np.random.SeedSequence([seed, model.dimension, n]).spawn(sets):
        rng = np.random.default_rng(child)
        x = rng.standard_normal((n, model.dimension))
        hits += relative_distance(x, model.fit(x, rng)).positive
    return hits / sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[16, 36, 100])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| n/d | " + " | ".join(f"{ratio:g}" for ratio in RATIOS) + " |")
    print("|---|" + "---|" * len(RATIOS))
    for d in arguments.dimensions:
        model = LinearOneStep(d, 2.0, 1.0)
        transition = Transition(d, model.correlation)
        cells = []
        for ratio in RATIOS:
            n = round(ratio * d)
            cell = f"{share_positive(model, n, arguments.sets, arguments.seed):.2f}"
            cells.append(cell + (f" / {transition.probability(n):.2f}" if n > d + 1 else ""))
        print(f"| d = {d} | " + " | ".join(cells) + " |", flush=True)
    r = LinearOneStep(100, 2.0, 1.0).correlation
    print(f"\nPredicted n_mem/d at r = {r:.3f}:\n")
    sizes = (8, 16, 25, 36, 64, 100, 150, 200, 300, 500, 1000)
    print("| d | " + " | ".join(str(d) for d in sizes) + " | limit |")
    print("|---|" + "---|" * (len(sizes) + 1))
    ratios = [f"{Transition(d, r).memorization_scale() / d:.2f}" for d in sizes]
    print("| n_mem/d | " + " | ".join(ratios) + f" | {limiting_ratio(r):.2f} |")
    print("\nLimit k*(r):\n")
    correlations = (0.05, 0.1, 0.2, 0.3, 0.4, 0.505, 0.6, 0.7, 0.8, 0.9)
    print("| r | " + " | ".join(f"{value:g}" for value in correlations) + " |")
    print("|---|" + "---|" * len(correlations))
    print("| k* | " + " | ".join(f"{limiting_ratio(value):.2f}" for value in correlations) + " |")


if __name__ == "__main__":
    main()
