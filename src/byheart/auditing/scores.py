"""Scores of the real points: how suspiciously close the generated samples come to each.

All are computed from distances alone, on the pooled and shuffled rows of T and H, before any label
is looked at; this is what makes every rank test on them exact. For a real point i and generated
points g, with D(g, i) their distance and D₋ᵢ(g) the distance from g to its nearest real point
other than i:

    distance_i = min_g D(g, i)
    local_i    = distance_i / (distance from i to its nearest other real point)
    ratio_i    = min_g D(g, i) / D₋ᵢ(g)
    margin_i   = max_g [D₋ᵢ(g)² − D(g, i)²]

Every array is oriented so that *small means suspicious* (the margin is stored negated), and a real
point that is among the k nearest of no generated point gets +inf for ratio and margin. Ties are
left to the order of the rows, which the caller has shuffled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from byheart.distances.neighbours import Neighbours, TwoWay

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of the N real points (each of shape (N,)); small means suspicious."""

    distance: Floats
    local: Floats
    ratio: Floats
    negative_margin: Floats

    def reduce(self, starts: NDArray[np.intp], order: NDArray[np.intp]) -> Scores:
        """Return one score per group: the smallest over its rows.

        order: (N,) rows sorted by group; starts: (groups,) where each group begins in `order`.
        """
        return Scores(
            *(
                np.minimum.reduceat(x[order], starts)
                for x in (self.distance, self.local, self.ratio, self.negative_margin)
            )
        )


def from_neighbours(table: TwoWay, among_real: Neighbours) -> Scores:
    """Return the scores of N real points from the neighbour tables.

    table: both directions between m generated and N real points; among_real: the nearest other
    real points of each real point, (N, ≥ 1). Derived in docs/explanation/statistics.md.
    """
    distance = table.backward.distances[:, 0]
    ratio, negative_margin = relative_scores(table.forward, len(distance))
    return Scores(distance, localise(distance, among_real.distances[:, 0]), ratio, negative_margin)


def localise(distance: Floats, scale: Floats) -> Floats:
    """Divide `distance` by the local `scale` (both (N,)); 0/0, a duplicated row, counts as 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        local = distance / scale
    local[(distance == 0) & (scale == 0)] = 1.0
    return local


def relative_scores(forward: Neighbours, real_rows: int) -> tuple[Floats, Floats]:
    """Return ratio and negated margin of each real point, (real_rows,) each.

    forward: the k ≥ 2 nearest real points of each generated one, (m, k).
    """
    ratio = np.full(real_rows, np.inf)
    negative_margin = np.full(real_rows, np.inf)
    for start in range(0, len(forward.distances), 4096):  # bounds what stands beside the table
        near = forward.distances[start : start + 4096]
        # Against the nearest real point its rival is the second nearest; against others, the first.
        rival = np.repeat(near[:, :1], near.shape[1], axis=1)
        rival[:, 0] = near[:, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = near / rival
        quotient[(near == 0) & (rival == 0)] = 1.0
        flat = forward.indices[start : start + 4096].ravel()
        np.minimum.at(ratio, flat, quotient.ravel())
        np.minimum.at(negative_margin, flat, ((near - rival) * (near + rival)).ravel())
    return ratio, negative_margin
