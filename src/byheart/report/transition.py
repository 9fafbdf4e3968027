"""A transition's result as one self-contained page, as a card for notebooks, and in a terminal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from byheart.intervals import interval_text, number
from byheart.lab.sweeps.plan import Measure
from byheart.lab.transition.alignment import FACTOR, Alignment
from byheart.lab.transition.phase_curve import peak_text, shares_text
from byheart.lab.transition.phase_graph import phase_graph
from byheart.lab.transition.result import TransitionResult
from byheart.lab.transition.scales import Scale
from byheart.report.document import timestamp, write_text
from byheart.report.html import environment, figure
from byheart.report.script import POLICY
from byheart.report.wording import percent, sentence_of

SIGNS: dict[Alignment, str] = {
    "aligned": "●",
    "memorization fades first": "▲",
    "quality improves first": "▼",
    "undecided": "◆",
}
STYLES: dict[Alignment, str] = {
    "aligned": "bold green",
    "memorization fades first": "bold red",
    "quality improves first": "bold red",
    "undecided": "bold yellow",
}
_SENTENCES: dict[Alignment, str] = {
    "aligned": "The model stops memorizing where it begins to generalize.",
    "memorization fades first": "The model stops memorizing, but does not get better with it.",
    "quality improves first": "The model gets better while it still memorizes.",
    "undecided": "This sweep does not tell whether the two scales align.",
}
_COLOURS: dict[Alignment, str] = {  # the page's accents are those of the audit's verdicts
    "aligned": "generalizes",
    "memorization fades first": "memorizes",
    "quality improves first": "memorizes",
    "undecided": "inconclusive",
}


def write_html(
    result: TransitionResult,
    path: str | Path,
    *,
    source: str | None = None,
    measure: Measure | None = None,
) -> Path:
    """Write the page of a transition to `path`, whole or not at all, and return the path.

    source: what was analysed, such as the name of the store, for the page's details. measure: what
    Delta and the distance are in it.
    Raises UsageError when the folder does not exist or cannot be written.
    """
    from byheart import __version__, plotting

    page = (
        environment()
        .get_template("transition.html")
        .render(
            result=result,
            head=_head(result),
            colour=_COLOURS[result.aligned],
            facts=_facts(result),
            steps=next_steps(result),
            chart=figure("transition", plotting.transition_chart(result)),
            rows=_rows(result),
            beyond=_beyond(result),
            phases=_phases(result),
            confidence=percent(1 - result.level),
            factor=f"{FACTOR:g}",
            source=source,
            measure=measure,
            policy=POLICY,
            script=None,
            created=timestamp(),
            version=__version__,
        )
    )
    return write_text(Path(path), page)


def summary_html(result: TransitionResult) -> str:
    """Return a small card for notebooks: the word, the ratio, the reason; escaped."""
    return (
        environment().get_template("summary.html").render(head=_head(result), facts=_facts(result))
    )


def render(
    result: TransitionResult, page: Path | None = None, *, measure: Measure | None = None
) -> None:
    """Print the word, the scales, the curve and where the page is, in about ten lines."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(result.aligned, style=STYLES[result.aligned]))
    console.print(Text(f"  {sentence_of(result.reason)}"))
    for name, value, note in _facts(result):
        console.print(Text(f"  {name}: {value}  ({note})"))
    for line in _picture(result):
        console.print(Text(f"  {line}"))
    if result.phases is not None:
        console.print(Text(f"  phases: {peak_text(result.phases)}"))
    if measure is not None:
        console.print(Text(f"  Delta > 0: {measure.delta}", style="dim"))
        console.print(Text(f"  distance: {measure.distance}", style="dim"))
    console.print(Text(f"  next: {next_steps(result)[0]}"))
    for warning in result.warnings:
        console.print(Text(f"  note: {warning}", style="dim"))
    if page is not None:
        console.print(Text(f"  report: {page}"))


def next_steps(result: TransitionResult) -> tuple[str, ...]:
    """Return what to do next, the most useful first."""
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
    steps.append("Audit the model that you release: a sweep speaks of runs like it, not of it.")
    return tuple(steps)


def _head(result: TransitionResult) -> dict[str, str]:
    ratio = _shown(result.ratio)
    return {
        "sign": SIGNS[result.aligned],
        "word": result.aligned,
        "number": "unknown" if ratio == "not found" else ratio,
        "unit": f"n_mem/n_gen, {_interval(result, result.ratio)}",
        "sentence": _SENTENCES[result.aligned],
        "reason": sentence_of(result.reason),
    }


def _facts(result: TransitionResult) -> list[tuple[str, str, str]]:
    """Return (name, value, interval) of the scales, and how many trials they rest on."""
    trials = sum(point.trials for point in result.curve)
    sizes = f"n = {result.curve[0].n:,} to {result.curve[-1].n:,}"
    scales = [
        (name, _shown(scale), _interval(result, scale))
        for name, scale in (
            ("n_mem, half of runs do not memorize", result.n_mem),
            ("n_mem, 95% of runs", result.n_mem_95),
            ("n_gen, the distance begins to fall", result.n_gen),
        )
    ]
    return [*scales, ("sizes tried", f"{len(result.curve):,}", f"{sizes}, {trials:,} trials")]


def _shown(scale: Scale) -> str:
    return scale.censored or number(scale.estimate or 0.0)


def _interval(result: TransitionResult, scale: Scale) -> str:
    text = interval_text(scale.interval)
    return f"{percent(1 - result.level)} interval: {text}"


def _rows(result: TransitionResult) -> list[list[tuple[str, str]]]:
    """Return the curve as rows of (value, interval or note): n, trials, share, distance."""
    return [
        [
            (f"{point.n:,}", ""),
            (f"{point.trials:,}", f"{point.errors:,} failed" if point.errors else ""),
            (f"{point.p_positive:.0%}", " to ".join(f"{end:.0%}" for end in point.p_interval)),
            (number(point.distance), _distance_interval(point.distance_interval)),
        ]
        for point in result.curve
    ]


def _beyond(result: TransitionResult) -> str:
    """Return the extrapolation in words; empty if there was no need for one."""
    ahead = result.extrapolation
    if ahead is None:
        return ""
    where = f"{interval_text(ahead.interval)}; " if ahead.interval[0] else ""
    return (f"n = {number(ahead.estimate)}, " if ahead.estimate else "") + where + ahead.reason


def _phases(result: TransitionResult) -> dict[str, Any] | None:
    """Return the chart, the peak in words and the rows of the phases; None without them."""
    from byheart import plotting

    if result.phases is None:
        return None
    graph = phase_graph(result.phases, "Memorized, spurious, generalized")
    return {
        "chart": figure("phases", plotting.graph_chart(graph)),
        "peak": sentence_of(peak_text(result.phases)),
        "rows": [(f"{point.n:,}", *shares_text(point)) for point in result.phases.points],
        "without": result.phases.without,
    }


def _distance_interval(ends: tuple[float, float] | None) -> str:
    if ends is None or math.isinf(ends[0]):
        return ""
    return f"{ends[0]:.3g} to {ends[1]:.3g}"


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
