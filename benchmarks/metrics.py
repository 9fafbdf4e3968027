"""What the metrics beside the verdict see and miss, and what they cost.

    python -m benchmarks.metrics [--quick] [--repeats 20] [--seed 2024]

First table: 8x8 digits scaled to [0, 1], |T| = |H| = 400, m = 800, sets drawn as in
`benchmarks.calibration` (share of G that are copied training points, their pixel noise, the blur of
all the others). Each figure is a mean over repeats; "C_T alarms" is the share of repeats in which
C_T < -1.645, "audit" the share in which the whole family rejects at 5% (299 relabellings).

Second table: seconds of the metrics from the audit's tables, and of the further passes, as shares
of a whole audit without them, on Gaussian rows with |T| = |H| = m; medians, taken in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks.calibration import GENERATED, setup
from byheart import audit
from byheart.auditing import family
from byheart.auditing.metrics import further as further_metrics
from byheart.auditing.metrics import tables as metrics
from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.distances.neighbours import two_way, within

SETTINGS = (  # share copied, noise, blur
    (0.0, 0.0, 0.03),
    (0.0, 0.0, 0.25),
    (0.05, 0.08, 0.0),
    (0.05, 0.08, 0.08),
    (0.10, 0.15, 0.15),
    (0.10, 0.05, 0.25),
    (0.50, 0.05, 0.0),  # all of T
)
COLUMNS = (
    "c_t",
    "authenticity",
    "nearest_share",
    "nearest_distance_ratio",
    "near_copy_share",
    "precision",
    "density",
    "recall",
    "coverage",
    "memorization_distance",
    "vendi_score",
    "local_dimension",
    "overfit_share",
    "likelihood_gap",
    "memorized_share",
    "spurious_share",
    "ams",
    "ums",
)


def one(setting: tuple[float, float, float], seed: list[int]) -> list[float]:
    """Return the columns, whether C_T alarms, and whether the audit's family rejects."""
    rng = np.random.default_rng(seed)
    share, noise, blur = setting
    case = setup(round(share * GENERATED), noise, blur, rng)
    distances = case.distances
    tables = NeighbourTables(
        case.generated,
        case.pool.rows,
        case.pool.training,
        distances.table,
        distances.among_real,
    )
    found = metrics.measure("all", tables, 0.05, rng)
    pooled = family.run(case.pool, distances, case.points.scores, 299, rng).pooled
    z = found["c_t"].value
    return [*(found[name].value for name in COLUMNS), z < -1.645, pooled.p_value <= 0.05]


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _further(tables: NeighbourTables, rng: np.random.Generator) -> None:
    further_metrics.by_further_passes(tables, 0.05, rng)
    further_metrics.by_heldout_distances(tables, 0.05, rng)


def cost(rows: int, dimension: int, seed: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    train, heldout, made = (rng.normal(size=(rows, dimension)).astype(np.float32) for _ in range(3))
    real, training = np.concatenate([train, heldout]), np.arange(2 * rows) < rows
    table, among = two_way(made, real), within(real)

    def fresh() -> NeighbourTables:  # anew, so that nothing is known from the round before
        return NeighbourTables(made, real, training, table, among)

    times = np.array(
        [
            (
                seconds(lambda: metrics.from_tables(fresh(), 0.05)),
                seconds(lambda: _further(fresh(), rng)),
                seconds(lambda: audit(train, heldout, made)),
            )
            for _ in range(repeats)
        ]
    )
    tables, further, whole = np.median(times, axis=0)
    shares = f"{tables / whole:.2%} | {further / whole:.0%}"
    print(f"| {rows:,} | {dimension} | {whole:.1f} s | {shares} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 repeats, small sets")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2024)
    options = parser.parse_args()
    repeats = 5 if options.quick else options.repeats
    names = [name.replace("_", " ") for name in COLUMNS] + ["C_T alarms", "audit"]
    print("| share, noise, blur | " + " | ".join(names) + " |")
    print("|" + "---|" * (len(names) + 1))
    for row, setting in enumerate(SETTINGS):
        found = np.mean([one(setting, [options.seed, row, k]) for k in range(repeats)], axis=0)
        label = f"{setting[0]:.0%}, {setting[1]:.2f}, {setting[2]:.2f}"
        print(f"| {label} | " + " | ".join(f"{value:.3g}" for value in found) + " |", flush=True)
    print("\n| rows a set | d | audit | from its tables | further passes |")
    print("|" + "---|" * 5)
    sizes = ((1000, 16), (1000, 256)) if options.quick else ((2000, 64), (2000, 784))
    for rows, dimension in sizes:
        cost(rows, dimension, options.seed, 1 if options.quick else 3)


if __name__ == "__main__":
    main()
