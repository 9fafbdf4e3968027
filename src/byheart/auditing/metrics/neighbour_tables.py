"""The rows of an audit with their neighbour tables, from which its figures are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.metrics.nearest_training import nearest_training
from byheart.distances.neighbours import Neighbours, TwoWay
from byheart.distances.rows import Chosen, Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NeighbourTables:
    """Generated rows (m, d) and real rows (N, d), and who is near to whom.

    training: (N,) True for training rows, all True without held-out rows. table: (m, k) nearest
    real rows of each generated row and the other way; among_real: (N, k') nearest other real rows.
    max_memory: bytes of working memory of every search that a figure needs beside.

    What is derived is found once, on first use. Rows are read only where a list names too few
    training rows (which takes |H| far above |T|).
    """

    generated: Rows
    real: Rows
    training: NDArray[np.bool_]
    table: TwoWay
    among_real: Neighbours
    max_memory: int | None = None

    @cached_property
    def train(self) -> Chosen:
        """The training rows."""
        return Chosen(self.real, np.flatnonzero(self.training))

    @cached_property
    def heldout(self) -> Chosen:
        """The held-out rows."""
        return Chosen(self.real, np.flatnonzero(~self.training))

    @cached_property
    def to_train(self) -> tuple[Floats, NDArray[np.int64]]:
        """Distances and numbers in `train` of the two nearest training rows of generated rows."""
        forward = self.table.forward
        return nearest_training(
            forward, self.training, 2, self.generated, self.train, self.max_memory
        )

    @cached_property
    def real_to_train(self) -> Floats:
        """Distance of each real row to its nearest other training row, (N,)."""
        distances, _ = nearest_training(
            self.among_real, self.training, 1, self.real, self.train, self.max_memory, self.training
        )
        return distances[:, 0]
