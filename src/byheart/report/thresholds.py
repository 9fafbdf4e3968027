"""The thresholds of a swept parameter: a self-contained page, a few lines in a terminal, advice.

The advice is on the verdict `generalizes`: a value at which no copy can be named may still leave
traces of many training points.
"""

from __future__ import annotations

from pathlib import Path

from byheart._version import __version__
from byheart.intervals import Interval
from byheart.lab.sweeps.plan import Plan
from byheart.lab.transition.thresholds import Threshold, ThresholdsResult, ValuePoint, graphs
from byheart.report.document import timestamp, write_text
from byheart.report.html import environment, figure
from byheart.report.script import POLICY
from byheart.report.wording import percent


def write_html(
    result: ThresholdsResult, plan: Plan, path: str | Path, *, source: str | None = None
) -> Path:
    """Write the page to `path`, whole or not at all, and return the path.

    plan: of the sweep, for the names. source: what was analysed, such as the name of the store.
    Raises UsageError when the folder does not exist or cannot be written.
    """
    from byheart import plotting

    charts = [
        figure(f"thresholds-{i}", plotting.graph_chart(graph))
        for i, graph in enumerate(graphs(result, plan.model.kind, "distance"))
    ]
    page = (
        environment()
        .get_template("thresholds.html")
        .render(
            result=result,
            head=_head(result),
            colour="inconclusive" if result.generalizes.value is None else "generalizes",
            facts=_facts(result),
            steps=next_steps(result),
            charts=charts,
            rows=[_row(point) for point in result.points],
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


def render(result: ThresholdsResult, plan: Plan, page: Path | None = None) -> None:
    """Print both thresholds with what they cost, the curve, the advice and where the page is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    head = _head(result)
    style = "bold yellow" if result.generalizes.value is None else "bold green"
    console.print(Text(f"{head['word']}: {head['sentence']}", style=style))
    for name, value, note in _facts(result):
        console.print(Text(f"  {name}: {value}  ({note})"))
    table = Table(box=None, pad_edge=False)
    name = result.parameter.name
    for heading in (name, "copies", "traces", "inconclusive", "generalizes", "distance"):
        table.add_column(heading, justify="right")
    for point in result.points:
        table.add_row(*(cell for cell, _ in _row(point)))
    console.print(table)
    console.print(Text(f"distance: {plan.measure.distance}", style="dim"))
    console.print(Text(f"next: {next_steps(result)[0]}"))
    for step in next_steps(result)[1:]:
        console.print(Text(f"      {step}"))
    for warning in result.warnings:
        console.print(Text(f"note: {warning}", style="dim"))
    if page is not None:
        console.print(Text(f"report: {page}"))


def next_steps(result: ThresholdsResult) -> tuple[str, ...]:
    """Return what to do next, the most useful first."""
    name, steps = result.parameter.name, []
    clear, copies = result.generalizes, result.no_copies
    if clear.value is not None:
        steps.append(
            f"Take {name} = {clear.value:g}: the first value at which at least half of the runs "
            f"are found to generalize ({_between(clear)}); it costs {_cost(clear)}."
        )
    else:
        strongest = result.points[-1]
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
        point = next(p for p in result.points if p.value == copies.value)
        already = copies.value == result.points[0].value
        steps.append(
            f"Do not take {name} = {copies.value:g} because most runs name no copies there"
            f"{' already' if already else ''}: "
            f"{percent(point.traces.value)} of them leave traces of many training points, "
            f"and {percent(point.generalizes.value)} are found to generalize."
        )
    steps.append("Audit the model that you release: a sweep speaks of runs like it, not of it.")
    return tuple(steps)


def _head(result: ThresholdsResult) -> dict[str, str]:
    name, clear, copies = result.parameter.name, result.generalizes, result.no_copies
    if clear.value is None:
        sentence = f"At no value of {name} tried is the verdict of most runs generalizes."
    else:
        sentence = f"The verdict of most runs is generalizes first at {name} = {clear.value:g}."
    if copies.value is None:
        reason = "Named copies do not vanish at any value tried."
    elif copies.value == result.points[0].value:
        reason = f"Most runs name no copies at {copies.value:g} already, the weakest value tried."
    else:
        reason = (
            f"Named copies vanish at {name} = {copies.value:g} ({_between(copies)}), "
            f"at a cost of {_cost(copies)}. "
        )
        reason += (
            "That is where the verdict turns too."
            if copies.value == clear.value
            else "Without named copies the samples may still lean on many training points: traces."
        )
    return {
        "sign": "◆" if clear.value is None else "●",
        "word": "no value generalizes" if clear.value is None else "a value generalizes",
        "number": "none" if clear.value is None else f"{clear.value:g}",
        "unit": f"{result.parameter.axis}, {_between(clear)}",
        "sentence": sentence,
        "reason": reason,
    }


def _facts(result: ThresholdsResult) -> list[tuple[str, str, str]]:
    """Return (name, value, note) of the thresholds, their costs, and what they rest on."""
    confidence = percent(1 - result.level)
    facts = []
    for name, found in (
        ("no named copies", result.no_copies),
        ("verdict generalizes", result.generalizes),
    ):
        value = "not reached" if found.value is None else f"{found.value:g}"
        facts.append((f"{name}, first at", value, f"{confidence} interval: {_between(found)}"))
        if found.value is not None:
            facts.append((f"cost of {name}", _cost(found), "change of the distance"))
    trials = sum(point.trials for point in result.points)
    first, last = result.points[0].value, result.points[-1].value
    note = f"{first:g} to {last:g}, weak to strong; n = {result.n:,}, {trials:,} trials"
    return [*facts, ("values tried", f"{len(result.points)}", note)]


def _between(found: Threshold) -> str:
    weak, strong = found.between
    if weak is None and strong is None:
        return "anywhere"
    if weak is None:
        return f"at {strong:g} or weaker"
    return f"stronger than {weak:g}" if strong is None else f"{weak:g} to {strong:g}"


def _cost(found: Threshold) -> str:
    if found.cost is None:
        return "an unknown loss"
    return f"{found.cost:+.3g}{_ends(found.cost_interval)}"


def _ends(interval: Interval | None) -> str:
    return f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else ""


def _row(point: ValuePoint) -> list[tuple[str, str]]:
    """Return (value, note) for the columns: value, the four shares, distance."""
    shares = [point.copies, point.traces, point.inconclusive, point.generalizes]
    note = f"{point.trials:,} trials" + (f", {point.errors:,} failed" if point.errors else "")
    return [
        (f"{point.value:g}", note),
        *(
            (percent(share.value), " to ".join(percent(end) for end in share.interval))
            for share in shares
        ),
        (f"{point.distance:.3g}", _ends(point.distance_interval).strip()),
    ]
