"""The rows of an audit with their neighbour tables, from which its figures are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from byheart.distances.neighbours import Neighbours, TwoWay, two_way
from byheart.distances.rows import Chosen, Rows, row_blocks

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


def nearest_training(
    table: Neighbours,
    training: NDArray[np.bool_],
    count: int,
    rows: Rows,
    train: Rows,
    max_memory: int | None,
    inside: NDArray[np.bool_] | None = None,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return distances and numbers in `train` of the `count` nearest training rows.

    Read off the lists of nearest real rows; a row whose list names fewer is looked up again among
    the training rows alone. inside: rows that are training rows, and not their own neighbours.
    """
    available = len(train) - (0 if inside is None else 1)
    count = min(count, available)
    number = np.cumsum(training) - 1
    distances = np.empty((len(table.distances), count))
    indices = np.empty((len(table.distances), count), np.int64)
    short = []
    listed_rows, k = table.distances.shape
    for block in row_blocks(listed_rows, k, 1 << 18):
        listed = training[table.indices[block]]
        found = listed.sum(axis=1) >= count
        place = np.argsort(~listed, axis=1, kind="stable")[:, :count]
        distances[block] = np.take_along_axis(table.distances[block], place, axis=1)
        indices[block] = number[np.take_along_axis(table.indices[block], place, axis=1)]
        short.append(block.start + np.flatnonzero(~found))
    missing = np.concatenate(short)
    for own in (False, True) if inside is not None else (False,):
        some = missing if inside is None else missing[inside[missing] == own]
        if len(some):
            # A training row finds itself first, at distance 0: the next is its nearest other row.
            again = two_way(Chosen(rows, some), train, count + own, max_memory=max_memory).forward
            distances[some] = again.distances[:, own:]
            indices[some] = again.indices[:, own:]
    return distances, indices
