"""A whole audit, in products: times the one matrix product that it cannot do without.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks.audit [--quick]

10,000 training, 10,000 held-out and 10,000 generated rows of 512 float32 values, 999 permutations,
all controls, against one bare float32 product of 10,000 x 20,000 rows. "Without the planted
control" is the same run less the seconds spent in it. Then the growth of the two-way pass with the
number of rows (as many generated as real ones, 64 dimensions), and with the dimension, beside the
product's own.
"""

from __future__ import annotations

import argparse
from unittest.mock import patch

import numpy as np

from benchmarks.claims import Claim, Ratio, exponent, machine, seconds, show
from byheart.auditing import planted
from byheart.auditing.protocol import audit
from byheart.distances.neighbours import two_way

MODULE = "audit"
WITH_PLANTED, WITHOUT_PLANTED, GROWTH = 20.0, 6.0, 2.05
K = 32


def normal(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)


def audit_seconds(sets: list[np.ndarray]) -> tuple[float, float]:
    """Return the seconds of one audit, and those of them spent planting copies."""
    spent: list[float] = []
    plant = planted.planted

    def timed(setting: planted.Planting, rng: np.random.Generator) -> object:
        found: list[object] = []
        spent.append(seconds(lambda: found.append(plant(setting, rng))))
        return found[0]

    with patch.object(planted, "planted", timed):
        whole = seconds(lambda: audit(*sets))
    return whole, sum(spent)


def products(rows: int, dimension: int, rounds: int) -> tuple[Ratio, Ratio, float]:
    """Return the audit in products, with and without the planted control; and a product's time."""
    sets = [normal(rows, dimension, seed) for seed in range(3)]
    generated, real = sets[2], np.concatenate(sets[:2])
    whole, rest, bare = [], [], []
    generated @ real.T
    for _ in range(rounds):
        before = seconds(lambda: generated @ real.T)
        total, planting = audit_seconds(sets)
        bare.append((before + seconds(lambda: generated @ real.T)) / 2)
        whole.append(total)
        rest.append(total - planting)
    return Ratio.of(whole, bare), Ratio.of(rest, bare), float(np.median(bare))


def growth(shapes: list[tuple[int, int]], rounds: int) -> dict[str, list[list[float]]]:
    """Return rounds of times over the shapes (rows, dimension) of two_way and of the product."""
    data = [(normal(*shape, 1), normal(*shape, 2)) for shape in shapes]
    times: dict[str, list[list[float]]] = {"two_way": [], "product": []}
    two_way(*data[0], K)
    for _ in range(rounds):
        pairs = [
            (seconds(lambda: x @ y.T), seconds(lambda: two_way(x, y, K)))  # noqa: B023
            for x, y in data
        ]
        times["product"].append([pair[0] for pair in pairs])
        times["two_way"].append([pair[1] for pair in pairs])
    return times


def claims(quick: bool) -> list[Claim]:
    found = []
    for rows in (2_000,) if quick else (5_000, 10_000):
        whole, rest, bare = products(rows, 512, 3 if rows > 5_000 or quick else 2)
        peer = f"one bare product of {rows:,} x {2 * rows:,} rows, {bare:.2f} s"
        held = f"an audit of 3 x {rows:,} rows in 512 dimensions takes at most"
        # The claim is about 10,000 rows; what does not grow with them weighs more in fewer.
        for name, ratio, limit in (
            ("", whole, WITH_PLANTED),
            (", the planted control left out,", rest, WITHOUT_PLANTED),
        ):
            claim = f"{held} {limit:g} products{name}".rstrip(",")
            found.append(Claim(claim, peer, f"{ratio} products", ratio.value <= limit, MODULE))
    sizes = (1_000, 2_000, 4_000, 8_000) if quick else (5_000, 10_000, 20_000, 40_000)
    times = growth([(rows, 64) for rows in sizes], 3 if quick else 2)
    ours, bare = exponent(sizes, times["two_way"]), exponent(sizes, times["product"])
    found.append(
        Claim(
            f"the two-way pass grows with n to the power {GROWTH} at most, "
            f"n = {sizes[0]:,} to {sizes[-1]:,} rows in 64 dimensions",
            f"the bare product, whose exponent is {bare.value:.2f}",
            f"exponent {ours}",
            ours.value <= GROWTH,
            MODULE,
        )
    )
    dimensions = (64, 256, 1024)
    times = growth([(2_000 if quick else 5_000, d) for d in dimensions], 3)
    ours, bare = exponent(dimensions, times["two_way"]), exponent(dimensions, times["product"])
    found.append(
        Claim(
            "the two-way pass grows with d at most linearly, d = 64 to 1,024",
            f"the bare product, whose exponent is {bare.value:.2f}",
            f"exponent {ours}",
            ours.value <= 1.0,
            MODULE,
        )
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 rows, half a minute")
    quick = parser.parse_args().quick
    print(machine())
    show(claims(quick))


if __name__ == "__main__":
    main()
