"""Scores of a table's rows by equal cells: what was copied in part, and what only ties can show.

Distances over all columns miss a row of which some cells were copied, and they can say of a table of
few levels only that it holds the same rows. Count instead which cells agree, each by its rarity: if
row g owes cell j of row i nothing, it agrees there with probability p_j(x_ij), the share of the real
rows with that value; if it was copied, with probability 1. So

    a(g, i) = Σ_j [x_gj = x_ij] log 1/p_j(x_ij)

is the log of how much likelier the agreement is by copying than by chance, and the score is the mean
likelihood over G against that over the other real rows, which row i agrees with by the law alone:

    cells_i   = −log (Σ_g e^a(g, i) / m) + log (Σ_{r ≠ i} e^a(r, i) / (N − 1))

`matches` asks for agreement in all cells: with c_i generated and r_i other real rows equal to i,

    matches_i = −log (c_i + 1/2)/(r_i + 3/2),

whose offsets let a row that appears nowhere else neither win nor lose by much. Small means
suspicious. Nothing here knows labels: values and their shares are those of the pooled rows.

Agreement takes a pass over all pairs; beyond `PAIR_CELLS` of them both comparison sets are thinned,
G at random and the real rows in the order of the pool, which is shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]  # (rows, columns); equal numbers in a column are equal values
PAIR_CELLS = 1 << 32
_TOGETHER = 256  # rows compared with at a time
_BLOCK = 1 << 20  # agreements at a time


def coded(generated: Floats, real: Floats) -> tuple[Codes, Codes]:
    """Number the values of each column, (m, c) and (N, c), over both sets; NaN is a value.

    >>> made, real = coded(np.array([[0.5], [np.nan]]), np.array([[0.1], [0.5], [np.nan]]))
    >>> made.ravel(), real.ravel()
    (array([1, 2]), array([0, 1, 2]))
    """
    made, kept = np.empty(generated.shape, np.intp), np.empty(real.shape, np.intp)
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
    both = np.concatenate([generated, real])
    rows, counts = np.unique(both, axis=0, return_inverse=True)
    made, kept = np.split(counts.ravel(), [len(generated)])
    copies = np.bincount(made, minlength=len(rows))[kept]
    others = np.bincount(kept, minlength=len(rows))[kept] - 1
    return np.asarray(np.log((others + 1.5) / (copies + 0.5)))


def cells_score(generated: Codes, real: Codes, rng: np.random.Generator) -> Floats:
    """Return `cells` of each real row, (N,).

    >>> real = np.array([[0, 0], [1, 1], [2, 2], [3, 3]])
    >>> cells_score(np.array([[0, 9]]), real, np.random.default_rng(0)).round(2)
    array([-1.39, -0.  , -0.  , -0.  ])
    """
    most = max(1, PAIR_CELLS // (2 * real.size))
    chosen = np.sort(rng.permutation(len(generated))[:most])
    weights = _weights(real)
    made = _log_mean(real, weights, generated[chosen], alone=None)
    kept = _log_mean(real, weights, real[:most], alone=np.arange(min(most, len(real))))
    return kept - made


def _weights(real: Codes) -> NDArray[np.float32]:
    """Return log 1/p of every cell, (N, c)."""
    weights = np.empty(real.shape, np.float32)
    for j, column in enumerate(real.T):
        weights[:, j] = np.log(len(real) / np.bincount(column)[column])
    return weights


def _log_mean(
    real: Codes, weights: NDArray[np.float32], others: Codes, alone: Codes | None
) -> Floats:
    """Return the log of the mean likelihood of each real row over `others`, (N,).

    alone: (others,) the real row that each of them is and is not compared with; None: none.
    """
    from scipy.sparse import csr_array

    total = np.full(len(real), -np.inf)
    rows = np.arange(len(real))
    for start in range(0, len(others), _TOGETHER):
        part = others[start : start + _TOGETHER]
        holding, place, level = [], [], 0  # of every value in these rows: who holds it
        for j, column in enumerate(part.T):
            values, at = np.unique(column, return_inverse=True)
            table = np.zeros((len(values), len(part)), np.float32)
            table[at, np.arange(len(part))] = 1
            holding.append(table)
            found = np.searchsorted(values, real[:, j]).clip(max=len(values) - 1)
            place.append(np.where(values[found] == real[:, j], level + found, -1))
            level += len(values)
        known = np.stack(place, axis=1)
        held = np.concatenate(holding)
        present = known >= 0
        ends = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
        left = csr_array((weights[present], known[present], ends), shape=(len(real), level))
        step = max(1, _BLOCK // len(part))
        for first in range(0, len(real), step):
            agreement = left[first : first + step] @ held
            if alone is not None:
                own = alone[start : start + _TOGETHER] - first
                inside = (own >= 0) & (own < len(agreement))
                agreement[own[inside], np.flatnonzero(inside)] = -np.inf
            block = rows[first : first + step]
            top = np.maximum(agreement.max(axis=1), 0)
            terms = np.exp(agreement - top[:, None]).sum(axis=1, dtype=np.float64)
            with np.errstate(divide="ignore"):
                total[block] = np.logaddexp(total[block], np.log(terms) + top)
    count = np.full(len(real), float(len(others)))
    if alone is not None:
        count[alone] -= 1
    return total - np.log(np.maximum(count, 1))
