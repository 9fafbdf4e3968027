"""Speed of the two-way neighbour pass, as ratios to named peers measured in the same run.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks.neighbours [--quick]

Peers: one bare float32 product of the same size (the limit), two faiss IndexFlatL2 searches and two
scikit-learn brute-force queries for the same two answers (k = 32 one way, k = 1 the other).
Times are medians of repeats in turn, so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_info

from byheart.distances.neighbours import two_way, within

K = 32


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


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


def compare(rows: int, dimension: int, repeats: int, peer_repeats: int) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((rows, dimension), dtype=np.float32) for _ in range(2))
    calls = peers(x, y)
    calls["product"]()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats):
        for name, call in calls.items():
            if repeat < peer_repeats or name in ("product", "two_way", "within"):
                times[name].append(seconds(call))
    median = {name: float(np.median(values)) for name, values in times.items()}
    ours, bare = median["two_way"], median["product"]
    line = (
        f"{rows:>7} {dimension:>6} {bare:>9.3f} {ours / bare:>8.2f} {median['within'] / bare:>8.2f}"
    )
    for name in ("faiss", "sklearn"):
        line += f" {median[name] / ours:>9.2f}" if name in median else f" {'-':>9}"
    print(line, flush=True)


def growth(dimension: int, small: int, large: int) -> float:
    rng = np.random.default_rng(1)
    found = []
    for rows in (small, large):
        x, y = (rng.standard_normal((rows, dimension), dtype=np.float32) for _ in range(2))
        found.append(float(np.median([seconds(lambda: two_way(x, y, K)) for _ in range(3)])))  # noqa: B023
    return math.log(found[1] / found[0]) / math.log(large / small)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 rows, a few seconds")
    quick = parser.parse_args().quick
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            kernel = f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}"
            print(f"BLAS: {kernel}, {pool['num_threads']} threads")
    print("two_way and within: time / one bare product. faiss and sklearn: their time / two_way.")
    print(f"{'rows':>7} {'d':>6} {'product s':>9} {'two_way':>8} {'within':>8}", end="")
    print(f" {'faiss':>9} {'sklearn':>9}")
    if quick:
        for dimension in (64, 512, 3072):
            compare(2000, dimension, 3, 3)
        return
    compare(10_000, 64, 7, 3)
    compare(10_000, 512, 5, 2)
    compare(10_000, 3072, 3, 1)
    print(f"time grows as rows^{growth(64, 5_000, 20_000):.2f} (d = 64, 5,000 to 20,000 rows)")


if __name__ == "__main__":
    main()
