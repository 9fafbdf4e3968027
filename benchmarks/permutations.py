"""The permutation family at B = 999, against the same statistics one relabelling at a time.

    python -m benchmarks.permutations [--quick]

n = 50,000 training, held-out and generated rows: every statistic of the family on the observed
labels and 999 relabellings, with the roles exchanged too, and the pooled p-values; the distances
are given. Peers: (1) a loop over relabellings, every statistic from the labels by its definition
(numpy and scipy only), measured on a few of them and extrapolated linearly; (2) one dense numpy
product of the labels with as many rows as there are statistics, which is less than they need.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.stats import hypergeom

from benchmarks.claims import Claim, Ratio, exponent, extrapolated, machine, seconds, show
from byheart.auditing import statistics as st
from byheart.auditing.family import family, over_generated
from byheart.auditing.permutation import Group, Units, evaluate, pool_p_values
from byheart.auditing.scores import Scores
from byheart.distances.neighbours import Neighbours

MODULE = "permutations"
B, K = 999, 32
BANDWIDTHS = (0.2, 0.35, 0.5, 0.7, 1.0)
LIMIT = 60.0  # what counts as "seconds"


def problem(n: int) -> tuple[tuple[Group, ...], Units]:
    """Return the family over 2 n real rows and n generated ones, with distances drawn at random."""
    rng = np.random.default_rng(n)
    forward = Neighbours(
        np.sort(1 + rng.random((n, K)), axis=1), rng.integers(0, 2 * n, (n, K), dtype=np.int64)
    )
    scores = Scores(*rng.random((4, 2 * n)))
    training = rng.permutation(2 * n) < n
    groups = family(scores, n, over_generated(forward, BANDWIDTHS, 2 * n))
    return groups, Units(np.arange(2 * n), training)


def run(groups: tuple[Group, ...], units: Units) -> float:
    """Return the family's p-value, as an audit computes it."""
    observed, swapped = evaluate(groups, units.relabellings(B, np.random.default_rng(0)))
    pool_p_values(groups, swapped)
    return pool_p_values(groups, observed).p_value


def plain(statistic: st.Statistic) -> Callable[[np.ndarray], float]:
    """Return the statistic as a plain function of one labelling, by its definition."""
    if isinstance(statistic, st.BerkJones):
        order, cuts, marked = statistic.order, statistic.cuts, statistic.marked
        masses = [hypergeom(len(order), marked, c).logpmf(np.arange(c + 1)) for c in cuts]
        tails = [np.logaddexp.accumulate(mass[::-1])[::-1] for mass in masses]

        def berk_jones(labels: np.ndarray) -> float:
            counts = np.cumsum(labels[order], dtype=np.int64)[cuts - 1]
            return max(-tail[count] for tail, count in zip(tails, counts, strict=True))

        return berk_jones
    if isinstance(statistic, st.TailCount):
        return lambda labels: float(labels[statistic.head].sum(dtype=np.int64))
    if isinstance(statistic, st.LinearRank):
        weights = statistic.weights / 2**20
        return lambda labels: float(weights[labels == 1].mean() - weights[labels == 0].mean())
    if isinstance(statistic, st.NearestShare):
        return lambda labels: float(statistic.counts @ labels / statistic.counts.sum())
    assert isinstance(statistic, st.NegativeDelta)
    kernel = statistic.kernel.astype(np.float64)

    def negative_delta(labels: np.ndarray) -> float:
        share = np.clip(kernel @ labels, st.MISSING_SHARE, 1 - st.MISSING_SHARE)
        marked = labels.sum(dtype=np.int64)
        log_ratio = np.log(share / (1 - share)).mean()
        return float(log_ratio + np.log((len(labels) - marked) / marked))

    return negative_delta


def loop(functions: list[Callable[[np.ndarray], float]], units: Units, count: int) -> np.ndarray:
    """Evaluate all statistics on the observed labels and `count` relabellings, one after another.

    Returns (statistics, 1 + count, 2), the last axis as labelled and with the roles exchanged.
    """
    rng = np.random.default_rng(0)
    found = []
    for column in range(count + 1):
        labels = (rng.permutation(units.training) if column else units.training).astype(np.uint8)
        found.append([(f(labels), f(1 - labels)) for f in functions])
    return np.moveaxis(np.array(found), 0, 1)


def check(groups: tuple[Group, ...], units: Units) -> list[Callable[[np.ndarray], float]]:
    """Return the plain functions, after comparing them with ours on the observed labels."""
    statistics = [s for group in groups for s in group.statistics]
    functions = [plain(statistic) for statistic in statistics]
    theirs = loop(functions, units, 0)[:, 0, 0]
    labels = units.training.astype(np.uint8)[:, None]
    ours = np.array([s.evaluate(labels)[0] for s in statistics])
    # Delta passes through float32 and is rounded to 1e-6.
    if not np.allclose(ours, theirs, rtol=1e-6, atol=2e-6):
        raise SystemExit("the statistics and their definitions disagree")
    return functions


def claims(quick: bool) -> list[Claim]:
    n, few, rounds = (5_000, 20, 3) if quick else (50_000, 10, 2)
    groups, units = problem(n)
    functions = check(groups, units)
    rng = np.random.default_rng(1)
    dense = rng.random((len(functions), 2 * n), dtype=np.float32)
    labels = units.draw(250, rng).astype(np.float32)
    ours, looped, product = [], [], []
    for _ in range(rounds):
        looped.append(seconds(lambda: loop(functions, units, few - 1)))
        ours.append(seconds(lambda: run(groups, units)))
        product.append(seconds(lambda: dense @ labels))
    looped = extrapolated(looped, (B + 1) / few)
    against_loop = Ratio.of(looped, ours)
    against_product = Ratio.of(ours, extrapolated(product, (B + 1) / 250))
    took = float(np.median(ours))
    sizes = (1_000, 2_000, 4_000) if quick else (12_500, 25_000, 50_000)
    problems = [problem(size) for size in sizes]
    grown = exponent(sizes, [[seconds(lambda p=p: run(*p)) for p in problems] for _ in range(2)])
    return [
        Claim(
            f"{len(functions)} statistics under {B} relabellings, n = {n:,}, take seconds "
            f"(at most {LIMIT:g})",
            f"one dense float32 product of {len(functions)} x {2 * n:,} with the labels",
            f"{took:.1f} s, {against_product} such products",
            took <= LIMIT,
            MODULE,
        ),
        Claim(
            f"the family, n = {n:,}, is faster than a loop",
            f"a loop over relabellings in numpy, {few} of them, times {(B + 1) / few:g}",
            f"{against_loop} times as fast",
            against_loop.value > 1,
            MODULE,
        ),
        Claim(
            f"the family grows with n at most as n^1.1, n = {sizes[0]:,} to {sizes[-1]:,}",
            "itself",
            f"exponent {grown}",
            grown.value <= 1.1,
            MODULE,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5,000 rows")
    quick = parser.parse_args().quick
    print(machine())
    show(claims(quick))


if __name__ == "__main__":
    main()
