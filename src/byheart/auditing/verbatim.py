"""Real rows that come back verbatim, and what their identity alone proves.

*The test.* Mark each of the N pooled real rows whose values stand, bit for bit, in G. The marks are
a function of G and of the pooled rows; they see no label. Under the null hypothesis (given G, the
rows of T and H are exchangeable) T is a uniformly random n of the N rows, so that the number X of
marked rows in T is hypergeometric whatever the rows are:

    P(X ≥ x) = Σ_{t ≥ x} C(M, t) C(N − M, n − t) / C(N, n),    M marked rows,

and for r marked rows that all lie in T this is C(N − r, n − r)/C(N, n) = C(n, r)/C(N, r). Equal
real rows need no care: each is marked and has a label of its own, so that a value standing in both
sets adds to both sides and proves nothing. Nor do repeats in G: a row is marked once, however often
it comes back. With groups a group is marked when any of its rows is; groups are what is
exchangeable, so the same law holds with groups counted.

*How many different rows G has.* m²/Σ c_v² over the numbers c_v of the distinct values (inverse
Simpson): one over the probability that two draws from G are the same row. It is m when all differ,
1 for one row repeated, and the few values that fill a collapsed G decide it.

Rows are compared by digests of 128 bits: that two different rows among ten million have the same
one has a probability below 10⁻²⁴.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.result import Repeated, Verbatim
from byheart.auditing.statistics import Floats, Labels, Statistic, log_upper_tail
from byheart.distances.rows import Rows, row_blocks

NAMED_ROWS = 3  # in a reason
SHOWN_PAIRS = 1000  # in a report
_DIGEST = np.dtype("V16")


@dataclass(frozen=True)
class Values:
    """The same number for equal rows, counted from 0 over all sets: (n,), (h,) and (m,)."""

    train: NDArray[np.intp]
    heldout: NDArray[np.intp] | None
    generated: NDArray[np.intp]

    @classmethod
    def of(cls, train: Rows, heldout: Rows | None, generated: Rows) -> Values:
        """Number the values of rows (n, d), (h, d) and (m, d), read in blocks.

        Rows are compared in the widest of their types, and -0.0 equals 0.0.

        >>> Values.of(np.array([[0.0], [1.0]]), None, np.array([[-0.0], [2.0], [1.0]])).generated
        array([0, 2, 1])
        """
        sets = [rows for rows in (train, heldout, generated) if rows is not None]
        dtype = np.result_type(*(rows.dtype for rows in sets))
        digests = [_digests(rows, dtype) for rows in sets]
        _, first, inverse = np.unique(
            np.concatenate(digests), return_index=True, return_inverse=True
        )
        number = np.empty(len(first), np.intp)
        number[np.argsort(first)] = np.arange(len(first))  # in order of appearance
        ends = np.cumsum([len(rows) for rows in digests])[:-1]
        parts = np.split(number[inverse.ravel()], ends)
        return cls(parts[0], parts[1] if len(parts) == 3 else None, parts[-1])

    @property
    def real(self) -> NDArray[np.intp]:
        """Training rows, then held-out rows: (N,)."""
        if self.heldout is None:
            return self.train
        return np.concatenate([self.train, self.heldout])

    @property
    def marked(self) -> NDArray[np.bool_]:
        """Which of the rows of T, then of H, stand in G: (N,)."""
        return np.isin(self.real, self.generated)


def find(values: Values, groups: tuple[NDArray[Any], NDArray[Any]] | None = None) -> Verbatim:
    """Return which real rows come back verbatim; groups: of each row of T and of H, or None.

    >>> train, heldout = np.arange(20.0)[:, None], np.arange(20.0, 40)[:, None]
    >>> found = find(Values.of(train, heldout, train[[3, 3, 3, 5]]))
    >>> found.train_rows, found.most_repeated, found.effective_generated
    (2, Repeated(role='train', index=3, times=3), 1.6)
    >>> round(found.p_value, 4)  # 20 * 19 / (40 * 39)
    0.2436
    """
    train, heldout, made = values.train, values.heldout, values.generated
    real = values.real
    highest = int(max(real.max(), made.max())) + 1
    counts = np.bincount(made, minlength=highest)
    first = np.full(highest, -1, np.intp)  # the first training row of each value
    first[train[::-1]] = np.arange(len(train))[::-1]
    of_train, of_heldout = counts[train] > 0, None if heldout is None else counts[heldout] > 0
    in_train = np.unique(train[of_train])
    in_heldout = None if heldout is None else np.unique(heldout[of_heldout])
    copies = np.flatnonzero(first[made] >= 0)
    present = counts[counts > 0].astype(np.float64)
    return Verbatim(
        train_rows=int(of_train.sum()),
        train_values=len(in_train),
        heldout_rows=None if of_heldout is None else int(of_heldout.sum()),
        heldout_values=None if in_heldout is None else len(in_heldout),
        shared_values=None if in_heldout is None else len(np.intersect1d(in_train, in_heldout)),
        generated_of_train=len(copies),
        generated_of_heldout=None if in_heldout is None else int(counts[in_heldout].sum()),
        most_repeated=_most_repeated(train, heldout, counts),
        generated_rows=len(made),
        distinct_generated=len(present),
        effective_generated=float(len(made) ** 2 / (present**2).sum()),
        real_distinct=len(np.unique(real)) == len(real),
        p_value=None if heldout is None else _p_value(values, groups),
        pairs=tuple((int(g), int(first[made[g]])) for g in copies),
    )


def shown(found: Verbatim) -> Verbatim:
    """Return it for a report: no more pairs than `SHOWN_PAIRS`."""
    return replace(found, pairs=found.pairs[:SHOWN_PAIRS])


def sentence(found: Verbatim) -> str:
    """Return in words which training rows come back verbatim, beside the held-out rows that do."""
    rows = ", ".join(
        f"row {t}" for t in list(dict.fromkeys(t for _, t in found.pairs))[:NAMED_ROWS]
    )
    more = ", …" if found.train_values > NAMED_ROWS else ""
    return (
        f"training rows come back verbatim: {found.train_rows:,} ({rows}{more}) in "
        f"{found.generated_of_train:,} of {found.generated_rows:,} generated rows, against "
        f"{found.heldout_rows or 0:,} held-out rows"
    )


def clearance_obstacle(found: Verbatim, share: float | None, train_points: int) -> str | None:
    """Return why `generalizes` must not be said, or None.

    share: the smallest detectable share of the training points (rows, or groups of rows), None
    where there is none. In this order: a training row comes back although all real rows are
    distinct (for continuous data a coincidence has probability 0); verbatim rows favour T; fewer
    distinct generated rows than the copies that the share speaks of.
    """
    beside = sentence(found)
    if found.suspicious and found.real_distinct:
        return f"{beside}, and no two real rows are equal, so that chance repeats none"
    if found.suspicious:
        return f"{beside} (p = {found.p_value:.3g})"
    needed = 0 if share is None else math.ceil(share * train_points - 1e-9)
    if needed > found.distinct_generated:
        return (
            f"only {found.distinct_generated:,} of {found.generated_rows:,} generated rows are "
            f"distinct, too few to hold copies of {needed:,} training rows: generate more samples"
        )
    return None


@final
class VerbatimCount(Statistic):
    """How many training points come back verbatim: rows, or groups with such a row."""

    def __init__(self, name: str, marked: NDArray[np.bool_], group: NDArray[np.intp]) -> None:
        """marked: (N,) rows that stand in G; group: (N,) number of each row's unit."""
        self.name = name
        rows = np.flatnonzero(marked)
        self.rows = rows[np.unique(group[rows], return_index=True)[1]]  # one for each unit

    def evaluate(self, labels: Labels) -> Floats:
        return np.asarray(labels[self.rows].sum(axis=0, dtype=np.float64))

    def evaluate_swapped(self, labels: Labels) -> Floats:
        return len(self.rows) - self.evaluate(labels)


