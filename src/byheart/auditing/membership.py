"""Privacy figures of the attack "close to a generated sample means trained on".

AUC: chance that a training point scores closer than a held-out one. True-positive rate at a fixed
false-positive rate: share of training points closer than the corresponding held-out quantile.

Epsilon: pair training with held-out points at random, guess that the closer one of each pair is
the member, keep the r pairs whose closer point scores best, v of them right. Under pure
epsilon-DP (replacement adjacency, uniform random split and matching, fixed r) v is dominated by
Binomial(r, e^eps/(1 + e^eps)), so with p_L the Clopper–Pearson lower limit of v/r
eps ≥ log(p_L/(1 − p_L)); Bonferroni over the ladder of r. Under add/remove adjacency halve it.
Compare Steinke, Nasr and Jagielski 2023 and Amin et al., arXiv 2606.16952.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from byheart import intervals
from byheart.auditing.result import Membership

Floats = NDArray[np.float64]
FALSE_POSITIVE_RATES = (0.01, 0.001)


def membership(
    train: Floats, heldout: Floats, rng: np.random.Generator, level: float
) -> tuple[Membership, list[str]]:
    """Return the privacy figures of scores (n,) and (h,), small = suspicious, and any warnings."""
    area = area_under_curve(train, heldout)
    warnings = []
    rates: dict[str, float | None] = {}
    for rate in FALSE_POSITIVE_RATES:
        rates[f"{rate:g}"] = true_positive_rate(train, heldout, rate)
        if rates[f"{rate:g}"] is None:
            warnings.append(
                f"no true-positive rate at {rate:.1%} false positives: it needs at least "
                f"{math.ceil(1 / rate):,} held-out points, there are {len(heldout):,}"
            )
    figures = Membership(
        auc=area,
        auc_interval=intervals.auc(area, len(train), len(heldout), level),
        tpr_at_fpr=rates,
        epsilon_lower_bound=epsilon_lower_bound(train, heldout, rng, level),
    )
    return figures, warnings


def area_under_curve(train: Floats, heldout: Floats) -> float:
    """Return P(s_T < s_H) + P(s_T = s_H)/2 over all pairs.

    >>> area_under_curve(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    ordered = np.sort(heldout)
    below = np.searchsorted(ordered, train, side="left")
    upto = np.searchsorted(ordered, train, side="right")
    return float(1 - (below + upto).mean() / (2 * len(heldout)))


def true_positive_rate(train: Floats, heldout: Floats, rate: float) -> float | None:
    """Return the share of training scores below the held-out quantile `rate`, None if too few.

    The threshold lets through at most floor(rate * h) held-out points, ties counted against.

    >>> true_positive_rate(np.zeros(10), np.ones(100), 0.01)
    1.0
    """
    allowed = math.floor(rate * len(heldout) + 1e-9)
    if allowed < 1:
        return None
    blocked = np.sort(heldout)[allowed:]
    threshold = blocked[0] if len(blocked) else math.inf
    return float(np.mean(train < threshold))


def membership_curve(train: Floats, heldout: Floats) -> Floats:
    """Return the curve of (false-positive rate, true-positive rate), (points, 2), from (0, 0)."""
    thresholds = np.unique(np.concatenate([train, heldout]))
    false = np.searchsorted(np.sort(heldout), thresholds, side="right") / len(heldout)
    true = np.searchsorted(np.sort(train), thresholds, side="right") / len(train)
    return np.vstack([[0.0, 0.0], np.column_stack([false, true])])


def epsilon_lower_bound(
    train: Floats, heldout: Floats, rng: np.random.Generator, level: float
) -> float:
    """Return a lower confidence bound on epsilon (0 when nothing can be said).

    >>> rng = np.random.default_rng(0)
    >>> round(epsilon_lower_bound(np.zeros(200), np.ones(200), rng, 0.05), 2)
    3.76
    """
    pairs = min(len(train), len(heldout))
    inside = rng.permutation(train)[:pairs]
    outside = rng.permutation(heldout)[:pairs]
    # A pair is trusted more the closer a generated sample comes to either of its points, which is
    # symmetric in the pair: it does not tell which of the two is the member.
    doubt = np.minimum(inside, outside)
    coin = rng.random(pairs) < 0.5  # equal scores: the guess is a coin
    right = np.where(inside == outside, coin, inside < outside)
    order = np.lexsort((rng.random(pairs), doubt))
    sizes = [r for r in (pairs // 2**j for j in range(8)) if r >= 8] or [pairs]
    hits = np.cumsum(right[order])
    best = 0.0
    for r in sizes:
        lower = intervals.clopper_pearson_lower(int(hits[r - 1]), r, level / len(sizes))
        if lower > 0.5:
            best = max(best, math.log(lower / (1 - lower)))
    return best
