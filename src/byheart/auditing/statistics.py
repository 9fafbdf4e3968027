"""The test statistics of the audit's permutation family.

A statistic holds arrays that were fixed before any label was seen and maps label columns to
values; large values mean memorization. Labels are 0/1 with 1 for training rows. Because the arrays
never look at the labels, a statistic is exact in the family at once (theory: docs/explanation/
statistics.md). Adding one is adding one class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from byheart.distances.kernels import kernel_shares
from byheart.distances.neighbours import Neighbours

Floats = NDArray[np.float64]
Labels = NDArray[Any]  # (N, columns) of 0 and 1, 1 = training row; uint8 unless said otherwise
TAIL_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
# A kernel row cut to its nearest entries may hold no row of one set at all; that side then counts
# as this share of the row's whole weight.
MISSING_SHARE = 1e-3


class Statistic(ABC):
    """A label-free table and the rule that turns label columns into values."""

    name: str

    @abstractmethod
    def evaluate(self, labels: Labels) -> Floats:
        """Return one value per column of `labels` (N, columns); large means memorization."""

    def evaluate_swapped(self, labels: Labels) -> Floats:
        """Return the values with the roles of training and held-out rows exchanged."""
        return self.evaluate(1 - labels)

    def evaluate_both(self, labels: Labels) -> tuple[Floats, Floats]:
        """Return `evaluate` and `evaluate_swapped`; one pass where a statistic can share it."""
        return self.evaluate(labels), self.evaluate_swapped(labels)


def ladder(rows: int) -> NDArray[np.intp]:
    """Return the cuts 1, 2, … up to half of `rows`, growing by about a fourth each.

    >>> ladder(40)
    array([ 1,  2,  3,  4,  5,  6,  8, 10, 12, 15, 19, 20])
    """
    cuts, top = [1], max(1, rows // 2)
    while cuts[-1] < top:
        cuts.append(min(top, max(cuts[-1] + 1, round(cuts[-1] * 1.25))))
    return np.asarray(cuts, dtype=np.intp)


@lru_cache(maxsize=256)  # some five ladders of cuts, about 20 bytes a row each
def log_upper_tail(rows: int, marked: int, drawn: int) -> Floats:
    """Return log P(X ≥ t) for t = 0 … drawn, X ~ Hypergeometric(rows, marked, drawn).

    >>> [round(float(v), 4) for v in np.exp(log_upper_tail(4, 2, 2))]
    [1.0, 0.8333, 0.1667]
    """
    t = np.arange(drawn + 1, dtype=np.float64)
    unmarked = rows - marked
    possible = (t <= marked) & (drawn - t <= unmarked)
    log_pmf = np.full(drawn + 1, -np.inf)
    s = t[possible]

    def log_choose(a: float, b: Floats) -> Floats:
        return np.asarray(gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1))

    log_pmf[possible] = (
        log_choose(marked, s)
        + log_choose(unmarked, drawn - s)
        - log_choose(rows, np.asarray([float(drawn)]))
    )
    # Summing from the far end keeps the smallest terms; the maximum is taken out once.
    top = log_pmf.max()
    with np.errstate(divide="ignore"):
        tail = np.log(np.cumsum(np.exp(log_pmf[::-1] - top))[::-1]) + top
    # Where exp underflowed, the tail is its own first term up to a factor of at most 2.
    tail = np.maximum(tail, log_pmf)
    tail.flags.writeable = False
    return np.asarray(np.minimum(tail, 0.0))


def berk_jones(counts: NDArray[np.intp], cuts: NDArray[np.intp], rows: int, marked: int) -> Floats:
    """Return max_c −log P(Hypergeometric(rows, marked, c) ≥ count_c), (columns,).

    counts: (cuts, columns) marked rows among the c best. Source: Berk and Jones 1979, with the
    hypergeometric law of labels drawn without replacement.
    """
    best = np.zeros(counts.shape[1])
    for c, row in zip(cuts, counts, strict=True):
        np.maximum(best, -log_upper_tail(rows, marked, int(c))[row], out=best)
    return best


def tail_counts(
    order: NDArray[np.intp], labels: Labels, cuts: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return how many of the first c rows of `order` are marked: (cuts, columns)."""
    ranked = labels[order[: cuts[-1]]]
    starts = np.concatenate([[0], cuts[:-1]])
    blocks = np.add.reduceat(ranked, starts, axis=0, dtype=np.int32)
    return np.cumsum(blocks, axis=0, dtype=np.intp)


@final
class BerkJones(Statistic):
    """The whole lower tail of a score: Berk–Jones over a geometric ladder of cuts."""

    def __init__(self, name: str, order: NDArray[np.intp], marked: int) -> None:
        self.name = name
        self.order = order  # (N,) rows, the most suspicious first
        self.marked = marked
        self.cuts = ladder(len(order))

    def evaluate(self, labels: Labels) -> Floats:
        counts = tail_counts(self.order, labels, self.cuts)
        return berk_jones(counts, self.cuts, len(self.order), self.marked)

    def evaluate_swapped(self, labels: Labels) -> Floats:
        counts = self.cuts[:, None] - tail_counts(self.order, labels, self.cuts)
        rows = len(self.order)
        return berk_jones(counts, self.cuts, rows, rows - self.marked)


