"""False alarms and power of the audit on real digits, beside C_T and the DCR share.

    python -m benchmarks.calibration [--repeats 100] [--clean 200] [--seed 2024]

8x8 digits scaled to [0, 1], |T| = |H| = 400, m = 800, level 5%. G is drawn from other digits with
pixel noise "blur", then a share of it is replaced by training points with pixel noise "noise", all
clipped to [0, 1]. Each figure is the share of audits that reject; every test has its own column:

C_T        Meehan, Chaudhuri and Dasgupta 2020 on one cell: Mann–Whitney z of the distances
           generated -> train against held-out -> train, rejecting below -1.645
DCR        permutation test of the share of generated rows whose nearest real row is in T
Delta      permutation test of Delta_KL at the bandwidth that does best in that row (favourable)
AUC        permutation test of the membership rank
list       false-discovery list at q = 5% names anything
BJ pair    the two Berk–Jones statistics alone
family     the whole family, as in the audit
eps        mean lower bound on epsilon

The second table copies k training points and shows how often the lower bound on their number
exceeds k, and its mean; beside it the bound that uses the distance alone.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from byheart.auditing import copies, family, membership, permutation
from byheart.auditing.pool import Distances, Points, Pool
from byheart.auditing.search import ExactSearch
from byheart.distances.neighbours import two_way

ROWS, GENERATED, LEVEL = 400, 800, 0.05
SETTINGS = (  # share copied, noise, blur
    (0.005, 0.05, 0.03),
    (0.01, 0.05, 0.03),
    (0.02, 0.05, 0.03),
    (0.02, 0.10, 0.10),
    (0.03, 0.12, 0.10),
    (0.05, 0.08, 0.08),
    (0.10, 0.15, 0.15),
    (0.05, 0.20, 0.10),
    (0.30, 0.25, 0.03),
)
CLEAN = ((0.0, 0.0, 0.03), (0.0, 0.0, 0.25))
PLANTED = (  # training points copied, noise, blur
    (0, 0.05, 0.03),
    (5, 0.05, 0.03),
    (20, 0.05, 0.03),
    (20, 0.12, 0.03),
    (100, 0.05, 0.03),
    (40, 0.20, 0.10),
    (240, 0.25, 0.03),
)
COLUMNS = ("C_T", "DCR", "Delta", "AUC", "list", "BJ pair", "family", "eps")


@dataclass(frozen=True)
class Setup:
    """One audit up to its scores."""

    pool: Pool
    distances: Distances
    points: Points
    train: NDArray[np.float64]
    heldout: NDArray[np.float64]
    generated: NDArray[np.float64]


def digits() -> NDArray[np.float64]:
    """Return the 1,797 digits, flattened, in [0, 1]."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data) / 16


def setup(copied: int, noise: float, blur: float, rng: np.random.Generator) -> Setup:
    """Draw the three sets; `copied` distinct training points come back in G."""
    data = digits()
    order = rng.permutation(len(data))
    train, heldout = data[order[:ROWS]], data[order[ROWS : 2 * ROWS]]
    generated = data[order[2 * ROWS : 2 * ROWS + GENERATED]].copy()
    generated += blur * rng.normal(size=generated.shape)
    source = rng.permutation(ROWS)[:copied]
    generated[:copied] = train[source] + noise * rng.normal(size=(copied, data.shape[1]))
    generated = generated.clip(0, 1)
    pool = Pool.shuffled(train, heldout, None, rng)
    distances = ExactSearch.run(generated, pool.rows, 32, 2**30).distances
    points = Points.of(pool, distances.scores)
    return Setup(pool, distances, points, train, heldout, generated)


def c_t(case: Setup) -> float:
    """Return the Mann–Whitney z of generated -> train against held-out -> train distances."""
    made = two_way(case.generated, case.train, 1).forward.distances[:, 0]
    kept = two_way(case.heldout, case.train, 1).forward.distances[:, 0]
    m, h = len(made), len(kept)
    u = m * h * (1 - membership.area_under_curve(made, kept))
    return float((u - m * h / 2) / np.sqrt(m * h * (m + h + 1) / 12))


