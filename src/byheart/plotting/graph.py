"""A graph and its chart: up to four series over one axis, each with its intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from byheart.errors import UsageError
from byheart.intervals import Interval
from byheart.plotting.style import colour, dash, shape, styled

if TYPE_CHECKING:
    import altair

MOST = 4  # series that differ in colour, dash and shape
LINE = 30  # letters of names that a legend of one line has room for


@dataclass(frozen=True)
class Series:
    """One line of a graph: y over x, with an interval for each y or none at all."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    intervals: tuple[Interval, ...] | None = None


@dataclass(frozen=True)
class Graph:
    """Up to four series over one axis; x and y: what the axes show, with units.

    subtitle: one sentence that says how to read it, such as which direction means memorization.
    """

    title: str
    subtitle: str
    x: str
    y: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False


def graph_chart(graph: Graph) -> altair.LayerChart:
    """Return `graph` as lines with points, and its intervals as bars.

    What is not finite, or not above 0 on an axis in logs, is left out. Raises UsageError for more
    than four series, none, or lengths that differ.

    >>> graph = Graph("Copies", "Higher is memorization.", "n", "share",
    ...               (Series("model", (10.0, 100.0), (0.9, 0.1)),), log_x=True)
    >>> graph_chart(graph).to_dict()["title"]["text"]
    'Copies'
    """
    import altair as alt

    names = [series.name for series in graph.series]
    if not 1 <= len(names) <= MOST or len(set(names)) < len(names):
        raise UsageError(f"graph.series must be 1 to {MOST} series, and no name may come twice")
    rows, bars = [], []
    for series in graph.series:
        ends = series.intervals or tuple((y, y) for y in series.y)
        if not len(series.x) == len(series.y) == len(ends):
            raise UsageError(f"graph.series: x, y and intervals of {series.name!r} must be as many")
        for x, y, (low, high) in zip(series.x, series.y, ends, strict=True):
            if not (_drawn(x, graph.log_x) and _drawn(y, graph.log_y)):
                continue
            row = {"x": x, "y": y, "series": series.name}
            rows.append(row)
            if series.intervals and _drawn(low, graph.log_y) and _drawn(high, graph.log_y):
                bars.append({**row, "low": low, "high": high})
    scales = [
        alt.Scale(type="log", padding=8) if log else alt.Scale(zero=False, padding=8)
        for log in (graph.log_x, graph.log_y)
    ]
    across = alt.X("x:Q", title=graph.x, scale=scales[0], axis=alt.Axis(format="~g", tickCount=5))
    up = alt.Y("y:Q", title=graph.y, scale=scales[1], axis=alt.Axis(format="~g", tickCount=5))
    tooltip = [
        alt.Tooltip("series:N"),
        alt.Tooltip("x:Q", title=graph.x, format=".4g"),
        alt.Tooltip("y:Q", title=graph.y, format=".3g"),
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    layers = [
        base.mark_line(strokeWidth=2).encode(
            x=across, y=up, color=colour("series", names), strokeDash=dash("series", names)
        ),
        base.mark_point(filled=True, opacity=1, size=45).encode(
            x=across,
            y=up,
            color=colour("series", names),
            shape=shape("series", names),
            tooltip=tooltip,
        ),
    ]
    if bars:
        layers.insert(
            0,
            alt.Chart(alt.InlineData(values=bars))
            .mark_rule(strokeWidth=1.5)
            .encode(
                x=across,
                y=alt.Y("low:Q", title=graph.y),
                y2="high:Q",
                color=colour("series", names),
            ),
        )
    chart = styled(layers, graph.title, graph.subtitle, _words(graph))
    if sum(map(len, names)) > LINE:
        chart.config.legend.columns = 2
    return chart


def _drawn(value: float, log: bool) -> bool:
    return bool(np.isfinite(value)) and (value > 0 or not log)


def _words(graph: Graph) -> str:
    parts = []
    for series in graph.series:
        values = ", ".join(f"{y:.3g} at {x:.4g}" for x, y in zip(series.x, series.y, strict=True))
        parts.append(f"{series.name}: {values}")
    return f"{graph.title}: {graph.y} over {graph.x}. {'; '.join(parts)}."
