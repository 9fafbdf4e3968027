"""The chart of a training run: when, how good, how much is memorized, over one axis of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from byheart.errors import UsageError
from byheart.plotting.style import COLOURS, colour, dash, rule, shape, stacked

if TYPE_CHECKING:
    import altair

    from byheart.monitoring.result import MonitorResult

Across = Callable[..., "altair.X"]  # field, title -> the common x axis

_KEEP, _TAU_GEN, _TRACES, _COPIES = "keep", "τ_gen", "traces", "τ_mem"
_EVENTS = (_KEEP, _TAU_GEN, _TRACES, _COPIES)
_SHAPES = ("diamond", "circle", "square", "triangle-up")
_AUC, _BOUND = "membership AUC", "memorized, at least"
_QUALITY_TICKS = (0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_AXIS_WIDTH = 46  # pixels for the labels left of every panel, so that the panels line up


def monitor_chart(result: MonitorResult) -> altair.VConcatChart:
    """Return quality and memorization over training steps, with tau_gen and tau_mem marked.

    The top panel marks steps: the one to keep, tau_gen with its interval, the first traces and the
    first copies (tau_mem), each continued by a dashed line through the panels below. Then the
    energy distance to the held-out rows (symmetric log axis), and the membership AUC and the lower
    bound on the share of memorized training points. Raises UsageError without an observation.

    >>> import numpy as np
    >>> from byheart import MemorizationMonitor
    >>> rng = np.random.default_rng(0)
    >>> monitor = MemorizationMonitor(*rng.normal(size=(2, 50, 2)), every=1, permutations=99)
    >>> _ = monitor.update(1, rng.normal(size=(50, 2)))
    >>> monitor_chart(monitor.result()).to_dict()["title"]["text"]
    'Memorization over training'
    """
    import altair as alt

    if not result.observations:
        raise UsageError("there is no observation to draw; call update(step, sample) first")
    steps = [o.step for o in result.observations]
    scale = alt.Scale(domain=[steps[0], max(steps[-1], steps[0] + 1)], nice=False, padding=6)

    def across(field: str, title: str | None = None) -> altair.X:
        axis = alt.Axis(labels=False, ticks=False, domain=False, tickCount=5)
        if title is not None:
            axis = alt.Axis(format="~s", tickCount=5)
        return alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)

    events = _events(result)
    rules = [rule(x=float(event.step)) for event in events if event.name != _KEEP]
    panels = [
        _timeline(events, across),
        _quality(result, across, rules),
        _memorization(result, across, rules),
    ]
    last = result.observations[-1]
    return stacked(
        panels,
        "Memorization over training",
        "Low energy distance is good (from τ_gen on it gains no more). AUC above 50% and a share "
        "above 0 mean memorization: traces first, copies from τ_mem on.",
        f"{len(steps)} observations from step {steps[0]} to {steps[-1]}. "
        + "".join(f"{event.name}: step {event.step}. " for event in events)
        + f"Last: quality {last.quality:.3g}, membership AUC {last.auc:.1%}, at least "
        f"{last.memorized_share:.1%} of the training points memorized. Advice: {result.advice}.",
    )


@dataclass(frozen=True)
class _Event:
    name: str
    step: int
    low: int
    high: int


def _events(result: MonitorResult) -> list[_Event]:
    events = []
    if result.best is not None:
        events.append(_Event(_KEEP, *[result.best.step] * 3))
    if result.tau_gen is not None:
        events.append(_Event(_TAU_GEN, result.tau_gen.step, *result.tau_gen.interval))
    if result.traces_from is not None:
        events.append(_Event(_TRACES, *[result.traces_from] * 3))
    if result.copies_from is not None:
        events.append(_Event(_COPIES, *[result.copies_from] * 3))
    return events


def _timeline(events: list[_Event], across: Across) -> altair.LayerChart:
    import altair as alt

    y = alt.Y("name:N", title=None, scale=alt.Scale(domain=_EVENTS)).axis(
        grid=True, ticks=False, domain=False, minExtent=_AXIS_WIDTH, labelColor=COLOURS["ink"]
    )
    base = alt.Chart(alt.InlineData(values=[vars(event) for event in events]))
    spans = base.mark_rule(color=COLOURS["ink"], strokeWidth=2).encode(
        x=across("low"), x2="high:Q", y=y
    )
    marks = base.mark_point(color=COLOURS["ink"], filled=True, opacity=1, size=70).encode(
        x=across("step"),
        y=y,
        shape=alt.Shape("name:N", scale=alt.Scale(domain=_EVENTS, range=_SHAPES), legend=None),
        tooltip=[alt.Tooltip("name:N"), alt.Tooltip("step:Q")],
    )
    chart: altair.LayerChart = alt.LayerChart(layer=[spans, marks]).properties(height=72)
    return chart


def _quality(result: MonitorResult, across: Across, rules: list[altair.Chart]) -> altair.LayerChart:
    import altair as alt

    rows = [
        {"step": o.step, "quality": o.quality, "low": low, "high": high}
        for o in result.observations
        for low, high in [o.quality_interval]
    ]
    top = max(row["high"] for row in rows)
    scale = alt.Scale(type="symlog", constant=0.01, nice=False)
    axis = alt.Axis(
        values=[t for t in _QUALITY_TICKS if t <= top * 1.05],
        format="~g",
        minExtent=_AXIS_WIDTH,
        titleX=-44,
    )
    title = "energy distance"
    y = alt.Y("quality:Q", title=title, scale=scale, axis=axis)
    base = alt.Chart(alt.InlineData(values=rows))
    layers = [
        base.mark_area(color=COLOURS["heldout"], opacity=0.18).encode(
            x=across("step"), y=alt.Y("low:Q", title=title, scale=scale, axis=axis), y2="high:Q"
        ),
        *rules,
        base.mark_line(color=COLOURS["heldout"], strokeWidth=2).encode(x=across("step"), y=y),
        base.mark_point(color=COLOURS["heldout"], filled=True, opacity=1, size=30).encode(
            x=across("step"),
            y=y,
            tooltip=[alt.Tooltip(f"{n}:Q", format=".3g") for n in ("step", "quality")],
        ),
    ]
    chart: altair.LayerChart = alt.LayerChart(layer=layers).properties(height=110)
    return chart


def _memorization(
    result: MonitorResult, across: Across, rules: list[altair.Chart]
) -> altair.LayerChart:
    import altair as alt

    names = [_AUC, _BOUND]
    rows: list[dict[str, object]] = []
    for o in result.observations:
        low, high = o.auc_interval
        rows.append({"series": _AUC, "step": o.step, "share": o.auc, "low": low, "high": high})
        rows.append({"series": _BOUND, "step": o.step, "share": o.memorized_share})
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="~%", values=[0, 0.5, 1], minExtent=_AXIS_WIDTH, titleX=-44)
    y = alt.Y("share:Q", title="share", scale=scale, axis=axis)
    band = alt.Chart(alt.InlineData(values=[row for row in rows if row["series"] == _AUC]))
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=across("step", "training step"),
        y=y,
        color=colour("series", names),
        tooltip=[
            alt.Tooltip("series:N"),
            alt.Tooltip("step:Q"),
            alt.Tooltip("share:Q", format=".1%"),
        ],
    )
    layers = [
        band.mark_area(color=COLOURS["train"], opacity=0.18).encode(
            x=across("step", "training step"),
            y=alt.Y("low:Q", title="share", scale=scale, axis=axis),
            y2="high:Q",
        ),
        rule(y=0.5),
        *rules,
        base.mark_line(strokeWidth=2).encode(strokeDash=dash("series", names, legend=False)),
        base.mark_point(filled=True, opacity=1, size=40).encode(shape=shape("series", names)),
    ]
    chart: altair.LayerChart = alt.LayerChart(layer=layers).properties(height=130)
    return chart
