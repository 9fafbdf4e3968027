"""One figure of several audits, each on a line of its own, in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from byheart.errors import UsageError
from byheart.intervals import Interval
from byheart.plotting.style import COLOURS, rule, styled

if TYPE_CHECKING:
    import altair

STEP = 28  # pixels of one line
NAME_WIDTH = 110  # pixels for names left of the axis


def comparison_chart(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[Interval | None],
    *,
    title: str,
    subtitle: str,
    unit: str,
    reference: float | None = None,
    percent: bool = False,
) -> altair.LayerChart:
    """Return `values` as points with `intervals` as bars, and a dashed line at `reference`.

    What is not finite is left out; names must differ. Raises UsageError when they do not, or when
    the lengths differ.

    >>> chart = comparison_chart(
    ...     ["a", "b"], [0.5, 0.7], [(0.4, 0.6), None],
    ...     title="Membership AUC", subtitle="Right of 50% is memorization.", unit="AUC",
    ... )
    >>> chart.to_dict()["height"]
    56
    """
    import altair as alt

    if not len(names) == len(values) == len(intervals) or len(set(names)) < len(names):
        raise UsageError("names, values and intervals must be as many, and no name may come twice")
    rows = []
    for name, value, ends in zip(names, values, intervals, strict=True):
        if np.isfinite(value):
            low, high = ends if ends is not None and np.isfinite(ends).all() else (value, value)
            rows.append({"audit": name, "value": value, "low": low, "high": high})
    form = ".1%" if percent else ".3g"
    axis = alt.Axis(format="~%" if percent else "~g", tickCount=5)
    y = alt.Y("audit:N", sort=None, scale=alt.Scale(domain=list(names)), title=None).axis(
        labelLimit=NAME_WIDTH, minExtent=NAME_WIDTH, grid=True
    )
    base = alt.Chart(alt.InlineData(values=rows))
    x = alt.X("value:Q", title=unit, axis=axis, scale=alt.Scale(zero=False, padding=12))
    layers = [
        base.mark_rule(color=COLOURS["train"], strokeWidth=2).encode(
            x=alt.X("low:Q", title=unit, axis=axis), x2="high:Q", y=y
        ),
        base.mark_point(color=COLOURS["train"], filled=True, opacity=1, size=60).encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("audit:N"),
                *(alt.Tooltip(f"{name}:Q", format=form) for name in ("value", "low", "high")),
            ],
        ),
    ]
    if reference is not None:
        layers.insert(0, rule(x=reference))
    shown = "; ".join(f"{row['audit']}: {format(row['value'], form)}" for row in rows)
    chart = styled(layers, title, subtitle, f"{title} of {len(names)} audits. {shown}.")
    drawn: altair.LayerChart = chart.properties(height=STEP * len(names))
    return drawn
