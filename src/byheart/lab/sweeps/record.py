"""What one trial of a sweep leaves behind.

A trial trains one model on one training set of n points. Its record does not depend on the engine
that ran it or on the order of trials: two records of the same plan, n and repeat are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """What was measured on one trained model.

    positive: whether Delta > 0, that is, no memorization (arXiv 2411.17807). delta_log_size: log of
    |Delta|, -inf for 0. distance: dist(rho, rho_G) in the plan's unit; inf where the model's law is
    singular. figures: other numbers and words by name.
    """

    positive: bool
    delta_log_size: float
    distance: float
    figures: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """The outcome of repeat number `repeat` at training size n, or the error that it ended in.

    Exactly one of `outcome` and `error` is there. attempts: how often it was started. value: of the
    parameter that the plan sweeps, None if it sweeps none.
    """

    n: int
    repeat: int
    outcome: Outcome | None
    error: str | None = None
    attempts: int = 1
    value: float | None = None