def _digests(rows: Rows, dtype: np.dtype[Any]) -> NDArray[np.void]:
    out = np.empty(len(rows), _DIGEST)
    at = 0
    for block in row_blocks(*rows.shape):
        # Adding zero turns -0.0 into 0.0.
        for row in np.ascontiguousarray(rows[block], dtype) + dtype.type(0):
            out[at] = np.void(hashlib.blake2b(row.tobytes(), digest_size=16).digest())
            at += 1
    return out


def _most_repeated(
    train: NDArray[np.intp], heldout: NDArray[np.intp] | None, counts: NDArray[np.intp]
) -> Repeated | None:
    best: Repeated | None = None
    sets: list[tuple[Literal["train", "heldout"], NDArray[np.intp]]] = [("train", train)]
    if heldout is not None:
        sets.append(("heldout", heldout))
    for role, rows in sets:
        index = int(np.argmax(counts[rows]))
        times = int(counts[rows[index]])
        if times > (0 if best is None else best.times):
            best = Repeated(role, index, times)
    return best


def _p_value(values: Values, groups: tuple[NDArray[Any], NDArray[Any]] | None) -> float:
    marked, training = values.marked, np.arange(len(values.real)) < len(values.train)
    if groups is not None:
        _, first, unit = np.unique(np.concatenate(groups), return_index=True, return_inverse=True)
        training = training[first]
        marked = np.bincount(unit, marked, len(first)) > 0
    tail = log_upper_tail(len(training), int(training.sum()), int(marked.sum()))
    return float(np.exp(tail[int((marked & training).sum())]))
