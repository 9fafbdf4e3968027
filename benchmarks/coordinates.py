"""The distance coordinate by coordinate from sorted points, against sums over all pairs.

    python -m benchmarks.coordinates [--quick]

n = 10,000 training, fresh and generated points of 64 coordinates. Peers: the same five sums over
all pairs in numpy, measured at 1,000 points and extrapolated by the square; and, if
BYHEART_REFERENCE names a checkout of the paper's code (its simulation.py), its two distances,
extrapolated too.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from benchmarks.claims import Claim, Ratio, exponent, extrapolated, in_turn, machine, seconds, show
from benchmarks.reference import reference
from byheart.lab.measures.coordinates import relative_coordinate_distance

MODULE = "coordinates"
COORDINATES, LIMIT = 64, 1.0


def all_pairs(t: np.ndarray, o: np.ndarray, g: np.ndarray) -> float:
    """Return Delta for unit deviations, from every pair of points."""

    def kernel_sum(a: np.ndarray, b: np.ndarray, width: float) -> float:
        total = 0.0
        for c in range(a.shape[1]):
            for start in range(0, len(a), 256):
                gap = (a[start : start + 256, c, None] - b[None, :, c]) / width
                total += float(np.exp(-0.5 * gap * gap).sum())
        return total / (len(a) * len(b) * width * math.sqrt(2 * math.pi) * a.shape[1])

    pairs = [kernel_sum(x, x, math.sqrt(2) / len(x)) for x in (t, o, g)]
    cross = [kernel_sum(x, g, math.hypot(1 / len(x), 1 / len(g))) for x in (t, o)]
    return (pairs[0] - 2 * cross[0]) - (pairs[1] - 2 * cross[1])


def sets(rows: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(3, rows, COORDINATES)))


def claims(quick: bool) -> list[Claim]:
    rows, small, rounds = (2_000, 500, 3) if quick else (10_000, 1_000, 5)
    large, few, ones = sets(rows), sets(small), np.ones(COORDINATES)
    agree = math.isclose(
        relative_coordinate_distance(*few, ones).delta, all_pairs(*few), rel_tol=1e-6
    )
    if not agree:
        raise SystemExit("the two ways to compute Delta disagree")
    times = in_turn(
        {
            "ours": lambda: relative_coordinate_distance(*large, ones),
            "pairs": lambda: all_pairs(*few),
        },
        rounds,
    )
    factor = (rows / small) ** 2
    ratio = Ratio.of(extrapolated(times["pairs"], factor), times["ours"])
    took = float(np.median(times["ours"]))
    found = [
        Claim(
            f"{rows:,} points in {COORDINATES} coordinates take less than {LIMIT:g} s",
            f"all pairs in numpy, measured at {small:,} points, times {factor:g}",
            f"{took:.2f} s, {ratio} times as fast",
            took < LIMIT,
            MODULE,
        )
    ]
    sizes = (500, 1_000, 2_000) if quick else (2_500, 5_000, 10_000, 20_000)
    each = [sets(size) for size in sizes]
    grown = exponent(
        sizes,
        [
            [seconds(lambda x=x: relative_coordinate_distance(*x, ones)) for x in each]
            for _ in range(3)
        ],
    )
    found.append(
        Claim(
            f"time grows with n almost linearly, below n^1.2, n = {sizes[0]:,} to {sizes[-1]:,}",
            "all pairs, n^2",
            f"exponent {grown}",
            grown.value <= 1.2,
            MODULE,
        )
    )
    theirs = reference("simulation.py")
    if theirs is not None:
        import torch

        least = 250  # its cross sums are a loop over pairs
        t, o, g = (torch.tensor(x, dtype=torch.float32) for x in sets(least))
        deviations = torch.ones(COORDINATES)
        factor = (rows / least) ** 2
        times = in_turn(
            {
                "ours": lambda: relative_coordinate_distance(*large, ones),
                "theirs": lambda: [theirs["distance"](g, x, deviations) for x in (o, t)],
            },
            3,
        )
        ratio = Ratio.of(extrapolated(times["theirs"], factor), times["ours"])
        peer = f"the paper's simulation.py, measured at {least:,} points, times {factor:,.0f}"
        claim = f"{rows:,} points in {COORDINATES} coordinates, at least 100 times as fast"
        found.append(Claim(claim, peer, f"{ratio} times as fast", ratio.value >= 100, MODULE))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 points")
    quick = parser.parse_args().quick
    print(machine())
    show(claims(quick))


if __name__ == "__main__":
    main()
