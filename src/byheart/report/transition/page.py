"""A sweep's result as one self-contained page, and as a card for notebooks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from byheart.intervals import interval_text, number
from byheart.lab.sweeps.plan import Plan
from byheart.lab.transition.alignment import FACTOR, Alignment
from byheart.lab.transition.analysis import Analysis
from byheart.lab.transition.phase_curve import peak_text, shares_text
from byheart.lab.transition.phase_graph import phase_graph
from byheart.lab.transition.result import TransitionResult
from byheart.lab.transition.thresholds import ThresholdsResult, graphs
from byheart.report.document import timestamp, write_text
from byheart.report.html import environment, figure
from byheart.report.script import POLICY
from byheart.report.transition.advice import next_steps
from byheart.report.transition.wording import facts, head, value_row
from byheart.report.wording import percent, sentence_of

_COLOURS: dict[Alignment, str] = {  # the page's accents are those of the audit's verdicts
    "aligned": "generalizes",
    "memorization fades first": "memorizes",
    "quality improves first": "memorizes",
    "undecided": "inconclusive",
}


def write_html(
    result: Analysis, plan: Plan, path: str | Path, *, source: str | None = None
) -> Path:
    """Write the page to `path`, whole or not at all, and return the path.

    plan: of the sweep, for the names and for what Delta and the distance are. source: what was
    analysed, such as the name of the store. Raises UsageError when the folder does not exist or
    cannot be written.
    """
    from byheart._version import __version__

    if isinstance(result, ThresholdsResult):
        template, own = "thresholds.html", _over_parameter(result, plan)
    else:
        template, own = "transition.html", _over_n(result)
    page = (
        environment()
        .get_template(template)
        .render(
            **own,
            result=result,
            head=head(result),
            facts=facts(result),
            steps=next_steps(result),
            confidence=percent(1 - result.level),
            source=source,
            measure=plan.measure,
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
        environment()
        .get_template("summary.html")
        .render(head=head(result), facts=facts(result), next=None)
    )


def _over_n(result: TransitionResult) -> dict[str, Any]:
    from byheart import plotting

    return {
        "colour": _COLOURS[result.aligned],
        "chart": figure("transition", plotting.transition_chart(result)),
        "rows": _rows(result),
        "beyond": _beyond(result),
        "phases": _phases(result),
        "factor": f"{FACTOR:g}",
    }


def _over_parameter(result: ThresholdsResult, plan: Plan) -> dict[str, Any]:
    from byheart import plotting

    return {
        "colour": "inconclusive" if result.generalizes.value is None else "generalizes",
        "charts": [
            figure(f"thresholds-{i}", plotting.graph_chart(graph))
            for i, graph in enumerate(graphs(result, plan.model.kind, "distance"))
        ],
        "rows": [value_row(point) for point in result.curve],
    }


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


def _distance_interval(span: tuple[float, float] | None) -> str:
    if span is None or math.isinf(span[0]):
        return ""
    return f"{span[0]:.3g} to {span[1]:.3g}"
