"""How good the samples are, judged by held-out rows: the energy distance.

For generated rows g, held-out rows h and Euclidean |·|, with means over distinct pairs,

    quality = [2 E|g − h| − E|g − g'| − E|h − h'|] / E|h − h'|.

It is 0 if and only if the laws agree (Székely and Rizzo 2013), lower is better, there is no
bandwidth to choose, and it is a proper score: neither blur nor too little variety pays. Unbiased,
it may fall a little below 0. A kernel density of the samples would not do: in many dimensions it
rewards samples for being near held-out rows, and so for being blurred.

Copies of the training rows are a fair sample of the law, as the training rows are: quality hardly
suffers from memorization, which is why it has to be watched beside it.

*Where quality stops improving* (tau_gen; Bonnaire et al. 2025): the first step that is as good as
the best one. With a_k(h) = 2 mean_g |g − h| − 2 mean_h' |h − h'| and b_k(g) = 2 mean_h |g − h| −
2 mean_g' |g − g'| at step k, the difference of two steps' numerators has, to first order, the
variance

    var_h [a_k − a_l]/|H| + var_g [b_k]/m_k + var_g [b_l]/m_l,

and step k is as good as the best when the difference is at most z standard errors, z the normal
quantile at level/(steps − 1). Asymptotic; held-out rows are taken for independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from byheart.intervals import Interval

Floats = NDArray[np.float64]
Rows = NDArray[np.floating]

MOST_HELDOUT = 1000  # held-out rows in use: bounds the cost, and a record's size
_BLOCK = 512


def mean_distances(rows: Rows, others: Rows) -> tuple[Floats, Floats]:
    """Return the mean distance to `others` (q, d) of each of `rows` (p, d), and the other way.

    From products of centred rows, in their own precision: the error of a distance is at worst,
    for equal rows, about 1e-8 of the rows' norm, 3e-4 in float32; far less in a mean.

    >>> there, back = mean_distances(np.array([[0.0], [2.0]]), np.array([[1.0], [3.0]]))
    >>> there.tolist(), back.tolist()
    ([2.0, 1.0], [1.0, 2.0])
    """
    centre = others.mean(axis=0, dtype=np.float64)
    dtype = rows.dtype
    b = (others - centre).astype(dtype, copy=False)
    b_squares = np.einsum("ij,ij->i", b, b)
    there, back = np.empty(len(rows)), np.zeros(len(others))
    for start in range(0, len(rows), _BLOCK):
        a = (rows[start : start + _BLOCK] - centre).astype(dtype, copy=False)
        squares = a @ b.T
        squares *= -2
        squares += np.einsum("ij,ij->i", a, a)[:, None]
        squares += b_squares
        np.maximum(squares, 0, out=squares)
        np.sqrt(squares, out=squares)
        there[start : start + _BLOCK] = squares.mean(axis=1, dtype=np.float64)
        back += squares.sum(axis=0, dtype=np.float64)
    return there, back / len(rows)


@dataclass(frozen=True)
class Quality:
    """The quality of one step: its value, and what comparing it with another step needs.

    heldout_terms: (h,) a(h) over E|h − h'|; variance: of the generated rows' part of `value`.
    """

    value: float
    heldout_terms: Floats
    variance: float

    def interval(self, level: float) -> Interval:
        """Return an interval that misses the laws' quality with probability about `level`."""
        spread = self.heldout_terms.var(ddof=1) / len(self.heldout_terms) + self.variance
        half = float(-ndtri(level / 2)) * math.sqrt(spread)
        return self.value - half, self.value + half


@dataclass(frozen=True)
class Judge:
    """Held-out rows (h, d), the mean distance of each from the others (h,), and the mean of it."""

    heldout: Rows
    among: Floats
    typical: float

    @classmethod
    def of(cls, heldout: Rows, rng: np.random.Generator) -> Judge:
        """Keep at most `MOST_HELDOUT` of the rows, drawn at random."""
        if len(heldout) > MOST_HELDOUT:
            heldout = heldout[np.sort(rng.permutation(len(heldout))[:MOST_HELDOUT])]
        among = _among(heldout)
        return cls(heldout, among, float(among.mean()) or 1.0)  # all rows equal: no unit

    def of_samples(self, generated: Rows) -> Quality:
        """Return the quality of generated rows, (m ≥ 2, d)."""
        from_generated, from_heldout = mean_distances(generated, self.heldout)
        among = _among(generated)
        terms = 2 * (from_heldout - self.among) / self.typical
        influence = 2 * (from_generated - among) / self.typical
        return Quality(
            value=float(terms.mean() + (self.among.mean() - among.mean()) / self.typical),
            heldout_terms=terms,
            variance=float(influence.var(ddof=1)) / len(generated),
        )


def _among(rows: Rows) -> Floats:
    """Return the mean distance of each row from the others."""
    return mean_distances(rows, rows)[0] * (len(rows) / (len(rows) - 1))


@dataclass(frozen=True)
class Turn:
    """tau_gen: the first step as good as the best one within noise.

    interval: from that step to the best one. fallen: whether the last step is worse again.
    """

    step: int
    interval: tuple[int, int]
    fallen: bool


def turn(steps: Sequence[int], qualities: Sequence[Quality], level: float) -> Turn | None:
    """Return tau_gen, None for "not yet": when only the last step is as good as the best one.

    qualities: by the same judge, one per step.

    >>> def at(value):
    ...     return Quality(value, np.full(100, value), 0.0)
    >>> turn([10, 20, 30], [at(0.3), at(0.0), at(0.1)], 0.05)
    Turn(step=20, interval=(20, 20), fallen=True)
    """
    if len(qualities) < 2:
        return None
    best = min(range(len(qualities)), key=lambda k: qualities[k].value)
    z = float(-ndtri(level / (len(qualities) - 1)))
    as_good = []
    for k, quality in enumerate(qualities):
        gap = quality.heldout_terms - qualities[best].heldout_terms
        spread = gap.var(ddof=1) / len(gap) + quality.variance + qualities[best].variance
        if k == best or quality.value - qualities[best].value <= z * math.sqrt(spread):
            as_good.append(k)
    last = len(qualities) - 1
    if as_good[0] == last:
        return None
    return Turn(steps[as_good[0]], (steps[as_good[0]], steps[best]), as_good[-1] < last)
