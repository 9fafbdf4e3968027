"""What a look of the monitor costs, and how often an honest run alarms.

    python -m benchmarks.monitor [--runs 100] [--seed 0] [--figure docs/images/monitor.svg]

Cost: medians of a look, of the neighbour pass G -> T ∪ H alone and of a full audit, on Gaussian
rows, in turn, so that a busy machine disturbs all alike; printed as ratios to the pass.

Alarms: |T| = |H| = |G| = 60 in 3 dimensions, 20 looks, half of them beyond the plan of 10, level
5%. The samples of a run follow the law of the data and keep a share of themselves from look to
look ("memory"). Beside the monitor: any look's own p-value at the level, and the rank of column 0
in the running minimum of all looks so far, read at every look. Each figure is the share of runs
that alarm.

Figure: 600 digits to train on and 600 held out; a model that first learns the law (other digits
under noise that fades), from step 1,200 on mixes in training digits under noise, and less and less
noise. With --figure only this is drawn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from byheart import MemorizationMonitor, audit
from byheart.distances.neighbours import two_way
from byheart.monitoring.baseline import NEIGHBOURS
from byheart.plotting import monitor_chart, svg

LEVEL, LOOKS = 0.05, 20


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def cost(rows: int, dimension: int, seed: int, repeats: int = 7) -> None:
    rng = np.random.default_rng(seed)
    train, heldout, real = (
        rng.normal(size=(n, dimension)).astype(np.float32) for n in (rows, rows, 2 * rows)
    )
    samples = [rng.normal(size=(1000, dimension)).astype(np.float32) for _ in range(repeats + 1)]
    monitor = MemorizationMonitor(train, heldout, every=1)
    monitor.observe(0, samples[0])  # measures what is constant
    times = np.array(
        [
            (
                seconds(lambda: two_way(made, real, NEIGHBOURS)),  # noqa: B023
                seconds(lambda: monitor.observe(step + 1, made)),  # noqa: B023
                seconds(lambda: audit(train, heldout, made)),  # noqa: B023
            )
            for step, made in enumerate(samples[1:])
        ]
    )
    alone, look, full = np.median(times, axis=0)
    print(
        f"{rows:>7,} {dimension:>5}  {look / alone:>10.1f} {full / alone:>10.1f}"
        f" {full / look:>12.1f}",
        flush=True,
    )


def alarms(memory: float, runs: int, seed: int) -> None:
    found = np.zeros(3)
    for run in range(runs):
        rng = np.random.default_rng([seed, run, int(10 * memory)])
        train, heldout, kept = rng.normal(size=(3, 60, 3))
        monitor = MemorizationMonitor(
            train, heldout, every=1, seed=run, level=LEVEL, permutations=399, looks=LOOKS // 2
        )
        columns = []
        for step in range(1, LOOKS + 1):
            kept = memory * kept + np.sqrt(1 - memory**2) * rng.normal(size=kept.shape)
            monitor.observe(step, kept)
            assert monitor._known is not None
            columns.append(monitor._known.baseline.look(kept).columns)
        ranks = np.stack([np.searchsorted(np.sort(c), c, side="right") for c in columns])
        running = np.minimum.accumulate(ranks, axis=0)
        drifting = np.mean(running <= running[:, :1], axis=1)
        found += (
            monitor.alarm,
            any(o.p_value <= LEVEL for o in monitor.result().observations),
            drifting.min() <= LEVEL,
        )
    share = found / runs
    print(f"{memory:>6} {share[0]:>9.3f} {share[1]:>9.3f} {share[2]:>9.3f}", flush=True)


def figure(seed: int) -> str:
    from sklearn.datasets import load_digits

    digits = load_digits().data / 16
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits))
    train, heldout, other = digits[order[:600]], digits[order[600:1200]], digits[order[1200:]]
    monitor = MemorizationMonitor(train, heldout, every=150, samples=800, looks=20, seed=seed)
    for step in range(150, 3001, 150):
        made = other[rng.integers(len(other), size=800)]
        noise = np.full(800, 1.5 * np.exp(-step / 250) + 0.05)
        copied = rng.random(800) < (step - 1200) / 1500
        made[copied] = train[rng.integers(len(train), size=copied.sum())]
        noise[copied] = 0.2 * np.exp(-(step - 1200) / 1000) + 0.02
        monitor.update(step, made + noise[:, None] * rng.normal(size=made.shape))
    print(monitor.result().advice)
    return svg(monitor_chart(monitor.result()), "monitor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    if options.figure is not None:
        options.figure.write_text(figure(options.seed) + "\n", encoding="utf-8")
        return
    print("|T|=|H|     d   look/pass audit/pass  audit/look")
    for rows, dimension in ((600, 64), (2000, 64), (2000, 784), (10000, 784)):
        cost(rows, dimension, options.seed)
    print("memory   monitor  any look  running")
    for memory in (0.0, 0.9):
        alarms(memory, options.runs, options.seed)


if __name__ == "__main__":
    main()
