"""Charts of the theory: lines through simulated points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from byheart.plotting.style import colour, dash, shape, styled

if TYPE_CHECKING:
    import altair


def theory_chart(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    points: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    x: str,
    y: str,
    title: str,
    subtitle: str,
    log_y: bool = False,
) -> altair.LayerChart:
    """Return theory as lines through simulated points, (x, y, standard error), on a log x axis.

    `lines` and `points` map the name of a series to its values; bars show two standard errors.

    >>> chart = theory_chart({"d = 2": [(1, 1), (2, 4)]}, {"d = 2": [(2, 4.1, 0.1)]},
    ...     x="n/d", y="nats", title="Theory", subtitle="Lines: theory.")
    >>> len(chart.to_dict()["layer"])
    3
    """
    import altair as alt

    names = list(lines)
    curve = [{"series": k, "x": a, "y": b} for k, line in lines.items() for a, b in line]
    marks = [
        {"series": k, "x": a, "y": b, "low": max(b - 2 * e, 0.0), "high": b + 2 * e}
        for k, line in points.items()
        for a, b, e in line
    ]
    scale = alt.Scale(type="log") if log_y else alt.Scale()
    across = alt.X("x:Q", title=x).scale(type="log", nice=False)
    layers = [
        alt.Chart(alt.InlineData(values=curve))
        .mark_line(strokeWidth=1.75)
        .encode(
            x=across,
            y=alt.Y("y:Q", title=y, scale=scale),
            color=colour("series", names),
            strokeDash=dash("series", names, legend=False),
        ),
        alt.Chart(alt.InlineData(values=marks))
        .mark_rule()
        .encode(x=across, y=alt.Y("low:Q", title=y), y2="high:Q", color=colour("series", names)),
        alt.Chart(alt.InlineData(values=marks))
        .mark_point(filled=True, opacity=1, size=45)
        .encode(
            x=across,
            y=alt.Y("y:Q", title=y),
            color=colour("series", names),
            shape=shape("series", names),
        ),
    ]
    return styled(layers, title, subtitle, f"{title}: {len(names)} lines, {len(marks)} points.")
