"""Do the two scales of a transition align? One word, and a reason that a person can act on.

Theory for the linear model gives n_mem/n_gen between 1.2 and 3.6, with a slow drift in the
dimension, so "of order one" can only mean an order of magnitude: the scales are aligned when the
whole interval of their ratio lies within 1/10 to 10. Memorization fades first when it lies below,
or when the distance certainly does not improve from before n_mem to the largest n; quality improves
first when it lies above; anything else is undecided, and the reason says what would settle it.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from byheart.intervals import interval_text, number
from byheart.lab.transition.scales import Scale
from byheart.lab.transition.trials import Resampled, Trials

Alignment = Literal["aligned", "memorization fades first", "quality improves first", "undecided"]

FACTOR = 10.0  # the scales align when their ratio is within 1/FACTOR to FACTOR
SAME = 0.8  # a distance that stays above this share of its former value has not improved


def word(
    trials: Trials,
    draws: Resampled,
    scales: tuple[Scale, Scale, Scale],
    fall: bool,
    level: float,
) -> tuple[Alignment, str]:
    """Return the word on alignment and its reason; scales: n_mem, n_gen, their ratio."""
    memory, quality, ratio = scales
    low, high = ratio.interval
    first, last = number(trials.sizes[0]), number(trials.sizes[-1])
    span = f"the ratio n_mem/n_gen is {interval_text(ratio.interval)}"
    if low >= 1 / FACTOR and high <= FACTOR:
        return "aligned", f"{span}: within a factor of {FACTOR:g} of each other"
    if high < 1 / FACTOR:
        return "memorization fades first", (
            f"{span}: memorization fades at far fewer training points than quality begins to "
            f"improve at; judge this model by its quality, not by the absence of copies"
        )
    if low > FACTOR:
        return "quality improves first", (
            f"{span}: quality already improves where the model still memorizes; a good sample "
            f"proves nothing before n_mem"
        )
    if math.isinf(memory.interval[1]):
        return "undecided", (
            f"P(Delta > 0) does not reach 1/2 for certain by n = {last}; sweep larger n"
        )
    if memory.interval[0] == 0:
        return "undecided", (
            f"P(Delta > 0) may be above 1/2 already at n = {first}; sweep smaller n"
        )
    if not fall:
        return _without_fall(trials, draws, memory, level)
    if quality.interval[0] == 0:
        return "undecided", (
            f"the distance may fall already at n = {first}, so n_gen has no lower limit; "
            f"sweep smaller n, or run more repeats there"
        )
    return "undecided", f"{span}, too wide to tell; run more repeats, and sizes in between"


def _without_fall(
    trials: Trials, draws: Resampled, memory: Scale, level: float
) -> tuple[Alignment, str]:
    """Tell "does not improve" from "not seen to improve", from before n_mem to the largest n."""
    before = int(np.flatnonzero(trials.sizes <= memory.interval[0])[-1])
    was, last = number(trials.sizes[before]), number(trials.sizes[-1])
    ends = draws.means[:, [before, -1]]
    if not (np.isfinite(ends) & (ends > 0)).all():
        return "undecided", (
            f"the distance does not fall clearly, and at n = {was} or {last} it is infinite or not "
            f"above 0, so that its change is no ratio; sweep larger n"
        )
    left = float(np.quantile(ends[:, 1] / ends[:, 0], level, method="lower"))
    if left >= SAME:
        return "memorization fades first", (
            f"P(Delta > 0) passes 1/2, but the distance does not fall: at n = {last} it is still "
            f"at least {left:.0%} of that at n = {was}; more data of this kind stop the copying, "
            f"not the error, so change the model or its training"
        )
    return "undecided", (
        f"the distance shows no clear fall, but one to {left:.0%} from n = {was} to {last} is not "
        f"excluded; run more repeats at these two"
    )
