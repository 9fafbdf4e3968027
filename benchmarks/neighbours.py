"""Speed of the two-way neighbour pass, as ratios to named peers measured in the same run.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks.neighbours [--quick]

Peers: one bare float32 product of the same size (the limit), two faiss IndexFlatL2 searches and two
scikit-learn brute-force queries for the same two answers (k = 32 one way, k = 1 the other); growth
with rows and dimension is in benchmarks/audit.py.
Times are medians of repeats in turn, so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.claims import Claim, Ratio, machine, seconds, show
from byheart.distances.neighbours import two_way, within

MODULE = "neighbours"
K = 32
PEERS = {
    "faiss": "two faiss IndexFlatL2 searches",
    "sklearn": "two brute-force scikit-learn queries",
}
LIMITS = {64: 3, 512: 1.4, 3072: 1.25}  # products that a two-way pass may cost
WANTED = {"faiss": 1.5, "sklearn": 3.5}  # times as fast, from 512 dimensions on


def peers(x: np.ndarray, y: np.ndarray) -> dict[str, Callable[[], object]]:
    calls: dict[str, Callable[[], object]] = {
        "product": lambda: x @ y.T,
        "two_way": lambda: two_way(x, y, K),
        "within": lambda: within(x, K),
    }
    try:
        import faiss
    except ImportError:
        pass
    else:

        def flat(queries: np.ndarray, rows: np.ndarray, k: int) -> None:
            index = faiss.IndexFlatL2(rows.shape[1])
            index.add(rows)
            index.search(queries, k)

        calls["faiss"] = lambda: (flat(x, y, K), flat(y, x, 1))
    from sklearn.neighbors import NearestNeighbors

    def brute(queries: np.ndarray, rows: np.ndarray, k: int) -> None:
        NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors(queries)

    calls["sklearn"] = lambda: (brute(x, y, K), brute(y, x, 1))
    return calls


def compare(rows: int, dimension: int, repeats: int, peer_repeats: int) -> list[Claim]:
    """Return the claims at one size; the peers run in the first `peer_repeats` rounds only."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((rows, dimension), dtype=np.float32) for _ in range(2))
    calls = peers(x, y)
    calls["product"]()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats):
        for name, call in calls.items():
            if repeat < peer_repeats or name in ("product", "two_way", "within"):
                times[name].append(seconds(call))
    shape = f"{rows:,} x {rows:,} rows in {dimension:,} dimensions"
    bare, ours = times["product"], times["two_way"]
    both, among = Ratio.of(ours, bare), Ratio.of(times["within"], bare)
    found = [
        Claim(
            f"both ways, {shape}: at most {LIMITS[dimension]} products",
            f"one bare product, {np.median(bare):.2f} s",
            f"{both} products (all pairs within one set: {among})",
            both.value <= LIMITS[dimension],
            MODULE,
        )
    ]
    for name, peer in PEERS.items():
        wanted = WANTED[name] if dimension >= 512 else 1
        claim = f"both ways, {shape}: at least {wanted} times as fast as {name}"
        if name not in times:
            found.append(Claim(claim, peer, "not installed", None, MODULE))
            continue
        ratio = Ratio.of(times[name], ours[: len(times[name])])
        found.append(Claim(claim, peer, f"{ratio} times as fast", ratio.value >= wanted, MODULE))
    return found


def claims(quick: bool) -> list[Claim]:
    if quick:
        return [claim for dimension in (64, 512) for claim in compare(2_000, dimension, 3, 3)]
    sizes = ((64, 5, 3), (512, 5, 2), (3072, 2, 1))
    return [claim for size in sizes for claim in compare(10_000, *size)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 rows, a few seconds")
    quick = parser.parse_args().quick
    print(machine())
    show(claims(quick))


if __name__ == "__main__":
    main()
