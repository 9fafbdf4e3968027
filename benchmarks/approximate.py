"""The approximate search of an audit against the exact one: time, recall, and what it costs.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.approximate [--quick]

First table: processor seconds of one thread (what else the machine does then matters little) for
the tables of an audit, both ways between `rows` generated and as many real rows, and among the
real ones. *exact*: `two_way` and `within`. *approx.*: `ApproximateSearch.run`: index, two samples
searched exactly, tables, recall; *tables*: of that the index and the tables, which is what grows.
*read*: share of real rows that a generated row meets. Recall: of the nearest real row of all
generated rows, of the 32 nearest of a sample, and of the nearest generated row of all real rows.
*faiss*: IndexIVFFlat with √N lists, three searches (k = 32, 1, 33) that read the same share, and
its recall of the nearest real row.

Second table: the smallest share of T whose noisy copies an audit finds in 95% of repeats (the
planted control, 40 repeats), by noise in units of the median nearest distance; T, H and G of the
same size. The same copies and relabellings for both searches.

Third table: two usual first stages, by the share of true nearest rows that they find.

Last table: clean audits (T, H and G of one law) whose first stage reads one list of ten: the share
that rejects at level .05, with a Clopper–Pearson interval, and the recall of the nearest real row.
*binary* are rows of 10 binary columns, full of ties.

*surface* are rows on a curved surface of 10 dimensions, *gauss* rows without structure.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import replace
from os import getloadavg
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from byheart.auditing import family, planted
from byheart.auditing.approximate import ApproximateSearch
from byheart.auditing.permutation import Units
from byheart.auditing.pool import Distances, Pool
from byheart.auditing.search import ExactSearch, Search
from byheart.distances.index import Index
from byheart.distances.neighbours import two_way, within
from byheart.intervals import clopper_pearson

K = 32
MEMORY = 1 << 30


def curved(rng: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    """Rows on a smooth surface of 10 dimensions, as images are said to lie."""
    weights = np.random.default_rng(1)
    hidden = np.tanh(rng.standard_normal((rows, 10)) @ weights.standard_normal((10, 64)) / 2)
    return (hidden @ weights.standard_normal((64, dimension)) / 8).astype(np.float32)


def gauss(rng: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    return rng.standard_normal((rows, dimension), dtype=np.float32)


LAWS = {"surface": curved, "gauss": gauss}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    with threadpool_limits(1):
        start = time.process_time()
        answer = call()
        return time.process_time() - start, answer


def inverted_lists(made: np.ndarray, real: np.ndarray, share: float) -> np.ndarray | None:
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    lists = round(math.sqrt(len(real)))
    answers = []
    for base, searches in ((real, ((made, K), (real, K + 1))), (made, ((real, 1),))):
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(base.shape[1]), base.shape[1], lists)
        index.train(base)
        index.add(base)
        index.nprobe = max(1, round(share * lists))
        answers += [index.search(queries, k)[1] for queries, k in searches]
    return answers[0][:, 0]


def times(sizes: list[tuple[str, int, int]]) -> None:
    print(
        f"{'data':>8} {'rows':>6} {'d':>4} {'exact':>6} {'approx.':>7} {'ratio':>5} {'tables':>6} "
        f"{'ratio':>5} {'read':>5} {'at 1':>5} {'at 32':>5} {'back':>5} {'faiss':>6} {'at 1':>5}"
    )
    for name, rows, dimension in sizes:
        rng = np.random.default_rng(0)
        real, made = (LAWS[name](rng, rows, dimension) for _ in range(2))
        exact, (both, _) = timed(lambda: (two_way(made, real, K), within(real, K)))  # noqa: B023
        whole, search = timed(
            lambda: ApproximateSearch.run(made, real, K, 0.05, np.random.default_rng(1), MEMORY)  # noqa: B023
        )
        found = search.approximation

        def tables() -> None:
            index = Index(real, made, np.random.default_rng(1))  # noqa: B023
            index.two_way(made, K, search.target)  # noqa: B023
            index.within(K, round(found.read_by_real * rows))  # noqa: B023

        alone, _ = timed(tables)
        shares = [
            float((ours.distances[:, 0] <= true.distances[:, 0]).mean())
            for ours, true in (
                (search.distances.table.forward, both.forward),
                (search.distances.table.backward, both.backward),
            )
        ]
        peer, first = timed(lambda: inverted_lists(made, real, found.read_by_generated))  # noqa: B023
        theirs = math.nan if first is None else float((first == both.forward.indices[:, 0]).mean())
        print(
            f"{name:>8} {rows:>6} {dimension:>4} {exact:>6.2f} {whole:>7.2f} {exact / whole:>5.2f} "
            f"{alone:>6.2f} {exact / alone:>5.2f} {found.read_by_generated:>5.1%} "
            f"{shares[0]:>5.2f} {found.forward.at_k:>5.2f} {shares[1]:>5.2f} {peer:>6.2f} "
            f"{theirs:>5.2f}",
            flush=True,
        )


def power(rows: int, dimension: int) -> None:
    print(
        f"\nsmallest share of {rows:,} training rows in {dimension} dimensions whose copies are "
        f"found in 95% of {planted.REPEATS} repeats"
    )
    noises = " ".join(f"{f'noise {noise:g}':>10}" for noise in planted.NOISES)
    print(f"{'data':>8} {'search':>7} {'at 1':>5} {noises}")
    for name, law in LAWS.items():
        rng = np.random.default_rng(5)
        real, made = law(rng, 2 * rows, dimension), law(rng, rows, dimension)
        units = Units(np.arange(2 * rows), np.arange(2 * rows) < rows)
        exact = ExactSearch.run(made, real, K, MEMORY)
        found = ApproximateSearch.run(made, real, K, 0.05, np.random.default_rng(1), MEMORY)
        distances = replace(found.distances, scale=exact.distances.scale)  # equal noise
        searches: tuple[tuple[str, Search, float], ...] = (
            ("exact", exact, 1.0),
            ("approx.", replace(found, distances=distances), found.approximation.forward.at_1),
        )
        for kind, search, recall in searches:
            power = planted.planted(search, units, 0.05, np.random.default_rng(2))
            shares = power.minimum_detectable_share
            told = " ".join(f"{'none' if s is None else f'{s:.2%}':>10}" for s in shares)
            print(f"{name:>8} {kind:>7} {recall:>5.2f} {told}", flush=True)


def stages(rows: int, dimension: int) -> None:
    try:
        import faiss
    except ImportError:
        print("no faiss, no recall")
        return
    print(
        f"\nshare of true nearest rows found, {rows:,} rows of {dimension} values; IVF: 4% and "
        "16% of the lists read; projection to 64 dimensions: 100 and 1,000 rows measured again"
    )
    print(f"{'data':>8} {'queries':>14} {'IVF 4%':>7} {'16%':>5} {'64d 100':>8} {'1000':>5}")
    for name, law in LAWS.items():
        rng = np.random.default_rng(2)
        real = law(rng, rows, dimension)
        fresh = law(rng, 500, dimension)
        scale = np.median(two_way(fresh, real, 1).forward.distances)
        direction = rng.standard_normal((500, dimension)) / np.sqrt(dimension)
        copies = (real[:500] + 0.25 * scale * direction).astype(np.float32)
        lists = round(np.sqrt(rows))
        coarse = faiss.IndexFlatL2(dimension)
        index = faiss.IndexIVFFlat(coarse, dimension, lists)
        index.train(real)
        index.add(real)
        mixing = (rng.standard_normal((dimension, 64)) / 8).astype(np.float32)
        for kind, queries in (("fresh", fresh), ("copies at .25", copies)):
            true = two_way(queries, real, 1).forward.indices[:, 0]
            found = []
            for share in (0.04, 0.16):
                index.nprobe = round(share * lists)
                found.append(float((index.search(queries, 1)[1][:, 0] == true).mean()))
            near = two_way(queries @ mixing, real @ mixing, 1000).forward.indices
            found += [float((near[:, :n] == true[:, None]).any(1).mean()) for n in (100, 1000)]
            numbers = zip((7, 5, 8, 5), found, strict=True)
            print(f"{name:>8} {kind:>14} " + " ".join(f"{v:>{w}.2f}" for w, v in numbers))


def level(audits: int) -> None:
    print(f"\nshare of {audits} clean audits that rejects at level 0.05")
    print(f"{'data':>8} {'at 1':>5} {'rejects':>7} interval")
    laws = {
        "gauss": lambda rng, rows: gauss(rng, rows, 20),
        "binary": lambda rng, rows: rng.integers(0, 2, (rows, 10)).astype(np.float32),
    }
    for name, law in laws.items():
        rejected, found = 0, []
        for seed in range(audits):
            rng = np.random.default_rng([seed, 11])
            made = law(rng, 400)
            pool = Pool.shuffled(law(rng, 800), law(rng, 480), None, rng)
            index = Index(pool.rows, made, rng)
            table, among = index.two_way(made, K, 1), index.within(K, 1)
            exact = within(pool.rows, 1).distances[:, 0]
            found.append((among.distances[:, 0] <= exact).mean())
            distances = Distances.of(table, among, exact)
            tested = family.run(pool, distances, 199, rng)
            rejected += tested.pooled.p_value <= 0.05
        low, high = clopper_pearson(rejected, audits)
        share = rejected / audits
        print(f"{name:>8} {np.mean(found):>5.2f} {share:>7.1%} {low:.1%} to {high:.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sets, some 20 seconds")
    quick = parser.parse_args().quick
    print(f"numpy {np.__version__}; load average before {getloadavg()[0]:.1f}")
    times(
        [("surface", 4000, 64)]
        if quick
        else [
            ("surface", 10_000, 64),
            ("surface", 20_000, 64),
            ("surface", 40_000, 64),
            ("surface", 10_000, 512),
            ("surface", 20_000, 512),
            ("gauss", 20_000, 64),
        ]
    )
    power(*((500, 16) if quick else (2000, 64)))
    stages(*((2000, 128) if quick else (20_000, 512)))
    level(10 if quick else 500)


if __name__ == "__main__":
    main()
