"""A sweep's result in a terminal: the word first, then about ten lines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from byheart.lab.sweeps.plan import Plan
from byheart.lab.transition.alignment import Alignment
from byheart.lab.transition.analysis import Analysis
from byheart.lab.transition.phase_curve import peak_text
from byheart.lab.transition.result import TransitionResult
from byheart.lab.transition.thresholds import ThresholdsResult
from byheart.report.screen import shown
from byheart.report.transition.advice import next_steps
from byheart.report.transition.wording import facts, head, value_row
from byheart.report.wording import sentence_of

if TYPE_CHECKING:
    from rich.console import Console

STYLES: dict[Alignment, str] = {
    "aligned": "bold green",
    "memorization fades first": "bold red",
    "quality improves first": "bold red",
    "undecided": "bold yellow",
}


def render(result: Analysis, plan: Plan, page: Path | None = None) -> None:
    """Print the word, the scales or thresholds, the curve, the advice and where the page is.

    plan: of the sweep, for what Delta and the distance are.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if isinstance(result, ThresholdsResult):
        _over_parameter(console, result, plan)
        indent = ""
    else:
        _over_n(console, result, plan)
        indent = "  "
    for warning in result.warnings:
        _say(console, f"{indent}note: {warning}", "dim")
    if page is not None:
        _say(console, f"{indent}report: {page}")


def _over_n(console: Console, result: TransitionResult, plan: Plan) -> None:
    _say(console, result.aligned, STYLES[result.aligned])
    lines = [sentence_of(result.reason)]
    lines += [f"{name}: {value}  ({note})" for name, value, note in facts(result)]
    lines += _picture(result)
    if result.phases is not None:
        lines.append(f"phases: {peak_text(result.phases)}")
    for line in lines:
        _say(console, f"  {line}")
    _say(console, f"  Delta > 0: {plan.measure.delta}", "dim")
    _say(console, f"  distance: {plan.measure.distance}", "dim")
    _say(console, f"  next: {next_steps(result)[0]}")


def _over_parameter(console: Console, result: ThresholdsResult, plan: Plan) -> None:
    from rich.table import Table

    opening = head(result)
    style = "bold yellow" if result.generalizes.value is None else "bold green"
    _say(console, f"{opening['word']}: {opening['sentence']}", style)
    for name, value, note in facts(result):
        _say(console, f"  {name}: {value}  ({note})")
    table = Table(box=None, pad_edge=False)
    name = result.parameter.name
    for heading in (name, "copies", "traces", "inconclusive", "generalizes", "distance"):
        table.add_column(shown(heading), justify="right")
    for point in result.curve:
        table.add_row(*(shown(cell) for cell, _ in value_row(point)))
    console.print(table)
    _say(console, f"distance: {plan.measure.distance}", "dim")
    steps = next_steps(result)
    _say(console, f"next: {steps[0]}")
    for step in steps[1:]:
        _say(console, f"      {step}")


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(shown(line, style))


def _picture(result: TransitionResult) -> list[str]:
    """Return the curve of P(Delta > 0) and of log distance as bars, a column for each n."""
    shown = [point for point in result.curve if 0 < point.distance < math.inf]
    logs = [math.log(point.distance) for point in shown]
    low, width = (min(logs), max(logs) - min(logs)) if logs else (0.0, 0.0)

    def height(distance: float) -> float:
        if math.isinf(distance):
            return 1.0
        return (math.log(distance) - low) / width if distance > 0 and width else 0.0

    return [
        f"P(Delta > 0)  {''.join(_bar(point.p_positive) for point in result.curve)}",
        f"log distance  {''.join(_bar(height(point.distance)) for point in result.curve)}",
    ]


def _bar(share: float) -> str:
    return "▁▂▃▄▅▆▇█"[min(7, int(8 * share))]
