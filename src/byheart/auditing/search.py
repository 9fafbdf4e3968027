"""The neighbours of an audit: who is near to whom, found exactly here, or as in `approximate`.

No search sees a label: tables depend on the values of the rows, on the order of the real rows,
which the caller has shuffled, and on the seed. So every relabelling test on them is exact, even
where neighbours were missed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.auditing.metrics.tables import measure
from byheart.auditing.pool import Distances, Sample
from byheart.auditing.result import Approximation, Metric
from byheart.distances.neighbours import (
    Neighbours,
    bytes_listed,
    bytes_two_way,
    bytes_within,
    two_way,
    within,
)
from byheart.distances.rows import Rows


@dataclass(frozen=True)
class Search(ABC):
    """The tables of generated rows (m, d) and real rows (N, d), and how to find more."""

    generated: Rows
    real: Rows
    max_memory: int  # bytes of working memory of each further search
    distances: Distances

    @property
    @abstractmethod
    def exact(self) -> Sample:
        """The rows from which figures are computed that a missed neighbour would bias."""

    @property
    @abstractmethod
    def approximation(self) -> Approximation | None:
        """How the tables were approximated and what that missed; None: all neighbours are true."""

    @abstractmethod
    def nearest(self, rows: Rows, k: int) -> Neighbours:
        """Return the k nearest real rows of further rows (q, d), found as for generated ones."""

    @abstractmethod
    def warnings(self) -> list[str]:
        """Return what the report has to warn of."""

    @abstractmethod
    def metrics(
        self, chosen: str, training: NDArray[np.bool_], level: float, rng: np.random.Generator
    ) -> dict[str, Metric]:
        """Return the metrics that these neighbours allow; arguments as for `metrics.tables`.

        training: (N,) True for training rows.
        """


@final
@dataclass(frozen=True)
class ExactSearch(Search):
    """All neighbours are the true ones; `engine` as for `two_way`."""

    engine: str = "local"

    @classmethod
    def run(
        cls, generated: Rows, real: Rows, k: int, max_memory: int, engine: str = "local"
    ) -> ExactSearch:
        """Find the k nearest real rows of every row, and the nearest generated row of real ones."""
        table = two_way(generated, real, k, max_memory=max_memory, engine=engine)
        among_real = within(real, k, max_memory=max_memory, engine=engine)
        distances = Distances.of(table, among_real, among_real.distances[:, 0])
        return cls(generated, real, max_memory, distances, engine)

    @property
    def exact(self) -> Sample:
        """All rows."""
        table = self.distances.table
        return Sample(table.forward, table.backward, self.distances.among_real)

    @property
    def approximation(self) -> None:
        """Nothing is approximate."""
        return None

    def nearest(self, rows: Rows, k: int) -> Neighbours:
        """Return the k nearest real rows of further rows (q, d)."""
        found = two_way(rows, self.real, k, max_memory=self.max_memory, engine=self.engine)
        return found.forward

    def warnings(self) -> list[str]:
        """Return nothing: no neighbour was missed."""
        return []

    def metrics(
        self, chosen: str, training: NDArray[np.bool_], level: float, rng: np.random.Generator
    ) -> dict[str, Metric]:
        """Return the metrics of all rows; arguments as for `metrics.tables.measure`."""
        tables = NeighbourTables(
            self.generated,
            self.real,
            training,
            self.distances.table,
            self.distances.among_real,
            self.max_memory,
        )
        return measure(chosen, tables, level, rng)


def bytes_search(real: int, generated: int, k: int) -> tuple[int, int]:
    """Return the bytes beside the working memory: of both ways, and then of the real rows alone."""
    between = bytes_two_way(generated, real, k)
    known = generated * bytes_listed(k) + real * bytes_listed(1)
    return between, known + bytes_within(real, k)
