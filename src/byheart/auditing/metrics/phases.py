"""Memorized, spurious, generalized: the three phases of arXiv 2505.21777v3 (Pham et al.).

Symbols: T, H, G are training, held-out and generated rows, n, h, m their numbers; d(x, A) is the
distance from x to the nearest row of A other than x. A generated row x is

    memorized    if d(x, T) <= delta_m,
    spurious     if it is not memorized and d(x, G) <= delta_s: it repeats another sample,
    generalized  otherwise.

The paper's code compares G with itself. Here an independent second set S of the same model can take
its place, d(x, S) <= delta_s. Two equal samples are at distance 0 from each other, so each of them
is memorized or spurious, never generalized.

*Thresholds.* No published value transfers to other data (the code's defaults are .33 for both, its
README has .03 and .02). Both are quantiles under "the model draws from the data's law":

    delta_m = the r-th smallest of d(x, T) over held-out x,  r = floor(FALSE_ALARM (h + 1)), >= 1.

A fresh draw g and the rows of H are then exchangeable given T, so the rank of d(g, T) among the
h + 1 distances is uniform and g is called memorized with probability r/(h + 1), whatever the law
and n: exact without ties.

    delta_s = the r'-th smallest of d(x, H) over held-out x,  r' = floor(FALSE_ALARM h), >= 1.

A distance to the nearest of c other rows shrinks as c grows, so both sides have the same c: with
c + 1 = min(m, h) rows are cut at random into blocks of c + 1 (the last block reaches back) and
compared within their block; with a second set of m' rows, c = min(m', h - 1). Then every d(x, H)
has the law of d(g, G) for fresh draws, E #{x: d(x, H) <= t}/h = P(d(g, G) <= t) for every t, and
the empirical quantile is a consistent one. Distances are not independent (mutual neighbours share
theirs), so the rate is r'/h up to the spread of that quantile, and not exact.

`false_alarm` states both rates as they came out, ties counted: #{d <= delta}/(h + 1) and
#{d <= delta}/h. A model that draws from the data's law has memorized + spurious of at most their
sum; what lies above is the model's.

*Intervals* are over draws of G with T, H and the thresholds fixed. With a second set rows are
independent given it: Wilson's interval. Within G the labels depend on each other; without row j the
rows whose nearest other row is j lose it, which the second neighbours tell, so the jackknife is
exact to compute. Its variance is too large on average (Efron and Stein 1981); the interval is never
tighter than Wilson's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from byheart import _check, intervals
from byheart.distances.neighbours import Neighbours, two_way, within
from byheart.distances.rows import Chosen, Rows
from byheart.errors import InputError
from byheart.intervals import Estimate

Floats = NDArray[np.float64]
Phase = Literal["memorized", "spurious", "generalized"]

PHASES: tuple[Phase, ...] = ("memorized", "spurious", "generalized")
FALSE_ALARM = 0.05  # share of fresh draws that each threshold takes for a copy


@dataclass(frozen=True)
class Phases:
    """The shares of the three phases, which sum to 1, and how they were told apart.

    delta_m, delta_s: thresholds, in the rows' own units. false_alarm: share of fresh draws that
    each of the two takes for memorized, for spurious. others: c, the number of rows among which the
    nearest other row was sought. against: what the generated rows were compared with. labels: (m,)
    positions in PHASES, of each generated row.
    """

    memorized: Estimate
    spurious: Estimate
    generalized: Estimate
    delta_m: float
    delta_s: float
    false_alarm: tuple[float, float]
    others: int
    against: Literal["itself", "a second set"]
    labels: NDArray[np.int64]


def phases(
    train: Any,
    heldout: Any,
    generated: Any,
    second: Any = None,
    *,
    level: float = 0.05,
    seed: int = 0,
    max_memory: int | None = None,
) -> Phases:
    """Return the shares of memorized, spurious and generalized rows among `generated`.

    train (n, d), heldout (h, d), generated (m, d) and, if given, second (m', d), drawn from the
    same model independently of `generated`, which is then compared with it and not with itself.
    level: the intervals' chance to miss. seed: of the cut into blocks, used only if m and h differ.
    max_memory: bytes of working memory of a search.
    Raises InputError for sets that are not finite matrices of as many columns, or fewer than two
    held-out rows, two generated ones without `second`. Source: arXiv 2505.21777v3; the thresholds
    are derived in the module's introduction.

    >>> rng = np.random.default_rng(0)
    >>> data = rng.normal(size=(700, 3))
    >>> generated = np.concatenate([data[:50], data[-100:], np.full((50, 3), 5.0)])
    >>> found = phases(data[:300], data[300:600], generated)
    >>> [share.value for share in (found.memorized, found.spurious, found.generalized)]
    [0.27, 0.255, 0.475]
    """
    level = _check.fraction(level, "level")
    rng = np.random.default_rng(_check.integer(seed, "seed", 0))
    sets = {"train": train, "heldout": heldout, "generated": generated}
    if second is not None:
        sets["second"] = second
    rows = {role: _check.matrix(given, role) for role, given in sets.items()}
    for role, given in rows.items():
        if given.shape[1] != rows["train"].shape[1]:
            raise InputError(
                f"{role}: rows of {given.shape[1]} values, and train has {rows['train'].shape[1]}; "
                f"give sets of as many columns"
            )
    for role in ("heldout",) if second is not None else ("heldout", "generated"):
        if len(rows[role]) < 2:
            raise InputError(f"{role}: one row has no other row; give at least 2")
    dtype = np.result_type(*rows.values())
    t, h, g, *s = (given.astype(dtype, copy=False) for given in rows.values())
    return classify(
        two_way(g, t, 1, max_memory=max_memory).forward.distances[:, 0],
        two_way(h, t, 1, max_memory=max_memory).forward.distances[:, 0],
        h,
        g,
        s[0] if s else None,
        level=level,
        rng=rng,
        max_memory=max_memory,
    )


def classify(
    to_train: Floats,
    heldout_to_train: Floats,
    heldout: Rows,
    generated: Rows,
    second: Rows | None = None,
    *,
    level: float,
    rng: np.random.Generator,
    max_memory: int | None = None,
) -> Phases:
    """Return the shares where the distances d(., T) of G, (m,), and of H, (h,), are known.

    heldout (h, d) with h >= 2, generated (m, d) and second (m', d) are rows of one type; m >= 2
    without a second set. Other arguments as for `phases`.

    >>> rows = np.arange(8.0)[:, None]
    >>> far = np.full(8, 9.0)
    >>> found = classify(far, far + 1, rows, rows, level=0.05, rng=np.random.default_rng(0))
    >>> found.memorized.value, found.others
    (1.0, 7)
    """
    h, m = len(heldout), len(generated)
    others = min(m - 1 if second is None else len(second), h - 1)
    among_heldout = _nearest_others(heldout, others, rng, max_memory).distances[:, 0]
    delta_m = _quantile(heldout_to_train, FALSE_ALARM * (h + 1))
    delta_s = _quantile(among_heldout, FALSE_ALARM * h)
    changes = np.zeros(m)  # without row j, so many spurious rows are generalized
    if second is None:
        near = _nearest_others(generated, others, rng, max_memory)
        repeats = near.distances[:, 0] <= delta_s
        single = (to_train > delta_m) & repeats
        if others > 1:
            single &= near.distances[:, 1] > delta_s
        changes += np.bincount(near.indices[single, 0], minlength=m)
    else:
        some = Chosen(second, np.sort(rng.permutation(len(second))[:others]))
        reference = second if others == len(second) else some
        found = two_way(generated, reference, 1, max_memory=max_memory).forward
        repeats = found.distances[:, 0] <= delta_s
    labels = np.where(to_train <= delta_m, 0, np.where(repeats, 1, 2))
    memorized, spurious, generalized = (
        _share(labels == phase, sign * changes, second is None, level)
        for phase, sign in enumerate((0, -1, 1))
    )
    return Phases(
        memorized=memorized,
        spurious=spurious,
        generalized=generalized,
        delta_m=delta_m,
        delta_s=delta_s,
        false_alarm=(
            float((heldout_to_train <= delta_m).sum()) / (h + 1),
            float((among_heldout <= delta_s).mean()),
        ),
        others=others,
        against="itself" if second is None else "a second set",
        labels=labels,
    )


def _quantile(distances: Floats, rank: float) -> float:
    """Return the distance of this rank, rounded down and at least 1."""
    return float(np.sort(distances)[max(1, math.floor(rank + 1e-9)) - 1])


def _nearest_others(
    rows: Rows, others: int, rng: np.random.Generator, max_memory: int | None
) -> Neighbours:
    """Return the two nearest of `others` other rows of each row; there may be but one.

    Rows are cut at random into blocks of others + 1; the last block reaches back over rows of the
    one before it, so that none is smaller.
    """
    size, count = others + 1, len(rows)
    if size == count:
        return within(rows, 2, max_memory=max_memory)
    order = rng.permutation(count)
    distances = np.empty((count, min(2, others)))
    indices = np.empty((count, min(2, others)), np.int64)
    for start in range(0, count, size):
        block = order[max(0, min(start, count - size)) :][:size]
        new = slice(size - min(size, count - start), size)
        found = within(Chosen(rows, block), 2, max_memory=max_memory)
        distances[block[new]] = found.distances[new]
        indices[block[new]] = block[found.indices[new]]
    return Neighbours(distances, indices)


def _share(inside: NDArray[np.bool_], changes: Floats, jackknife: bool, level: float) -> Estimate:
    """Return a share and its interval; changes: of the count of other rows without row j, (m,)."""
    m, count = len(inside), int(inside.sum())
    value = count / m
    low, high = intervals.wilson(count, m, level)
    if jackknife:
        without = (count - inside + changes) / (m - 1)
        half = float(ndtri(1 - level / 2)) * math.sqrt((m - 1) * float(without.var()))
        low, high = max(0.0, min(low, value - half)), min(1.0, max(high, value + half))
    return Estimate(value, (low, high))
