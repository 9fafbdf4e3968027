"""The chart of a transition: P(Delta > 0) over the distance, on one axis of training sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from byheart.intervals import Interval, interval_text, number
from byheart.plotting.style import COLOURS, log_ticks, rule, stacked

if TYPE_CHECKING:
    import altair

PANEL = 140  # pixels, the height of one of the two panels


class Point(Protocol):
    """What is drawn at one n; the distance may be infinite."""

    @property
    def n(self) -> int: ...
    @property
    def p_positive(self) -> float: ...
    @property
    def p_interval(self) -> Interval: ...
    @property
    def distance(self) -> float: ...
    @property
    def distance_interval(self) -> Interval | None: ...


class Scale(Protocol):
    """A number of training points; `censored` says in words why there is no estimate."""

    @property
    def estimate(self) -> float | None: ...
    @property
    def interval(self) -> Interval: ...
    @property
    def censored(self) -> str | None: ...


class Transition(Protocol):
    """A curve over n, rising, and its two scales."""

    @property
    def curve(self) -> Sequence[Point]: ...
    @property
    def n_mem(self) -> Scale: ...
    @property
    def n_gen(self) -> Scale: ...


def transition_chart(result: Transition) -> altair.VConcatChart:
    """Return P(Delta > 0) above and the distance below, over one logarithmic axis of n.

    Bars are intervals. In each panel its own scale is a line with its interval as a band, n_mem
    above and n_gen below, and the other one is dashed. A triangle at the upper edge is an infinite
    distance. The axis of distance is logarithmic if every distance is above 0.

    >>> from byheart.lab.sweeps.record import Outcome, Record
    >>> from byheart.lab.transition.result import transition
    >>> made = [Record(n, i, Outcome(n > 30, 0.0, 100 / n)) for n in (10, 20, 40) for i in range(9)]
    >>> len(transition_chart(transition(made)).to_dict()["vconcat"])
    2
    """
    import altair as alt

    first, last = result.curve[0].n, result.curve[-1].n
    domain = (first / 1.15, last * 1.15)
    x = alt.X("n:Q", title="training points n").scale(type="log", domain=domain, nice=False)
    round_ticks = [tick for tick in log_ticks(*domain) if domain[0] <= tick <= domain[1]]
    ticks = round_ticks if len(round_ticks) > 1 else [float(p.n) for p in result.curve]
    x = x.axis(values=ticks, format="~s", grid=False)
    shares = [
        {"n": p.n, "value": p.p_positive, "low": p.p_interval[0], "high": p.p_interval[1]}
        for p in result.curve
    ]
    distances, scale = _distances(result)
    share = alt.Scale(domain=[0, 1])
    panels = [
        [
            *_scale("n_mem", result.n_mem, domain, COLOURS["heldout"]),
            *_other(result.n_gen, domain),
            rule(y=0.5),
            *_points(shares, x.title(None), "P(Delta > 0)", share, "~%", COLOURS["heldout"]),
        ],
        [
            *_scale("n_gen", result.n_gen, domain, COLOURS["third"]),
            *_other(result.n_mem, domain),
            *_points(distances, x, "distance", scale, "~g", COLOURS["third"]),
        ],
    ]
    return stacked(
        [alt.LayerChart(layer=layers, height=PANEL) for layers in panels],
        "The transition over training size",
        "High above is good: no memorization. Low below is good: quality. Bands: intervals of "
        "n_mem and n_gen; dashed: the other scale, and 1/2.",
        _words(result),
    )


def _distances(result: Transition) -> tuple[list[dict[str, Any]], altair.Scale]:
    """Return the rows of the lower panel, infinite ones at its upper edge, and its scale."""
    import altair as alt

    finite = [
        value
        for p in result.curve
        for value in (p.distance, *(p.distance_interval or ()))
        if math.isfinite(value)
    ]
    low, high = (min(finite), max(finite)) if finite else (0.5, 1.0)
    log = low > 0
    top = high * 1.5 if log else high + 0.2 * (high - low or 1.0)
    bottom = low / 1.3 if log else low
    rows = []
    for p in result.curve:
        ends = p.distance_interval or (p.distance, p.distance)
        value, least, most = (min(v, top) for v in (p.distance, *ends))
        infinite = math.isinf(p.distance)
        rows.append({"n": p.n, "value": value, "low": least, "high": most, "infinite": infinite})
    return rows, alt.Scale(
        type="log" if log else "linear", domain=[bottom, top], nice=False, clamp=True
    )


def _points(
    rows: list[dict[str, Any]],
    x: altair.X,
    title: str,
    scale: altair.Scale,
    form: str,
    colour: str,
) -> list[altair.Chart]:
    import altair as alt

    ticks = log_ticks(*scale.domain) if scale.type == "log" else []
    y, ends = (
        alt.Y(f"{name}:Q", title=title, scale=scale).axis(
            format=form, tickCount=5, values=ticks if len(ticks) > 1 else alt.Undefined
        )
        for name in ("value", "low")
    )
    base = alt.Chart(alt.InlineData(values=rows))
    real = alt.Chart(alt.InlineData(values=[row for row in rows if not row.get("infinite")]))
    layers = [
        real.mark_line(color=colour, strokeWidth=1.5).encode(x=x, y=y),
        base.mark_rule(color=colour, strokeWidth=1.5).encode(x=x, y=ends, y2="high:Q"),
        real.mark_point(color=colour, filled=True, opacity=1, size=42).encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip(f"{name}:Q", format=".3g") for name in ("n", "value", "low", "high")
            ],
        ),
    ]
    infinite = [row for row in rows if row.get("infinite")]
    if infinite:
        layers.append(
            alt.Chart(alt.InlineData(values=infinite))
            .mark_point(color=colour, shape="triangle-up", filled=False, opacity=1, size=60)
            .encode(x=x, y=y)
        )
    return layers


def _scale(name: str, scale: Scale, domain: tuple[float, float], colour: str) -> list[altair.Chart]:
    """Return a scale's band, line and label, cut at the ends of the axis."""
    import altair as alt

    low, high = (min(max(end, domain[0]), domain[1]) for end in scale.interval)
    band = alt.Chart(alt.InlineData(values=[{"low": low, "high": high}]))
    layers = [
        band.mark_rect(color=colour, opacity=0.16).encode(x=alt.X("low:Q"), x2="high:Q"),
    ]
    at = scale.estimate
    if at is not None and domain[0] <= at <= domain[1]:
        line = alt.Chart(alt.InlineData(values=[{"at": at}]))
        layers.append(line.mark_rule(color=colour, strokeWidth=2).encode(x=alt.X("at:Q")))
    # Above the panel, where no point is; at the edges the text grows inwards.
    middle = math.sqrt(low * high) if at is None else at
    share = math.log(middle / domain[0]) / math.log(domain[1] / domain[0])
    align: Literal["left", "center", "right"] = "center"
    if not 0.25 < share < 0.75:
        align = "left" if share < 0.5 else "right"
    text = f"{name} {scale.censored or number(scale.estimate or 0.0)}"
    label = alt.Chart(alt.InlineData(values=[{"at": middle, "text": text}]))
    layers.append(
        label.mark_text(
            align=align, dy=-4, baseline="bottom", color=COLOURS["ink"], fontSize=12
        ).encode(x=alt.X("at:Q"), y=alt.value(0), text="text:N")
    )
    return layers


def _other(scale: Scale, domain: tuple[float, float]) -> list[altair.Chart]:
    at = scale.estimate
    return [rule(x=at)] if at is not None and domain[0] <= at <= domain[1] else []


def _words(result: Transition) -> str:
    first, last = result.curve[0], result.curve[-1]
    scales = "; ".join(
        f"{name} {scale.censored or number(scale.estimate or 0.0)}, "
        f"interval {interval_text(scale.interval)}"
        for name, scale in (("n_mem", result.n_mem), ("n_gen", result.n_gen))
    )
    return (
        f"From n = {first.n:,} to {last.n:,} the share of runs without memorization goes from "
        f"{first.p_positive:.0%} to {last.p_positive:.0%} and the distance from "
        f"{number(first.distance)} to {number(last.distance)}. {scales}."
    )
