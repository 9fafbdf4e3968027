"""One permutation test that is looked at many times and holds its level over the whole run.

Column 0 is the observed labelling of T ∪ H, columns 1 … B are random relabellings, drawn once for
the run; C = B + 1. Look k brings one value per column, v_k[b], small where the samples of look k
lean on the rows that column b calls training rows. The looks are dependent in any way.

*Rule.* A share s_k of the level a may have been spent by look k, 0 < s_1 ≤ s_2 ≤ … < 1. Columns
cross, and once crossed stay crossed: at look k those not yet crossed are taken in the order of v_k,
ties together, as long as no more than a s_k C columns have crossed in all. The alarm at level a
is the crossing of column 0.

*Validity.* Null hypothesis of look k: the samples of looks 1 … k owe nothing to which rows of
T ∪ H were trained on. Given all these samples the columns of (v_1, …, v_k) are then exchangeable,
and the rule treats all columns alike, so that column 0 is one of the crossed with probability

    P(alarm by look k) = E[number crossed by look k] / C ≤ a s_k < a.

Who has crossed by look k depends on looks 1 … k alone: an alarm, once given, holds whatever comes
later; the number of looks need not be known; and training may stop at the alarm or for any other
reason. The nulls are nested (that of look k contains those before it), so the first step with an
alarm comes before the first real trace with probability at most a: the family-wise error of all
looks. This is alpha spending (Lan and DeMets 1983) with the joint law of the looks taken from the
relabellings (Westfall and Young 1993): looks that resemble each other share the columns that
cross, so they cost less than Bonferroni's a/k each. The rank of column 0 in the running minimum,
without the memory of who crossed, would not do: it moves back and forth, and has a new chance of
being small at every look.

What is not allowed is steering: if training reacts to p-values, or to any figure that knows T from
H, other than by stopping, the next samples depend on the labels, and nothing is exact any more.

*Spending.* s_k = .8 k/K for k ≤ K planned looks and 1 − .2 K/k beyond: even over the plan, a rest
for ever. One more column can cross every K/(.8 a C) looks; C ≥ K/(.8 a) lets one cross at each.

*p-value.* The rule runs at a grid of levels side by side. The p-value at look k is the smallest
level a of the grid such that column 0 has crossed at a and at all larger ones. Hence
P(p_k ≤ a for any k) ≤ a for every a at once, and p_k never rises with k.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PLANNED_SHARE = 0.8
_STEPS_PER_FACTOR = 4  # levels of the grid within a factor of 2


def spent_share(look: int, planned: int) -> float:
    """Return s_k, the share of the level that look number k = 1, 2, … may have spent.

    >>> [round(spent_share(k, 10), 2) for k in (1, 5, 10, 20, 1000)]
    [0.08, 0.4, 0.8, 0.9, 1.0]
    """
    if look <= planned:
        return PLANNED_SHARE * look / planned
    return 1 - (1 - PLANNED_SHARE) * planned / look


class SequentialTest:
    """Crossed columns at each level of the grid; see the module for the rule and its proof.

    level: one of the grid's levels, exactly. columns: C. planned: K, the planned number of looks.
    Memory: about 4 log2(C) C bytes.

    >>> test = SequentialTest(0.05, columns=1000, planned=10)
    >>> copied = np.arange(1000.0)  # column 0 is the most suspicious
    >>> test.look(copied) <= 0.05, test.looks
    (True, 1)
    """

    def __init__(self, level: float, columns: int, planned: int) -> None:
        self.planned = planned
        self.looks = 0
        low = int(np.ceil(_STEPS_PER_FACTOR * np.log2(level * columns)))
        high = int(np.ceil(-_STEPS_PER_FACTOR * np.log2(level)))
        steps = np.arange(-max(low, 0), high)
        self.levels = np.append(level * 2.0 ** (steps / _STEPS_PER_FACTOR), 1.0)
        self.crossed: NDArray[np.bool_] = np.zeros((len(self.levels), columns), dtype=bool)

    def look(self, values: NDArray[np.float64]) -> float:
        """Take the values of one look, (C,), small for memorization; return the p-value so far."""
        columns = len(values)
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
        self.looks += 1
        # The small excess keeps a budget that is a whole number from being rounded below it.
        share = spent_share(self.looks, self.planned) * columns
        budget = np.floor(self.levels * share * (1 + 1e-12)).astype(np.intp)
        fresh = ~self.crossed[:, order]
        total = self.crossed.sum(axis=1, keepdims=True) + np.cumsum(fresh, axis=1)
        fits = (total <= budget[:, None]) & last_of_tie
        taken = np.where(fits.any(axis=1), columns - fits[:, ::-1].argmax(axis=1), 0)
        self.crossed[:, order] |= np.arange(columns) < taken[:, None]
        return self.p_value

    @property
    def p_value(self) -> float:
        """The p-value of column 0 so far: valid at whatever look it is read."""
        crossed = np.logical_and.accumulate(self.crossed[::-1, 0])
        return float(self.levels[len(crossed) - int(crossed.sum())]) if crossed[0] else 1.0
