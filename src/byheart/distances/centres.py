"""The centres of an index: k-means on a random sample of rows, and scores of rows against them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from byheart.distances.lower_bounds import Frame
from byheart.distances.rows import Chosen, Rows, row_blocks

Scores = NDArray[np.float32]

ROUNDS = 8  # of k-means: more move the centres little
SAMPLED_PER_LIST = 48  # rows of the sample on which the centres are found
BLOCK_VALUES = 1 << 20  # of rows prepared, or of scores, at a time


@dataclass(frozen=True)
class Centres:
    """L centres c as the right sides (c, 0, |c|²) of products with rows as `frame` prepares them.

    right: (L, d + 2). The product of a row a is |c|² - 2 a.c: the smallest is the nearest centre.
    """

    frame: Frame
    right: Scores

    @property
    def count(self) -> int:
        """L, the number of centres."""
        return len(self.right)

    @classmethod
    def of(cls, frame: Frame, real: Rows, count: int, rng: np.random.Generator) -> Centres:
        """Find `count` centres of the rows `real`, (N, d)."""
        dimension = real.shape[1]
        sample = np.sort(rng.permutation(len(real))[: count * SAMPLED_PER_LIST])
        some = Chosen(real, sample)
        points = np.empty((len(sample), dimension), np.float32)
        for block in row_blocks(len(sample), dimension, BLOCK_VALUES):
            points[block] = frame.right(some, block)[0][:, :dimension]
        right = np.zeros((count, dimension + 2), np.float32)
        chosen = points[rng.permutation(len(points))[:count]]
        for _ in range(ROUNDS + 1):
            right[:, :dimension] = chosen
            right[:, -1] = np.einsum("ij,ij->i", chosen, chosen)
            half = np.ascontiguousarray(right[:, :dimension].T)
            nearest = np.empty(len(points), np.int32)
            step = max(16, BLOCK_VALUES // max(count, dimension))
            for at in range(0, len(points), step):
                scores = right[:, -1] - 2 * (points[at : at + step] @ half)
                nearest[at : at + step] = scores.argmin(axis=1)
            sizes = np.bincount(nearest, minlength=count)
            member = csr_array(
                (
                    np.ones(len(points), np.float32),
                    np.argsort(nearest, kind="stable"),
                    np.concatenate([[0], np.cumsum(sizes)]),
                ),
                shape=(count, len(points)),
            )
            sums = np.asarray(member @ points)
            filled = sizes > 0  # a centre without rows stays where it is
            chosen = chosen.copy()
            chosen[filled] = sums[filled] / sizes[filled, None].astype(np.float32)
        return cls(frame, right)

    def prepared(
        self, rows: Rows, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[slice, Scores, Scores]]:
        """Yield slices of the rows as left sides of products, with their norms."""
        width = max(rows.shape[1] + 2, self.count)
        step = max(16, BLOCK_VALUES // width)
        stop = len(rows) if stop is None else stop
        for at in range(start, stop, step):
            part = slice(at, min(at + step, stop))
            yield part, *self.frame.left(rows, part)
