"""What the records of a sweep show: a transition over n, or thresholds over a parameter."""

from __future__ import annotations

from collections.abc import Sequence

from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Record
from byheart.lab.transition.result import TransitionResult, transition
from byheart.lab.transition.thresholds import ThresholdsResult, thresholds

Analysis = TransitionResult | ThresholdsResult


def analyse(
    records: Sequence[Record], plan: Plan, *, level: float = 0.05, seed: int = 0
) -> Analysis:
    """Return the thresholds of the parameter that `plan` sweeps, or else the transition over n.

    records: of `plan`, in any order. level: probability that an interval misses. seed: of the
    bootstrap. The key "kind" of `to_dict()` says which of the two it is. Raises what `transition`
    and `thresholds` raise.

    >>> from byheart.lab.sweeps.record import Outcome
    >>> plan = Plan.parse({"data": {"kind": "gaussian", "dimension": 16},
    ...     "model": {"kind": "linear"}, "sweep": {"n": [16, 96], "repeats": 9}})
    >>> made = [Record(n, i, Outcome(n > 50, 0.0, 100 / n)) for n in (16, 96) for i in range(9)]
    >>> analyse(made, plan).to_dict()["kind"]
    'transition'
    """
    if plan.parameter is None:
        return transition(records, level=level, seed=seed)
    return thresholds(records, plan.parameter, level=level, seed=seed)
