"""Scores of a table's rows by equal cells: what was copied in part, and what only ties show.

Distances over all columns miss a row of which some cells were copied, and of a table of few levels
they say only that it holds the same rows. Count instead which cells agree, each by its rarity: if
row g owes cell j of row i nothing, the two agree there with probability p_j(x_ij), the share of
real rows with that value; if it was copied, with probability 1. So

    a(g, i) = Σ_j [x_gj = x_ij] log 1/p_j(x_ij)

is the log of how much likelier the agreement is by copying than by chance, and the score is the
mean likelihood over G against that over the other real rows, with which i agrees by law alone:

    cells_i   = −log (Σ_g e^a(g, i) / m) + log (Σ_{r ≠ i} e^a(r, i) / (N − 1))

`matches` asks for agreement in all cells: with c_i generated and r_i other real rows equal to i,

    matches_i = −log (c_i + 1/2)/(r_i + 3/2),

whose offsets let a row that appears nowhere else neither win nor lose by much. Small means
suspicious. Nothing here knows labels: values and their shares are those of the pooled rows.

Agreement takes a pass over all pairs; beyond `PAIR_CELLS` of them both comparison sets are thinned,
G at random and the real rows in the order of the pool, which is shuffled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]  # (rows, columns); equal numbers in a column are equal values
PAIR_CELLS = 1 << 32
_TOGETHER, _ROWS = 256, 4096  # rows compared with, and real rows, at a time


def coded(generated: Floats, real: Floats) -> tuple[Codes, Codes]:
    """Number the values of each column, (m, c) and (N, c), over both sets; NaN is a value.

    >>> made, real = coded(np.array([[0.5], [np.nan]]), np.array([[0.1], [0.5], [np.nan]]))
    >>> made.ravel().tolist(), real.ravel().tolist()
    ([1, 2], [0, 1, 2])
    """
    made, kept = np.empty(generated.shape, np.int32), np.empty(real.shape, np.int32)
    for j in range(generated.shape[1]):
        both = np.concatenate([generated[:, j], real[:, j]])
        levels = np.unique(both, return_inverse=True)[1]
        made[:, j], kept[:, j] = levels[: len(generated)], levels[len(generated) :]
    return made, kept


def matches_score(generated: Codes, real: Codes) -> Floats:
    """Return `matches` of each real row, (N,).

    >>> matches_score(np.array([[0], [0]]), np.array([[0], [1]])).round(2)
    array([-0.51,  1.1 ])
    """
    number = np.zeros(len(generated) + len(real), np.int64)  # of the row, equal for equal rows
    for made, kept in zip(generated.T, real.T, strict=True):
        both = np.concatenate([made, kept])
        number = np.unique(number * (int(both.max()) + 1) + both, return_inverse=True)[1]
    rows = int(number.max()) + 1
    made, kept = np.split(number, [len(generated)])
    copies = np.bincount(made, minlength=rows)[kept]
    others = np.bincount(kept, minlength=rows)[kept] - 1
    return np.asarray(np.log((others + 1.5) / (copies + 0.5)))


def cells_score(generated: Codes, real: Codes, rng: np.random.Generator) -> Floats:
    """Return `cells` of each real row, (N,).

    >>> real = np.array([[0, 0], [1, 1], [2, 2], [3, 3]])
    >>> cells_score(np.array([[0, 9]]), real, np.random.default_rng(0)).round(2)
    array([-1.39,  0.  ,  0.  ,  0.  ])
    """
    most = max(1, PAIR_CELLS // (2 * real.size))
    chosen = np.sort(rng.permutation(len(generated))[:most])
    weights = _weights(real)
    by_law = _log_mean(real, weights, real[:most], alone=True)
    return by_law - _log_mean(real, weights, generated[chosen])


def _weights(real: Codes) -> NDArray[np.float32]:
    """Return log 1/p of every cell, (N, c)."""
    weights = np.empty(real.shape, np.float32)
    for j, column in enumerate(real.T):
        weights[:, j] = np.log(len(real) / np.bincount(column)[column])
    return weights


def _log_mean(
    real: Codes, weights: NDArray[np.float32], others: Codes, alone: bool = False
) -> Floats:
    """Return the log of the mean likelihood of each real row over `others`, (N,).

    alone: these are the first real rows, and none is compared with itself.
    """
    total = np.full(len(real), -np.inf)
    for first in range(0, len(real), _ROWS):
        block = slice(first, first + _ROWS)
        for start in range(0, len(others), _TOGETHER):
            agreement = _agreement(real[block], weights[block], others[start : start + _TOGETHER])
            if alone:
                own = np.arange(start, start + agreement.shape[1]) - first
                inside = (own >= 0) & (own < len(agreement))
                agreement[own[inside], np.flatnonzero(inside)] = -np.inf
            top = np.maximum(agreement.max(axis=1), 0)
            agreement -= top[:, None]
            terms = np.exp(agreement, out=agreement).sum(axis=1, dtype=np.float64)
            with np.errstate(divide="ignore"):
                total[block] = np.logaddexp(total[block], np.log(terms) + top)
    count = np.full(len(real), float(len(others)))
    count[: len(others) * alone] -= 1
    return np.asarray(total - np.log(np.maximum(count, 1)))


def _agreement(real: Codes, weights: NDArray[np.float32], others: Codes) -> NDArray[np.float32]:
    """Return a(g, i) of rows i and g, (rows, others), as a sparse product over values."""
    from scipy.sparse import csr_array

    holders, place, level = [], np.empty(real.shape, np.int32), 0
    for j, column in enumerate(others.T):
        values, at = np.unique(column, return_inverse=True)
        holds = np.zeros((len(values), len(others)), np.float32)  # who of the others has a value
        holds[at, np.arange(len(others))] = 1
        holders.append(holds)
        found = np.searchsorted(values, real[:, j]).clip(max=len(values) - 1)
        place[:, j] = np.where(values[found] == real[:, j], level + found, -1)
        level += len(values)
    present = place >= 0
    ends = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    left = csr_array((weights[present], place[present], ends), shape=(len(real), level))
    return np.asarray(left @ np.concatenate(holders))


def bytes_cells(real: int, generated: int, columns: int) -> int:
    """Return the bytes of the columns with their numbers, and of what is compared at a time."""
    rows = real + generated
    held = 4 * columns * _TOGETHER**2 + 16 * (columns + _TOGETHER) * _ROWS
    return (12 * columns + 48) * rows + 4 * columns * real + held