def one_audit(setting: tuple[float, float, float], relabellings: int, seed: list[int]) -> list:
    """Return the p-values, or decisions, of every column; Delta has one per bandwidth."""
    rng = np.random.default_rng(seed)
    share, noise, blur = setting
    case = setup(round(share * GENERATED), noise, blur, rng)
    scores = case.points.scores  # rows stand alone here: one score per row
    forward = case.distances.table.forward
    groups = family.family(
        scores,
        ROWS,
        family.over_generated(forward, case.distances.bandwidths, len(case.pool.rows)),
    )
    values, _ = permutation.evaluate(groups, case.pool.units.relabellings(relabellings, rng))
    pooled = permutation.pool_p_values(groups, values)
    own = {t.name: t.p_value for t in pooled.tests}
    pair = permutation.pool_p_values(groups[:1], values[:1]).p_value
    train, heldout = case.points.train_distance, case.points.heldout_distance
    q = copies.benjamini_hochberg(copies.conformal_p_values(train, heldout))
    return [
        float(c_t(case) < -1.645),
        float(own["nearest_share"] <= LEVEL),
        [float(p <= LEVEL) for name, p in own.items() if name.startswith("negative_delta")],
        float(own["membership_rank_distance"] <= LEVEL),
        float((q <= LEVEL).any()),
        float(pair <= LEVEL),
        float(pooled.p_value <= LEVEL),
        membership.epsilon_lower_bound(train, heldout, rng, LEVEL),
    ]


def one_bound(planted: tuple[int, float, float], seed: list[int]) -> tuple[int, int]:
    """Return the lower bound on the number of memorized points, and that by distance alone."""
    rng = np.random.default_rng(seed)
    case = setup(*planted, rng)
    scores, training = case.points.scores, case.pool.training
    both = copies.memorized_lower_bound((scores.distance, scores.ratio), training, LEVEL, rng)
    return both, copies.memorized_lower_bound((scores.distance,), training, LEVEL, rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--clean", type=int, default=200)
    parser.add_argument("--relabellings", type=int, default=999)
    parser.add_argument("--seed", type=int, default=2024)
    options = parser.parse_args()
    print(f"B = {options.relabellings}, seed {options.seed}, level {LEVEL:.0%}\n")
    print(f"| {'share, noise, blur':>20} | audits | " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * (len(COLUMNS) + 2))
    with ProcessPoolExecutor(2) as workers:
        for row, setting in enumerate((*SETTINGS, *CLEAN)):
            repeats = options.repeats if setting[0] else options.clean
            seeds = [[options.seed, row, k] for k in range(repeats)]
            call = partial(one_audit, setting, options.relabellings)
            outcomes = list(workers.map(call, seeds, chunksize=4))
            figures = [np.mean([o[j] for o in outcomes], axis=0).max() for j in range(len(COLUMNS))]
            label = f"{setting[0]:.1%}, {setting[1]:.2f}, {setting[2]:.2f}"
            cells = " | ".join(f"{figure:.2f}" for figure in figures)
            print(f"| {label:>20} | {repeats} | {cells} |", flush=True)
        print("\n| k, noise, blur | audits | bound > k | mean bound | by distance alone |")
        print("|" + "---|" * 5)
        for row, planted in enumerate(PLANTED):
            seeds = [[options.seed, 100 + row, k] for k in range(options.clean)]
            bounds = np.array(list(workers.map(partial(one_bound, planted), seeds, chunksize=4)))
            print(
                f"| {planted[0]}, {planted[1]:.2f}, {planted[2]:.2f} | {len(bounds)} | "
                f"{np.mean(bounds[:, 0] > planted[0]):.2f} | {bounds[:, 0].mean():.1f} | "
                f"{bounds[:, 1].mean():.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
