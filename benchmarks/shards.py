"""The neighbour pass on 1 and 2 Ray workers, and what it moves.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.shards [--quick]

First table: seconds of `two_way` (k = 32) on float32 rows, in one process with one thread and on
local clusters of one and of two single-threaded workers; the better of two runs. Bare is a
float32 product of the same size in one thread, and "x2" how much faster two threads make it: what
the second core of the machine is worth at that moment, and the most that a second worker can give.
"1:2" is what it gave. Put are the bytes of rows put into the object store, read those that tasks
read, lists what they answer. Driver is the processor time of this process during the pass on two
workers: shipping, merging and measuring again in float64. Own is the largest memory that a worker
had to itself, rows that of two shards in the store; a task keeps their sum below its limit and what
an idle worker has. Every sharded answer is compared with that of one process, bit by bit.

Then what the driver does for a pass in 3072 dimensions, each step alone in one thread: measuring a
query again, merging a row's list of one task, shipping rows into the store; and the memory of a
worker that has loaded byheart and waits.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from os import getloadavg, getpid
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from byheart.cluster import joined
from byheart.distances import shards
from byheart.distances.neighbours import TwoWay, two_way
from byheart.distances.tiles import Pass

K = 32
LIMIT = 384 << 20


def parent(pid: str) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1]


def worker_memory() -> int:
    """Return the largest memory of a worker of our own cluster, without files and shared pages.

    Linux only; 0 elsewhere.
    """
    highest = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            command = (folder / "cmdline").read_bytes()
            if not command.startswith(b"ray::") or parent(parent(folder.name)) != str(getpid()):
                continue
            status = (folder / "status").read_text(encoding="utf-8")
            parts = re.findall(r"RssAnon:\s+(\d+) kB", status)
            highest = max(highest, sum(map(int, parts)) * 1024)
    return highest


@contextlib.contextmanager
def watched(found: list[int]) -> Iterator[None]:
    """Append the peak of `worker_memory` during the block to `found`."""
    over, peak = threading.Event(), 0

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.1):
            peak = max(peak, worker_memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        found.append(peak)


def same(one: TwoWay, other: TwoWay) -> bool:
    pairs = ((one.forward, other.forward), (one.backward, other.backward))
    return all(
        a.distances.tobytes() == b.distances.tobytes()
        and a.indices.tobytes() == b.indices.tobytes()
        for a, b in pairs
    )


def timed(call: object, repeats: int = 2) -> tuple[float, object]:
    best, answer = np.inf, None
    for _ in range(repeats):
        start = time.perf_counter()
        answer = call()  # type: ignore[operator]
        best = min(best, time.perf_counter() - start)
    return float(best), answer


def product(x: np.ndarray, y: np.ndarray, threads: int) -> None:
    starts = range(0, len(x), 1024)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda a: (x[a : a + 1024] @ y.T)[0, 0], starts):
            pass


def passes(sizes: list[tuple[int, int]]) -> None:
    sets, single = {}, {}
    for rows, dimension in sizes:
        rng = np.random.default_rng(0)
        x, y = (rng.standard_normal((rows, dimension), dtype=np.float32) for _ in range(2))
        sets[rows, dimension] = x, y
        with threadpool_limits(1):
            bare, both = (timed(lambda: product(x, y, threads))[0] for threads in (1, 2))  # noqa: B023
            alone, answer = timed(lambda: two_way(x, y, K, max_memory=LIMIT))  # noqa: B023
        single[rows, dimension] = bare, bare / both, alone, answer
    shared: dict[tuple[int, int], dict[int, float]] = {size: {} for size in sizes}
    notes = {}
    for workers in (1, 2):
        with joined(workers):
            two_way(np.ones((9, 2)), np.ones((9, 2)), 1, engine="ray")  # loads byheart there
            for size in sizes:
                x, y = sets[size]
                peaks: list[int] = []
                busy = time.process_time()
                with watched(peaks):
                    seconds, answer = timed(
                        lambda: two_way(x, y, K, max_memory=LIMIT, engine="ray")  # noqa: B023
                    )
                busy = (time.process_time() - busy) / 2
                if not same(answer, single[size][3]):
                    raise SystemExit("the sharded pass has another answer")
                shared[size][workers] = seconds
                notes[size] = busy, max(peaks), shards.ShardedPass(x, y, K, 1, LIMIT, None)
    print(
        f"{'rows':>6} {'d':>5} {'GF/s':>5} {'bare':>6} {'x2':>5} {'alone':>6} {'1 w.':>6} "
        f"{'2 w.':>6} {'1:2':>5} {'shard':>6} {'tasks':>5} {'put MB':>7} {'read':>6} {'lists':>6} "
        f"{'driver':>6} {'own MiB':>7} {'rows':>4}"
    )
    for (rows, dimension), (bare, double, alone, _) in single.items():
        busy, peak, cut = notes[rows, dimension]
        one, two = (shared[rows, dimension][w] for w in (1, 2))
        across = -(-rows // cut.stripe)
        put = 2 * rows * dimension * 4 / 1e6
        lists = 8 * rows * across * (cut.tiles.size + cut.tiles.size_back) / 1e6
        print(
            f"{rows:>6} {dimension:>5} {2 * rows**2 * dimension / bare / 1e9:>5.0f} {bare:>6.2f} "
            f"{double:>5.2f} {alone:>6.2f} {one:>6.2f} {two:>6.2f} {one / two:>5.2f} "
            f"{cut.stripe:>6} {across**2:>5} {put:>7.0f} {put * across:>6.0f} {lists:>6.1f} "
            f"{busy:>6.2f} {peak >> 20:>7} {8 * dimension * cut.stripe >> 20:>4}",
            flush=True,
        )


def driver(rows: int, dimension: int = 3072) -> None:
    """Print what each step of the driver costs, and what a waiting worker holds."""
    rng = np.random.default_rng(3)
    x, y = (rng.standard_normal((rows, dimension), dtype=np.float32) for _ in range(2))
    with threadpool_limits(1):
        met = Pass(x, y, K, 1, LIMIT, None)
        met.keys, _ = met.lists()
        again, _ = timed(lambda: [met._settle_forward(at, 0) for at in range(0, rows, met.rows)])
    other = met.keys + (np.int64(1) << 32)
    merging, _ = timed(lambda: shards._merged(met.keys, other))
    with joined(1) as ray:
        two_way(np.ones((9, 2)), np.ones((9, 2)), 1, engine="ray")  # loads byheart there
        waiting = worker_memory()
        shipping, _ = timed(lambda: ray.put(x))
    print(
        f"\ndriver, {rows:,} rows of {dimension:,} values: {1e6 * again / rows:.1f} us to measure "
        f"a query again, {1e6 * merging / rows:.2f} us a row and task to merge, "
        f"{x.nbytes / shipping / 1e9:.2f} GB/s into the store; a waiting worker holds "
        f"{waiting >> 20} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sets, some 20 seconds")
    quick = parser.parse_args().quick
    print(
        f"{shards.kernel()}; load average before {getloadavg()[0]:.1f}; "
        f"limit of a task {LIMIT >> 20} MiB"
    )
    passes([(2048, 64), (2048, 512)] if quick else [(16384, 64), (8192, 512), (5120, 3072)])
    driver(1024 if quick else 8192)


if __name__ == "__main__":
    main()
