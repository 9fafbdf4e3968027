"""Scores of the real rows when some generated values give way to planted ones.

Copies that are planted beside G tell what a larger set would show. Here k distinct values of G,
with all their repeats, give way to k planted rows, so that the detectable share is that of these
samples: of D distinct values at most D can be copies, and one row repeated 300 times cannot hold
copies of three.

*What changes.* Let R be the values that give way, P the planted rows, v(g) the value of g. All
scores are extremes over generated rows, so with S one of them (distance, ratio, negated margin) and
S(g, i) what g does to the real row i,

    S'_i = min( min_{g: v(g) ∉ R} S(g, i),  min_{p ∈ P} S(p, i) ).

S(g, i) depends on g and on the real rows alone: removing other generated rows leaves it as it is.
The first minimum is therefore the first entry of i's sorted list of (S(g, i), v(g)) whose value is
not in R, and repeats of a value need one entry only.

*Exact or conservative.* Ratio and margin are defined by the k nearest real rows of each generated
one, so that their lists are complete in the forward table; the best `DEPTH` distinct values are
kept. Those of the distance are the k' ≥ 1 nearest generated rows of the backward table. Where every
kept entry gives way, the last of them stands in: it is at most the true score, since what was not
kept is no smaller, so that the real row stays as suspicious as it could be. Real rows that are not
planted then compete with the planted ones at least as well as they truly would: power is not
overstated. (A list that was not cut and has no entry left has no score: +inf, as in `scores`.)
When k of D values give way at random, a list of DEPTH entries is used up with probability about
(k/D)^DEPTH.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.scores import Scores
from byheart.distances.neighbours import Neighbours, TwoWay

Floats = NDArray[np.float64]
DEPTH = 4  # distinct values kept for each real row
_ENTRIES = 1 << 20  # of the forward table that are sorted at a time, at least


@dataclass(frozen=True)
class BestValues:
    """The best generated values of each real row by one score, the best first.

    score: (N, depth), small is suspicious, +inf where there is none; value: (N, depth) the number
    of the generated value, -1 where there is none; cut: (N,) whether there were more.
    """

    score: Floats
    value: NDArray[np.intp]
    cut: NDArray[np.bool_]

    def without(self, removed: NDArray[np.bool_]) -> Floats:
        """Return the best score of each real row when the values `removed`, (D,), give way."""
        best = self.score[:, 0].copy()
        gone = np.flatnonzero(np.append(removed, False)[self.value[:, 0]])
        for place in range(1, self.score.shape[1]):
            # Beyond a list's end: nothing is left of a whole one, and a cut one keeps its last.
            here = self.value[gone, place] >= 0
            best[gone[here]] = self.score[gone[here], place]
            best[gone[~here & ~self.cut[gone]]] = np.inf
            gone = gone[here]
            gone = gone[removed[self.value[gone, place]]]
        best[gone[~self.cut[gone]]] = np.inf
        return best


@dataclass(frozen=True)
class Substitution:
    """What the scores of N real rows would be without some of the D generated values."""

    distance: BestValues
    ratio: BestValues
    negative_margin: BestValues
    values: int  # D, the distinct generated values

    @classmethod
    def of(cls, table: TwoWay, value: NDArray[np.intp]) -> Substitution:
        """Prepare it from the neighbour tables; value: (m,) number of each generated row's value.

        table: forward (m, k ≥ 2), backward (N, k' ≥ 1). Equal rows have equal numbers, any that
        are not negative (`verbatim.Values.generated`).
        """
        _, number = np.unique(value, return_inverse=True)
        number = np.asarray(number, dtype=np.intp)
        distinct = int(number.max()) + 1
        real_rows = len(table.backward.distances)
        ratio, negative_margin = _forward_lists(table.forward, number, real_rows)
        backward = number[table.backward.indices]
        rows = np.repeat(np.arange(real_rows), backward.shape[1])
        distance = _best(rows, table.backward.distances.ravel(), backward.ravel(), real_rows)
        # Whatever the backward table does not list is no nearer than what it lists.
        cut = (distance.value >= 0).sum(axis=1) < distinct
        return cls(replace(distance, cut=cut), ratio, negative_margin, distinct)

    def removed(self, order: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
        """Return which values give way, (D,): the first `count` of a random `order` of them all.

        Of one order more values include fewer, as with the planted rows.
        """
        if count > self.values:
            raise ValueError(f"{count} of {self.values} distinct values cannot give way")
        gone = np.zeros(self.values, dtype=bool)
        gone[order[:count]] = True
        return gone

    def without(self, scores: Scores, removed: NDArray[np.bool_]) -> Scores:
        """Return the scores of the real rows when the values `removed`, (D,), give way.

        The local score stays as it is in `scores`.
        """
        return replace(
            scores,
            distance=self.distance.without(removed),
            ratio=self.ratio.without(removed),
            negative_margin=self.negative_margin.without(removed),
        )


def _forward_lists(
    forward: Neighbours, value: NDArray[np.intp], real_rows: int
) -> tuple[BestValues, BestValues]:
    """Return the lists by ratio and by negated margin, built up over blocks of the table."""
    found: list[BestValues | None] = [None, None]
    step = max(1, max(_ENTRIES, 2 * DEPTH * real_rows) // forward.distances.shape[1])
    for start in range(0, len(value), step):
        near = forward.distances[start : start + step]
        rows = forward.indices[start : start + step].ravel()
        numbers = np.repeat(value[start : start + step], near.shape[1])
        for j, score in enumerate(_relative(near)):
            found[j] = _best(rows, score.ravel(), numbers, real_rows, found[j])
    ratio, negative_margin = found
    assert ratio is not None
    assert negative_margin is not None
    return ratio, negative_margin


def _relative(near: Floats) -> tuple[Floats, Floats]:
    """Return ratio and negated margin of every entry, as `scores.relative_scores` defines them."""
    rival = np.repeat(near[:, :1], near.shape[1], axis=1)
    rival[:, 0] = near[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = near / rival
    ratio[(near == 0) & (rival == 0)] = 1.0
    return ratio, (near - rival) * (near + rival)


def _best(
    rows: NDArray[np.int64],
    score: Floats,
    value: NDArray[np.intp],
    real_rows: int,
    known: BestValues | None = None,
) -> BestValues:
    """Return the best values of each real row among entries (row, score, value) and `known`."""
    cut = np.zeros(real_rows, dtype=bool)
    if known is not None:
        kept = np.nonzero(known.value >= 0)
        rows = np.concatenate([kept[0], rows])
        score = np.concatenate([known.score[kept], score])
        value = np.concatenate([known.value[kept], value])
        cut |= known.cut
    order = np.lexsort((value, score, rows))
    rows, score, value = rows[order], score[order], value[order]
    # Equal generated rows have equal entries, which now stand side by side.
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(rows) != 0) | (np.diff(value) != 0) | (score[1:] != score[:-1])
    rows, score, value = rows[new], score[new], value[new]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    inside = place < DEPTH
    cut[rows[~inside]] = True
    best = np.full((real_rows, DEPTH), np.inf)
    best[rows[inside], place[inside]] = score[inside]
    numbers = np.full((real_rows, DEPTH), -1, np.intp)
    numbers[rows[inside], place[inside]] = value[inside]
    return BestValues(best, numbers, cut)
