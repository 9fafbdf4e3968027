"""What to do after a sweep, the most useful first.

Over a parameter the advice is on the verdict `generalizes`: a value at which no copy can be named
may still leave traces of many training points.
"""

from __future__ import annotations

import math

from byheart.intervals import interval_text, number
from byheart.lab.transition.analysis import Analysis
from byheart.lab.transition.result import TransitionResult
from byheart.lab.transition.thresholds import ThresholdsResult
from byheart.report.transition.wording import between, cost
from byheart.report.wording import percent

LAST = "Audit the model that you release: a sweep speaks of runs like it, not of it."


def next_steps(result: Analysis) -> tuple[str, ...]:
    """Return what to do next, the most useful first."""
    if isinstance(result, ThresholdsResult):
        return (*_over_parameter(result), LAST)
    return (*_over_n(result), LAST)


def _over_n(result: TransitionResult) -> list[str]:
    largest, smallest = result.curve[-1].n, result.curve[0].n
    steps = []
    if math.isinf(result.n_mem.interval[1]):
        ahead = result.extrapolation
        if result.n_mem.estimate is not None:
            steps.append(
                f"Add repeats: P(Delta > 0) seems to cross 1/2 near n = "
                f"{number(result.n_mem.estimate)}, and these trials are too few to be sure."
            )
        elif ahead and ahead.estimate:
            steps.append(
                f"Train on more: P(Delta > 0) should reach 1/2 near n = {number(ahead.estimate)} "
                f"({interval_text(ahead.interval)}); sweep there to confirm it."
            )
        else:
            steps.append(
                f"Sweep larger n, up to {number(4 * largest)}: at n = {number(largest)} the model "
                f"still memorizes too often."
            )
    if result.n_mem.interval[0] == 0 or (result.n_gen.interval[0] == 0 and result.n_gen.bound):
        steps.append(f"Sweep smaller n, below {number(smallest)}, where the curves begin.")
    if not steps and result.aligned == "undecided":
        low, high = result.n_mem.interval
        steps.append(f"Add repeats, and sizes between {number(low)} and {number(high)}.")
    if result.aligned == "memorization fades first":
        steps.append(
            "Look at the quality: more of the same data stops the copying only. Change the model, "
            "its training or its noise floor, and sweep again."
        )
    if math.isfinite(result.n_mem.interval[1]):
        safe = result.n_mem_95.interval[1]
        if math.isfinite(safe):
            steps.append(f"Train on more than {number(safe)} points: 95% of runs do not memorize.")
        else:
            steps.append(
                f"Sweep beyond n = {number(largest)} to see where 95% of runs do not memorize."
            )
    return steps


def _over_parameter(result: ThresholdsResult) -> list[str]:
    name, steps = result.parameter.name, []
    clear, copies = result.generalizes, result.no_copies
    if clear.value is not None:
        steps.append(
            f"Take {name} = {clear.value:g}: the first value at which at least half of the runs "
            f"are found to generalize ({between(clear)}); it costs {cost(clear)}."
        )
    else:
        strongest = result.curve[-1]
        if strongest.inconclusive.value >= 0.5:
            steps.append(
                f"Change the model or its data, not {name}: at no value tried do half of the runs "
                f"generalize, and at the strongest, {strongest.value:g}, audits are inconclusive."
            )
        else:
            more = "higher" if result.parameter.stronger == "higher" else "lower"
            steps.append(
                f"Sweep {more} values of {name}: at none tried do half of the runs generalize."
            )
    if copies.value is not None and copies.value != clear.value:
        point = next(p for p in result.curve if p.value == copies.value)
        already = copies.value == result.curve[0].value
        steps.append(
            f"Do not take {name} = {copies.value:g} because most runs name no copies there"
            f"{' already' if already else ''}: "
            f"{percent(point.traces.value)} of them leave traces of many training points, "
            f"and {percent(point.generalizes.value)} are found to generalize."
        )
    return steps
