"""Guards against lost speed: ratios to a peer in the same run, never absolute times.

    python -m pytest benchmarks/test_ratios.py

Not among the tests of an ordinary `pytest`. The peer runs before every round; the bounds are about
three times what a busy two-core machine printed, so that only a changed algorithm exceeds them.
"""

import numpy as np
import pytest

from benchmarks.audit import normal
from benchmarks.claims import Call, Ratio, seconds
from benchmarks.coordinates import all_pairs, sets
from byheart.auditing.protocol import audit
from byheart.distances.neighbours import two_way
from byheart.lab.measures.coordinates import relative_coordinate_distance

pytest.importorskip("pytest_benchmark")


def in_peers(benchmark, ours: Call, peer: Call, rounds: int = 5) -> float:
    """Return the median ratio of the time of `ours` to that of the peer that ran before it."""
    bare = []
    ours()
    peer()
    benchmark.pedantic(ours, setup=lambda: bare.append(seconds(peer)), rounds=rounds)
    if benchmark.disabled:
        pytest.skip("benchmarks are disabled")
    ratio = Ratio.of(benchmark.stats.stats.data, bare)
    benchmark.extra_info["ratio"] = ratio.value
    return ratio.value


def test_both_ways_cost_few_products(benchmark):
    x, y = normal(4_000, 512, 1), normal(4_000, 512, 2)
    assert in_peers(benchmark, lambda: two_way(x, y, 32), lambda: x @ y.T) < 6


def test_sorted_coordinates_beat_all_pairs(benchmark):
    points, ones = sets(1_000), np.ones(64)
    ratio = in_peers(
        benchmark,
        lambda: relative_coordinate_distance(*points, ones),
        lambda: all_pairs(*points),
        rounds=3,
    )
    assert ratio < 1 / 5


def test_an_audit_costs_few_products(benchmark):
    # At 2,000 rows what does not grow with their product weighs most: 20 products at 10,000 rows
    # are some hundred here.
    three = [normal(2_000, 512, seed) for seed in range(3)]
    real = np.concatenate(three[:2])
    ratio = in_peers(benchmark, lambda: audit(*three), lambda: three[2] @ real.T, rounds=3)
    assert ratio < 300


def test_a_small_pass_starts_no_threads(benchmark):
    # 0.4 ms of numpy calls against some 0.1 ms for one sort of the same points.
    points = np.random.default_rng(0).normal(size=(2, 100, 8))
    ratio = in_peers(
        benchmark,
        lambda: [two_way(*points, 8) for _ in range(10)],
        lambda: [np.sort(((points[0][:, None] - points[1]) ** 2).sum(axis=2)) for _ in range(10)],
    )
    assert ratio < 10
