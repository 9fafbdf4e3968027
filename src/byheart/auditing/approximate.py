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
from typing import final

import numpy as np
from numpy.typing import NDArray

from byheart import intervals
from byheart.auditing import search
from byheart.auditing.metrics.tables import from_sample
from byheart.auditing.pool import Distances, Sample
from byheart.auditing.result import Approximation, Metric, Recall
from byheart.auditing.search import Search
from byheart.distances.index import Index, index_memory
from byheart.distances.neighbours import Neighbours, bytes_listed, bytes_within, two_way
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
)
WITHHELD = ("authenticity", "c_t")


@final
@dataclass(frozen=True)
class ApproximateSearch(Search):
    """The tables that an index gave, how much of it is read, and their recall on a sample."""

    index: Index
    target: int  # real rows that a generated row meets at least
    sampled: NDArray[np.intp]  # (a,) the generated rows of the sample
    sample: Sample
    recalled: Approximation

    @classmethod
    def run(
        cls,
        generated: Rows,
        real: Rows,
        k: int,
        level: float,
        rng: np.random.Generator,
        max_memory: int,
    ) -> ApproximateSearch:
        """Find neighbours between generated rows (m, d) and shuffled real rows (N, d), and measure.

        level: of the intervals of the recall; max_memory: bytes, as for `two_way`.
        """
        ours, theirs = (rng.permutation(len(rows)) for rows in (generated, real))
        index = Index(real, generated, rng, max_memory=max_memory)
        # Of few rows the two samples share some, and the share that is read is chosen a bit low.
        aim = ours[-AIMED:], theirs[-AIMED:]
        targets = _targets(index, generated, *aim, max_memory)
        table = index.two_way(generated, k, targets[0])
        among_real = index.within(k, targets[1])
        ours, theirs = ours[:SAMPLED], theirs[:SAMPLED]
        sample = _sample(ours, theirs, generated, real, k, max_memory)
        found = Approximation(
            lists=index.lists,
            read_by_generated=targets[0] / len(real),
            read_by_real=targets[1] / len(real),
            forward=recall(table.forward, sample.forward, generated, real, ours, level),
            backward=recall(table.backward, sample.backward, real, generated, theirs, level),
            among_real=recall(among_real, sample.among_real, real, real, theirs, level),
            sampled=ON_SAMPLE,
            withheld=WITHHELD,
        )
        distances = Distances.of(table, among_real, sample.among_real.distances[:, 0])
        return cls(generated, real, max_memory, distances, index, targets[0], ours, sample, found)

    @property
    def exact(self) -> Sample:
        """Random rows with their true neighbours."""
        return self.sample

    @property
    def approximation(self) -> Approximation:
        """How much was read, and the recall."""
        return self.recalled

    def nearest(self, rows: Rows, k: int) -> Neighbours:
        """Return the k nearest real rows found of each row (q, d), as for generated ones."""
        return self.index.forward(rows, k, self.target)

    def warnings(self) -> list[str]:
        """Return one line when a recall at 1 is low, else nothing."""
        found = self.recalled
        lowest = min(part.at_1 for part in (found.forward, found.backward, found.among_real))
        if lowest >= WARNING:
            return []
        return [
            f"the approximate search found only {lowest:.1%} of the nearest rows (a sample of "
            f"{found.forward.rows:,} rows): no p-value and no bound is wrong by that, but loose "
            "copies are missed more easily; the planted copies went through the same search. "
            "An exact audit (without --approximate) misses none"
        ]

    def metrics(
        self, chosen: str, training: NDArray[np.bool_], level: float, rng: np.random.Generator
    ) -> dict[str, Metric]:
        """Return the metrics that the sample estimates, which are never all, and draw nothing."""
        made = Chosen(self.generated, self.sampled)
        return from_sample(self.sample, training, made, self.real, level, self.max_memory)


def _sample(
    ours: NDArray[np.intp],
    theirs: NDArray[np.intp],
    generated: Rows,
    real: Rows,
    k: int,
    max_memory: int,
) -> Sample:
    """Find the true neighbours of some generated rows and of some real rows."""
    some, others = generated[ours], real[theirs]
    forward = two_way(some, real, k, max_memory=max_memory).forward
    backward = two_way(others, generated, 1, max_memory=max_memory).forward
    among = two_way(others, real, k + 1, max_memory=max_memory).forward
    table = without((among.distances, among.indices), theirs)
    return Sample(forward, backward, Neighbours(*table), theirs)


def recall(
    found: Neighbours,
    exact: Neighbours,
    x: Rows,
    y: Rows,
    rows: NDArray[np.intp],
    level: float,
) -> Recall:
    """Return which share of the `exact` neighbours (q, k) of x[rows] in y was `found`.

    found: (n, k) neighbours of all rows of x; rows: (q,).
    Wilson intervals; at k one of a mean of shares, which varies no more than a proportion of
    q rows does.
    """
    count, k = exact.indices.shape
    queries = np.repeat(rows, k)

    def measured(indices: NDArray[np.int64]) -> NDArray[np.float64]:
        return squared_distances(x, y, queries, indices.ravel()).reshape(count, k)

    ours, true = measured(found.indices[rows]), measured(exact.indices)
    first = float((ours.min(axis=1) <= true.min(axis=1)).mean())
    all_k = float((ours <= true.max(axis=1)[:, None]).mean())
    return Recall(
        count,
        first,
        intervals.wilson(first * count, count, level),
        all_k,
        intervals.wilson(all_k * count, count, level),
    )


def _targets(
    index: Index,
    generated: Rows,
    ours: NDArray[np.intp],
    theirs: NDArray[np.intp],
    max_memory: int,
) -> tuple[int, int]:
    """Return how many real rows a generated row has to meet, and how many a real row.

    Decided by some generated rows, `ours`, and some real ones, `theirs`.
    """
    real = index.real
    aim = _sample(ours, theirs, generated, real, 2, max_memory)
    from_generated = [
        index.read_before(Chosen(generated, ours), aim.forward.indices),
        index.read_before(Chosen(generated, aim.backward.indices[:, 0]), theirs[:, None]),
    ]
    from_real = [index.read_before(Chosen(real, theirs), aim.among_real.indices)]
    top = max(1, math.ceil(MOST * len(real)))
    wanted = [
        max(int(np.quantile(part, AIM, method="higher")) + 1 for part in parts)
        for parts in (from_generated, from_real)
    ]
    return min(wanted[0], top), min(wanted[1], top)


def bytes_index(real: int, dimension: int, itemsize: int, k: int) -> tuple[int, int]:
    """Return the bytes of the index and the sample, and the most that making the index takes."""
    held, making = index_memory(real, dimension)
    # The sample: rows searched again, their exact tables, and where those lie.
    row = 4 * bytes_listed(k) + bytes_within(1, k) + 2 * dimension * itemsize
    return held + 2 * SAMPLED * row, making


def bytes_search(real: int, generated: int, k: int) -> tuple[int, int]:
    """Return the bytes as of an exact search, with short lists and lists of the index."""
    between, among = search.bytes_search(real, generated, k)
    return between + 80 * real + 24 * generated, among + 80 * real
