"""The neighbours of an approximate audit, and what is known about those that it missed.

The first stage (`distances.index`) compares a row with the rows of the nearest lists. How many it
reads is decided by a random sample whose true neighbours are found among all rows: as many as find
the two nearest rows of `AIM` of the sample, but at most `MOST` of all. A second sample, which had
no say in this, then measures the recall, and figures that missed neighbours would bias are computed
from its exact tables instead.

No label is seen: samples, index and tables depend on the values of the shuffled real rows, on the
generated rows and on the seed. So every relabelling test on them is exact, whatever the recall
(docs/explanation/scaling.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart import intervals
from byheart.auditing.metrics.tables import from_sample
from byheart.auditing.pool import Distances, Pool
from byheart.auditing.result import Approximation, Metric, Recall
from byheart.distances.index import Index
from byheart.distances.neighbours import Neighbours, two_way
from byheart.distances.recheck import squared_distances
from byheart.distances.rows import Chosen, Rows
from byheart.distances.tiles import without

SAMPLED = 1000  # rows of each kind whose neighbours are found exactly, to measure the recall
AIMED = 500  # rows of each kind by which the first stage decides how much to read
AIM = 0.95  # share of the two nearest rows of those that are to be found
MOST = 1 / 8  # of the real rows: to read more saves too little
WARNING = 0.9  # recall at 1 below which the report warns
ON_SAMPLE = (
    "coverage",
    "delta",
    "distance_ratio",
    "independence",
    "median_distance_ratio",
    "near_copy_share",
    "nearest_distance_ratio",
    "nearest_share",
    "reproduction_p_value",
    "share_of_generated",
)
WITHHELD = ("authenticity", "c_t")


@dataclass(frozen=True)
class Sample:
    """Random rows with their true neighbours."""

    generated: NDArray[np.intp]  # (a,) numbers of generated rows
    real: NDArray[np.intp]  # (b,) numbers of real rows, in the order of the pool
    forward: Neighbours  # (a, k) nearest real rows of the generated ones
    backward: Neighbours  # (b, 1) nearest generated row of the real ones
    among_real: Neighbours  # (b, k) nearest other real rows of the real ones

    @classmethod
    def search(
        cls,
        generated: NDArray[np.intp],
        real: NDArray[np.intp],
        made: Rows,
        rows: Rows,
        k: int,
        max_memory: int,
    ) -> Sample:
        """Find the chosen rows' neighbours among all generated rows `made` and all real `rows`."""
        ours, theirs = made[generated], rows[real]
        forward = two_way(ours, rows, k, max_memory=max_memory).forward
        backward = two_way(theirs, made, 1, max_memory=max_memory).forward
        among = two_way(theirs, rows, k + 1, max_memory=max_memory).forward
        table = without((among.distances, among.indices), real)
        return cls(generated, real, forward, backward, Neighbours(*table))

    def metrics(self, made: Rows, pool: Pool, level: float, max_memory: int) -> dict[str, Metric]:
        """Return the metrics that the sample estimates."""
        return from_sample(
            self.forward,
            self.backward,
            self.among_real,
            pool.training,
            Chosen(made, self.generated),
            pool.rows,
            level,
            max_memory,
        )


@dataclass(frozen=True)
class Search:
    """An index, how much of it is read, the tables that it gave, and their recall."""

    index: Index
    target: int  # real rows that a generated row meets at least
    distances: Distances
    sample: Sample
    approximation: Approximation

    @classmethod
    def run(
        cls,
        made: Rows,
        real: Rows,
        k: int,
        level: float,
        rng: np.random.Generator,
        max_memory: int,
    ) -> Search:
        """Find neighbours between generated rows (m, d) and shuffled real rows (N, d), and measure.

        level: of the intervals of the recall; max_memory: bytes, as for `two_way`.
        """
        generated, others = (rng.permutation(len(rows)) for rows in (made, real))
        index = Index(real, made, rng, max_memory=max_memory)
        # Of few rows the two samples share some, and the share that is read is chosen a bit low.
        aim = Sample.search(generated[-AIMED:], others[-AIMED:], made, real, 2, max_memory)
        targets = _targets(index, aim, made)
        table = index.two_way(made, k, targets[0])
        among_real = index.within(k, targets[1])
        sample = Sample.search(generated[:SAMPLED], others[:SAMPLED], made, real, k, max_memory)
        found = Approximation(
            lists=index.lists,
            read_by_generated=targets[0] / len(real),
            read_by_real=targets[1] / len(real),
            forward=recall(
                _part(table.forward, sample.generated),
                sample.forward,
                made,
                real,
                sample.generated,
                level,
            ),
            backward=recall(
                _part(table.backward, sample.real), sample.backward, real, made, sample.real, level
            ),
            among_real=recall(
                _part(among_real, sample.real), sample.among_real, real, real, sample.real, level
            ),
            sampled=ON_SAMPLE,
            withheld=WITHHELD,
        )
        distances = Distances.of(table, among_real, sample.among_real.distances[:, 0])
        return cls(index, targets[0], distances, sample, found)

    def nearest(self, rows: Rows, k: int) -> Neighbours:
        """Return the k nearest real rows found of each row (q, d), as for generated ones."""
        return self.index.forward(rows, k, self.target)

    def warnings(self) -> list[str]:
        """Return one line when a recall at 1 is low, else nothing."""
        found = self.approximation
        lowest = min(part.at_1 for part in (found.forward, found.backward, found.among_real))
        if lowest >= WARNING:
            return []
        return [
            f"the approximate search found only {lowest:.1%} of the nearest rows (a sample of "
            f"{found.forward.rows:,} rows): no p-value and no bound is wrong by that, but loose "
            "copies are missed more easily; the planted copies went through the same search. "
            "An exact audit (without --approximate) misses none"
        ]


def recall(
    found: Neighbours,
    exact: Neighbours,
    x: Rows,
    y: Rows,
    rows: NDArray[np.intp],
    level: float,
) -> Recall:
    """Return which share of the `exact` neighbours (q, k) of x[rows] in y was `found`, (q, k).

    Wilson intervals; at k one of a mean of shares, which varies no more than a proportion of
    q rows does.
    """
    count, k = exact.indices.shape
    queries = np.repeat(rows, k)

    def measured(table: Neighbours) -> NDArray[np.float64]:
        return squared_distances(x, y, queries, table.indices.ravel()).reshape(count, k)

    ours, true = measured(found), measured(exact)
    first = float((ours.min(axis=1) <= true.min(axis=1)).mean())
    all_k = float((ours <= true.max(axis=1)[:, None]).mean())
    return Recall(
        count,
        first,
        intervals.wilson(first * count, count, level),
        all_k,
        intervals.wilson(all_k * count, count, level),
    )


def _targets(index: Index, aim: Sample, made: Rows) -> tuple[int, int]:
    """Return how many real rows a generated row has to meet, and how many a real row."""
    real = index.real
    from_generated = [
        index.read_before(Chosen(made, aim.generated), aim.forward.indices),
        index.read_before(Chosen(made, aim.backward.indices[:, 0]), aim.real[:, None]),
    ]
    from_real = [index.read_before(Chosen(real, aim.real), aim.among_real.indices)]
    top = max(1, math.ceil(MOST * len(real)))
    wanted = [
        max(int(np.quantile(part, AIM, method="higher")) + 1 for part in parts)
        for parts in (from_generated, from_real)
    ]
    return min(wanted[0], top), min(wanted[1], top)


def _part(table: Neighbours, rows: NDArray[np.intp]) -> Neighbours:
    return Neighbours(table.distances[rows], table.indices[rows])