@final
class TailCount(Statistic):
    """How many of the `share` most suspicious rows are training rows."""

    def __init__(self, name: str, order: NDArray[np.intp], share: float) -> None:
        self.name = name
        self.head = order[: max(1, round(share * len(order)))]

    def evaluate(self, labels: Labels) -> Floats:
        return np.asarray(labels[self.head].sum(axis=0, dtype=np.float64))

    def evaluate_swapped(self, labels: Labels) -> Floats:
        return len(self.head) - self.evaluate(labels)


@final
class LinearRank(Statistic):
    """The mean of a fixed weight per row over training rows, less that over held-out rows."""

    def __init__(self, name: str, weights: Floats) -> None:
        self.name = name
        # On a grid of 2^-20 sums are exact in float64, in any order: equal labellings tie exactly.
        self.weights = np.round(weights * 2**20)  # (N,)

    def evaluate(self, labels: Labels) -> Floats:
        marked = labels.sum(axis=0, dtype=np.float64)
        inside = np.zeros(labels.shape[1])
        for start in range(0, len(labels), 1024):  # bounds the labels in float64
            inside += self.weights[start : start + 1024] @ labels[start : start + 1024]
        outside = self.weights.sum() - inside
        gap = inside / marked - outside / (len(labels) - marked)
        return np.asarray(gap / 2**20)

    def evaluate_swapped(self, labels: Labels) -> Floats:
        return -self.evaluate(labels)


def area_weights(score: Floats) -> Floats:
    """Return weights whose difference of means between T and H is AUC − 1/2; ties get mid-ranks.

    >>> area_weights(np.array([0.1, 0.2, 0.2, 0.9]))
    array([-0.125, -0.5  , -0.5  , -0.875])
    """
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return -np.asarray(middle[inverse], dtype=np.float64) / len(score)


def savage_weights(order: NDArray[np.intp]) -> Floats:
    """Return Savage scores: the best of N rows gets 1/1 + … + 1/N, the worst 1/N.

    The expected order statistics of the exponential law, about −log(rank/N) (Savage 1956).

    >>> savage_weights(np.array([1, 0]))
    array([0.5, 1.5])
    """
    rows = len(order)
    weights = np.empty(rows)
    weights[order] = np.cumsum(1 / np.arange(rows, 0, -1.0))[::-1]
    return weights


@final
class NearestShare(Statistic):
    """Share of generated rows whose nearest real row is a training row (the "DCR share")."""

    def __init__(self, name: str, nearest: NDArray[np.int64], real_rows: int) -> None:
        self.name = name
        self.counts = np.bincount(nearest, minlength=real_rows).astype(np.float64)  # (N,)

    def evaluate(self, labels: Labels) -> Floats:
        return np.asarray(self.counts @ labels / self.counts.sum())

    def evaluate_swapped(self, labels: Labels) -> Floats:
        return 1 - self.evaluate(labels)


@final
class NegativeDelta(Statistic):
    """Minus the relative distance Delta_KL at one bandwidth, kernels cut to the nearest k rows.

    Delta_KL = mean_g [log rho_H,eps(g) − log rho_T,eps(g)] (section "relative distance" of
    docs/explanation/statistics.md), so large values of this statistic mean memorization.
    """

    def __init__(self, name: str, forward: Neighbours, bandwidth: float, real_rows: int) -> None:
        self.name = name
        self.kernel = kernel_shares(forward, bandwidth, real_rows)  # (m, N), rows sum to 1

    def contributions(self, labels: Labels) -> Iterator[NDArray[np.float32]]:
        """Yield log(S_T(g)/S_H(g)), blocks of generated rows by columns of `labels`."""
        dense = labels.astype(np.float32)
        for start in range(0, self.kernel.shape[0], 1024):  # bounds the dense block
            share = np.asarray(self.kernel[start : start + 1024] @ dense)
            np.clip(share, MISSING_SHARE, 1 - MISSING_SHARE, out=share)
            share /= 1 - share
            yield np.log(share, out=share)

    def evaluate(self, labels: Labels) -> Floats:
        marked = labels.sum(axis=0, dtype=np.float64)
        total = np.zeros(labels.shape[1])
        for block in self.contributions(labels):
            total += block.sum(axis=0, dtype=np.float64)
        value = total / self.kernel.shape[0] + np.log((len(labels) - marked) / marked)
        # float32 rounding must not order what is equal in exact arithmetic.
        return np.asarray(np.round(value, 6), dtype=np.float64)

    def evaluate_swapped(self, labels: Labels) -> Floats:
        return -self.evaluate(labels)

    def evaluate_both(self, labels: Labels) -> tuple[Floats, Floats]:
        value = self.evaluate(labels)
        return value, -value


def bytes_tails(real: int) -> int:
    """Return the bytes of the tails that `log_upper_tail` keeps."""
    return 110 * real


def bytes_kernel(generated: int, k: int) -> int:
    """Return the bytes of the shares of a `NegativeDelta`; their places are in the table."""
    return 4 * generated * k
