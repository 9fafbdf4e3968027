"""How far from random the split would have to be to explain a rejection (Rosenbaum's analysis).

Model: given the rows, the memberships Z_i of the N units are independent, with odds o_i that differ
by a factor of at most Γ, max o ≤ Γ min o, and G owes nothing to them. Given Σ Z = n, P(Z = z) is
proportional to Π o_i^{z_i}. Γ = 1 is a random split; under drift o_i is proportional to the ratio
of the densities of T and H at row i.

*Dominance.* Let C be a set of c units chosen without labels, X = Σ_{i in C} Z_i, and e_k(·) the
elementary symmetric polynomials. Then P(X = x) ∝ e_x(o_C) e_{n−x}(o_rest). Write a_x for
e_x(o_{C∖i}), i in C; then e_x(o_C) = a_x + o_i a_{x−1}, and the derivative of log P(X = x) by o_i
is, up to a constant in x, a_{x−1}/(a_x + o_i a_{x−1}) = 1/(o_i + a_x/a_{x−1}). By Newton's
inequality a_{x−1} a_{x+1} ≤ a_x², a_x/a_{x−1} falls with x, so the derivative rises with x: X has a
monotone likelihood ratio in o_i and grows stochastically with it. In the same way it falls with
every o_i outside of C. Multiplying all odds by one number changes nothing, so they may be taken
from [1, Γ], and the stochastically largest law has Γ inside and 1 outside:
P(X = x) ∝ choose(c, x) choose(N − c, n − x) Γ^x, Fisher's noncentral hypergeometric law. ∎

*Test.* For every score and every cut c of a fixed ladder p_c(Γ) is the upper tail of that law at
the observed count; Γ is rejected when some p_c(Γ) ≤ w level, with equal weights w that sum to 1
over scores and cuts. Cuts so small that they could not reject at Γ = 1 even if all their units
were training units are left out; that rule sees N and n only. p_c(Γ) grows with Γ, so the
rejected Γ are an interval from 0, and its end exceeds the true Γ with probability at most `level`.
It is another test than the permutation family, and weaker: a rejection of the family may not
survive Γ = 1.

*How many at least, at Γ.* As in `copies`: for k = 0, 1, … delete the k best-ranked training units
and test the rest at Γ. If K units are memorized and the odds of the others lie within Γ, deleting
those K and k − K more training units at random leaves memberships whose law is again ∝ Π o_i^{z_i};
deleting the k best-ranked ones instead lowers every count. So the first k ≥ K of the grid is
rejected with probability at most `level`, and the bound exceeds K only then.

*Residual Γ.* Where drift is seen, a classifier of T against H gives logits e_i. What they explain
is taken out: P(Z = z) ∝ exp Σ z_i (e_i + γ 1{i in C}) given Σ Z = n, and e^γ is the largest factor
under which some cut still rejects. The tail is Skovgaard's (1987) double saddlepoint approximation
and the logits are estimates; so e^γ is an estimate, not a bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, ndtr

from byheart.auditing.copies import deletion_grid
from byheart.auditing.pool import Points
from byheart.auditing.result import Sensitivity
from byheart.auditing.statistics import ladder

Floats = NDArray[np.float64]
Marked = NDArray[np.bool_]
_HIGHEST = 50.0  # of log Γ
_PRECISION = 1e-4  # of log Γ, which is rounded down


def analyse(points: Points, logits: Floats | None, level: float) -> Sensitivity:
    """Return both odds ratios of an audit, on the distance and on the ratio.

    points: scores of the units; logits: (units,) of a classifier of T against H where the two were
    seen to differ, else None.
    """
    orders = [
        np.argsort(score, kind="stable") for score in (points.scores.distance, points.scores.ratio)
    ]
    return Sensitivity(
        largest_odds([points.training[order] for order in orders], level),
        None if logits is None else residual_odds(orders, points.training, logits, level),
    )


def largest_odds(ranked: Sequence[Marked], level: float) -> float | None:
    """Return the largest odds ratio Γ of membership at which the test still rejects, or None.

    ranked: for each score (N,), True for training units, most suspicious first, ties in an order
    that knows no label. None: not even a random split, Γ = 1, is rejected.

    >>> marked = np.arange(400) < 20
    >>> marked[20::2] = True
    >>> round(largest_odds([marked], 0.05), 2)
    2.76
    >>> largest_odds([np.arange(400) % 2 == 0], 0.05) is None
    True
    """
    rows, count = len(ranked[0]), int(ranked[0].sum())
    cuts, limit = _tests(rows, count, len(ranked), level)
    tails = [
        _fisher_tail(rows, count, int(cut), int(seen))
        for marked in ranked
        for cut, seen in zip(cuts, np.cumsum(marked)[cuts - 1], strict=True)
    ]
    found = _largest(tails, limit, 0.0)
    return None if found is None else math.exp(found)


def lower_bound_at(ranked: Sequence[Marked], odds: float, level: float) -> int:
    """Return a lower confidence bound on the memorized units where memberships differ by `odds`.

    ranked: as for `largest_odds`. Holds with probability at least 1 − level if the odds of
    membership of the units that are not memorized differ by a factor of at most `odds`.

    >>> marked = np.arange(400) < 30
    >>> marked[30::2] = True
    >>> [lower_bound_at([marked], odds, 0.05) for odds in (1, 1.5, 3)]
    [22, 20, 8]
    """
    rows, count, bound, last = len(ranked[0]), int(ranked[0].sum()), 0, 0
    sums = [np.cumsum(marked, dtype=np.intp) for marked in ranked]
    for k in deletion_grid(count):
        cuts, limit = _tests(rows - k, count - k, len(ranked), level)
        # The first c of the rest are the first c + k of all, of which k marked ones are gone.
        seen = np.concatenate([np.maximum(total[cuts + k - 1] - k, 0) for total in sums])
        tests = list(zip(np.tile(cuts, len(ranked)), seen, strict=True))
        for j in (*range(last, len(tests)), *range(min(last, len(tests)))):
            cut, marked = tests[j]
            tail = _fisher_tail(rows - k, count - k, int(cut), int(marked))
            if tail(math.log(odds)) <= limit:
                bound, last = k + 1, j  # the next k is likely to be rejected there too
                break
        else:
            return bound
    return bound


def residual_odds(
    orders: Sequence[NDArray[np.intp]], training: Marked, logits: Floats, level: float
) -> float | None:
    """Estimate the odds ratio that a rejection survives beyond the drift that was seen.

    orders: for each score (N,) unit numbers, most suspicious first; training, logits: (N,) of each
    unit. Logits that do not vary give `largest_odds` up to the approximation of the tail; the
    result may lie below 1: then the drift explains the rejection. None: no factor is rejected.

    >>> order, logits = np.arange(400), np.zeros(400)
    >>> training = order < 20
    >>> training[20::2] = True
    >>> round(residual_odds([order], training, logits, 0.05), 1)
    2.8
    >>> logits[:40] = 2.0
    >>> round(residual_odds([order], training, logits, 0.05), 1)
    0.5
    """
    rows, count = len(training), int(training.sum())
    cuts, limit = _tests(rows, count, len(orders), level)
    tails = [
        _tilted_tail(logits[order], count, int(cut), int(seen))
        for order in orders
        for cut, seen in zip(cuts, np.cumsum(training[order])[cuts - 1], strict=True)
    ]
    found = _largest(tails, limit, -_HIGHEST)
    return None if found is None else math.exp(found)


def _tests(rows: int, count: int, scores: int, level: float) -> tuple[NDArray[np.intp], float]:
    """Return the cuts that could reject at Γ = 1, and the log level of each score and cut."""
    cuts = ladder(rows)
    few, many = np.minimum(cuts, count), np.maximum(cuts, count)
    # The smallest p of a cut is that of as many marked units as there can be:
    # choose(many, few)/choose(rows, few).
    smallest = (
        gammaln(many + 1) + gammaln(rows - few + 1) - gammaln(many - few + 1) - gammaln(rows + 1)
    )
    kept = cuts[smallest <= math.log(level / (scores * len(cuts)))]
    return kept, math.log(level / (scores * max(len(kept), 1)))


def _largest(
    tails: Sequence[Callable[[float], float]], limit: float, lowest: float
) -> float | None:
    """Return the largest log Γ ≥ lowest at which some log tail is at most `limit`, or None.

    Each tail grows with log Γ; only one that rejects at the best value so far is bisected.
    """
    best: float | None = None
    for tail in sorted(tails, key=lambda tail: tail(0.0)):  # the most promising first
        low = lowest if best is None else best
        if tail(low) > limit:
            continue
        high = _HIGHEST
        while high - low > _PRECISION:
            middle = (low + high) / 2
            low, high = (middle, high) if tail(middle) <= limit else (low, middle)
        best = low
    return best


def _fisher_tail(rows: int, count: int, cut: int, seen: int) -> Callable[[float], float]:
    """Return log Γ -> log P(X ≥ seen), X of Fisher's noncentral hypergeometric law.

    X counts the `count` marked units of `rows` within `cut`; all terms are summed in logs.
    """
    x = np.arange(max(0, cut + count - rows), min(cut, count) + 1, dtype=np.float64)
    log_terms = -(
        gammaln(x + 1)
        + gammaln(count - x + 1)
        + gammaln(cut - x + 1)
        + gammaln(rows - count - cut + x + 1)
    )
    start = max(0, seen - int(x[0]))

    def tail(log_odds: float) -> float:
        terms = log_terms + x * log_odds
        top = terms[start:].max()
        above = top + math.log(np.exp(terms[start:] - top).sum())
        whole = terms.max()
        return float(min(0.0, above - whole - math.log(np.exp(terms - whole).sum())))

    return tail


def _tilted_tail(logits: Floats, count: int, cut: int, seen: int) -> Callable[[float], float]:
    """Return γ -> log P(X ≥ seen), X = Σ_{i < cut} Z_i, P(z) ∝ exp Σ z_i (e_i + γ 1{i < cut}).

    Given Σ Z = count. logits: (N,) in ranked order. The saddle point of the numerator, log odds
    shifted by u inside the cut and v outside, does not depend on γ.
    """
    inside, outside = logits[:cut], logits[cut:]
    if seen <= max(0, count - len(outside)):
        return lambda shift: 0.0  # there cannot be fewer
    x = seen - 0.5  # continuity correction
    u, v = _shift(inside, x), _shift(outside, count - x)
    numerator = _log_sum(inside, u) + _log_sum(outside, v) - u * x - v * (count - x)
    log_bend = math.log(_variance(inside + u)) + math.log(_variance(outside + v))

    def tail(shift: float) -> float:
        moved = np.concatenate([inside + shift, outside])
        a = _shift(moved, count)
        w2 = 2 * (_log_sum(moved, a) - a * count - numerator - shift * x)
        tilt = u - v - shift
        if tilt <= 1e-4 or w2 <= 1e-8:  # at or below the mean: no small p
            return math.log(0.5)
        w = math.sqrt(w2)
        q = (
            2
            * math.sinh(min(tilt, 700.0) / 2)
            * math.exp((log_bend - math.log(_variance(moved + a))) / 2)
        )
        # log of Φ(−w) + φ(w) (1/q − 1/w), with φ(w) taken out: Φ(−w)/φ(w) is Mills' ratio.
        mills = (
            float(ndtr(-w)) * math.exp(w2 / 2) * math.sqrt(2 * math.pi)
            if w < 30
            else (1 / w - 1 / w**3)
        )
        density = -w2 / 2 - math.log(2 * math.pi) / 2
        return min(density + math.log(max(mills + 1 / q - 1 / w, 1e-300)), math.log(0.5))

    return tail


def _shift(logits: Floats, total: float) -> float:
    """Return the s with Σ expit(logits + s) = total, 0 < total < len(logits)."""
    base = math.log(total / (len(logits) - total))
    low, high = base - float(logits.max()), base - float(logits.min())
    s = (low + high) / 2
    for _ in range(100):
        p = expit(logits + s)
        gap = float(p.sum()) - total
        low, high = (low, s) if gap > 0 else (s, high)
        bend = float((p * (1 - p)).sum())
        step = s - gap / bend if bend > 0 else math.inf
        new = step if low < step < high else (low + high) / 2  # Newton, kept within the bracket
        if abs(new - s) <= 1e-12 * (1 + abs(s)):
            return new
        s = new
    return s


def _log_sum(logits: Floats, shift: float) -> float:
    return float(np.logaddexp(0.0, logits + shift).sum())


def _variance(logits: Floats) -> float:
    p = expit(logits)
    return float((p * (1 - p)).sum())
