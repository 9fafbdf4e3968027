"""What each control says about the verdict: passed, failed, or not needed for it.

Made here once, and told by every surface of a result: terminal, page, card, comparison, JSON.

A control that holds has passed. One that does not has failed if the verdict rests on it, and is not
needed otherwise: what was found needs no proof that it could have been found (planted copies), nor
that the held-out rows are independent, since held-out rows that the model knows only hide copies.
Plain copies may be believed although train and held-out differ (`verdict`), but what then is
withheld shows that exchangeability has failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from byheart.auditing.result import AuditResult, Controls

State = Literal["passed", "failed", "not needed", "shown"]
NOT_FOR_FINDINGS = ("planted", "independence")


@dataclass(frozen=True)
class Judgement:
    """One control of one audit."""

    control: str  # its key among the controls of a report
    name: str
    state: State  # "shown" is judged by nothing
    value: str  # what was measured, in one line


def judge(result: AuditResult) -> tuple[Judgement, ...]:
    """Return the judgement of every control, in the order in which a report shows them.

    >>> import numpy as np, byheart
    >>> train, heldout, generated = np.random.default_rng(0).normal(size=(3, 200, 4))
    >>> found = byheart.audit(train, heldout, generated, permutations=99)
    >>> [one.state for one in judge(found)]
    ['passed', 'passed', 'passed', 'passed', 'failed', 'shown']
    """
    controls = result.controls
    if controls is None:
        return ()
    found = result.verdict == "memorizes"
    spared: tuple[str, ...] = ()
    if result.p_value is not None and result.p_value <= result.level:
        spared = NOT_FOR_FINDINGS if found else ("planted",)
    return (
        *(
            Judgement(key, name, _state(passed, key in spared), value)
            for key, name, passed, value in _measured(controls, result.resolution)
        ),
        Judgement("duplicates", "duplicates", "shown", _twins(controls)),
    )


def _state(passed: bool, spared: bool) -> State:
    return "passed" if passed else "not needed" if spared else "failed"


def _measured(controls: Controls, resolution: float) -> tuple[tuple[str, str, bool, str], ...]:
    """Return key, name, whether it holds, and what was measured, of each control."""
    scale, free = controls.comparability, controls.independence
    rate = controls.minimum_detectable_rate
    return (
        (
            "comparability",
            "scale of the generated samples",
            scale.passed,
            f"{scale.distance_ratio:.3g} × the distance between random real rows, limit "
            f"{scale.limit:.3g}" + (f"; they seem to be {scale.cause}" if scale.cause else ""),
        ),
        (
            "exchangeability",
            "exchangeability",
            controls.exchangeability.passed,
            f"p = {controls.exchangeability.p_value:.2g}",
        ),
        (
            "role_swap",
            "role swap",
            controls.role_swap.passed,
            f"p = {controls.role_swap.p_value:.2g}",
        ),
        (
            "independence",
            "held-out independence",
            free.passed,
            f"{_percent(free.generated_share)} of generated and {_percent(free.train_share)} of "
            f"training rows reproduce a held-out row, p = {free.p_value:.2g}",
        ),
        (
            "planted",
            "planted copies",
            rate is not None and rate <= resolution,
            "smallest share found in 95% of repeats: "
            + ("none" if rate is None else _percent(rate))
            + f", needed to clear a model: {_percent(resolution)}",
        ),
    )


def _twins(controls: Controls) -> str:
    count = controls.duplicates.count
    return f"{count:,} rows stand in both sets" if count else "no row stands in both sets"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
