"""Every chart of byheart, drawn once: for the report, the docs and notebooks.

Each function returns an altair chart that shows itself in a notebook; `svg` renders one as text.
A chart's title says what is drawn, its subtitle which direction means memorization, and its
description what the data say, in words. No chart needs colour to be read: lines differ in dash
and in the shape of their points as well.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from byheart.errors import UsageError

if TYPE_CHECKING:
    import altair

    from byheart.auditing.result import DeltaCurve, Planted

WIDTH, HEIGHT = 310, 205  # pixels of the plotting area at scale 1

# The only colours that a chart may use; the report exchanges them for its own in dark mode.
COLOURS: Mapping[str, str] = {
    "ink": "#1c2430",
    "muted": "#5b6675",
    "grid": "#e3e7ec",
    "train": "#b4400e",
    "heldout": "#1a56c4",
    "third": "#0b7a55",
    "fourth": "#7b3fc4",
}
_SERIES = ("train", "heldout", "third", "fourth")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
_SHAPES = ("circle", "square", "triangle-up", "diamond")


def delta_chart(curve: DeltaCurve, form: Literal["kl", "l2"] = "kl") -> altair.LayerChart:
    """Return Delta over bandwidth with its interval as a band and a line at zero.

    `curve` holds one form of the relative distance (theory, section 4): in nats for `form="kl"`,
    in units of the pooled overlap for `form="l2"`. Below zero the generated samples lie nearer to
    the training set.

    >>> from byheart.auditing.result import DeltaCurve
    >>> curve = DeltaCurve((0.5, 1.0), (-0.4, -0.1), ((-0.5, -0.3), (-0.2, 0.0)))
    >>> delta_chart(curve).to_dict()["title"]["text"]
    'Relative distance Delta, KL form'
    """
    import altair as alt

    rows = [
        {"bandwidth": b, "delta": v, "low": low, "high": high}
        for b, v, (low, high) in zip(curve.bandwidths, curve.values, curve.intervals, strict=True)
        if np.isfinite([b, v, low, high]).all()
    ]
    unit = "nats" if form == "kl" else "units of the pooled overlap"
    x = alt.X("bandwidth:Q", title="kernel bandwidth (units of the features)").scale(
        zero=False, nice=False, padding=12
    )
    y = alt.Y("delta:Q", title=f"Delta ({unit})")
    tips = [
        alt.Tooltip(f"{name}:Q", format=".3g") for name in ("bandwidth", "delta", "low", "high")
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    layers = [
        base.mark_area(color=COLOURS["train"], opacity=0.18).encode(
            x=x, y=alt.Y("low:Q", title=f"Delta ({unit})"), y2="high:Q"
        ),
        _rule(y=0.0),
        base.mark_line(color=COLOURS["train"], strokeWidth=2).encode(x=x, y=y),
        base.mark_point(color=COLOURS["train"], filled=True, opacity=1, size=40).encode(
            x=x, y=y, tooltip=tips
        ),
    ]
    below = sum(row["high"] < 0 for row in rows)
    return _styled(
        layers,
        f"Relative distance Delta, {form.upper()} form",
        "Below the dashed line at 0 the samples lie nearer to train than to held-out: "
        "memorization. On the line is good. Band: bootstrap interval.",
        f"Delta over {len(rows)} bandwidths; its whole interval is below zero at {below} of them."
        + (f" Values from {_span([row['delta'] for row in rows])} {unit}." if rows else ""),
    )


def distance_chart(train: ArrayLike, heldout: ArrayLike) -> altair.LayerChart:
    """Return the distributions of s, the distance to the nearest generated sample.

    `train` and `heldout` are sorted quantiles of s (1-d, any length) in the units of the features.
    The axis is logarithmic when all values are positive and span more than a factor of 30.
    Raises UsageError for an empty or a non-finite array.

    >>> distance_chart([0.1, 0.2], [1.0, 2.0]).to_dict()["title"]["text"]
    'Distance to the nearest generated sample'
    """
    import altair as alt

    rows = []
    sets = (
        ("train", np.sort(_finite(train, "train"))),
        ("held-out", np.sort(_finite(heldout, "heldout"))),
    )
    for name, values in sets:
        shares = (np.arange(len(values)) + 1) / len(values)
        rows.append({"set": name, "distance": float(values[0]), "share": 0.0})
        rows += [
            {"set": name, "distance": float(v), "share": float(p)}
            for v, p in zip(values, shares, strict=True)
        ]
    everything = np.concatenate([values for _, values in sets])
    low, high = float(everything.min()), float(everything.max())
    axis, scale = alt.Axis(), alt.Scale(zero=False, nice=False)
    if low > 0 and high > 30 * low:
        axis = alt.Axis(values=_log_ticks(low, high), format="~g", labelOverlap=False)
        scale = alt.Scale(type="log", nice=False)
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X(
                "distance:Q", title="distance s (units of the features)", scale=scale, axis=axis
            ),
            y=alt.Y("share:Q", title="share of points with s or less").axis(format="%"),
            color=_colour("set", ["train", "held-out"]),
            strokeDash=_dash("set", ["train", "held-out"]),
            tooltip=[
                alt.Tooltip("set:N"),
                alt.Tooltip("distance:Q", format=".3g"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )
    medians = [float(np.median(values)) for _, values in sets]
    return _styled(
        [lines],
        "Distance to the nearest generated sample",
        "Train (solid) left of or above held-out (dashed) means memorization. "
        "One curve upon the other is good.",
        f"Cumulative distributions of the distance from each real point to its nearest generated "
        f"sample. Median: train {medians[0]:.3g}, held-out {medians[1]:.3g}.",
    )


def membership_chart(curve: ArrayLike) -> altair.LayerChart:
    """Return the membership attack's true- over false-positive rate on log axes.

    `curve` is (points, 2): false-positive rate, true-positive rate, both in [0, 1]. Rates of zero
    are drawn at half the smallest positive rate. Raises UsageError for another shape.

    >>> membership_chart([[0, 0], [0.01, 0.3], [1, 1]]).to_dict()["title"]["text"]
    'Membership attack'
    """
    import altair as alt

    points = np.asarray(curve, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise UsageError(f"curve must have the shape (points, 2), got {points.shape}")
    _finite(points.ravel(), "curve")
    positive = points[points > 0]
    floor = float(min(positive.min() / 2, 0.1)) if len(positive) else 0.1
    rows = [
        {"fpr": max(float(f), floor), "tpr": max(float(t), floor)} for f, t in points if f + t > 0
    ]
    scale = alt.Scale(type="log", domain=[floor, 1], nice=False)
    axis = alt.Axis(format="~%", values=_log_ticks(floor, 1.0), labelOverlap=False)
    x = alt.X("fpr:Q", title="false-positive rate (held-out called train)", scale=scale, axis=axis)
    y = alt.Y("tpr:Q", title="true-positive rate (train found)", scale=scale, axis=axis)
    diagonal = [{"fpr": floor, "tpr": floor}, {"fpr": 1.0, "tpr": 1.0}]
    chance = alt.Chart(alt.InlineData(values=diagonal))
    attack = alt.Chart(alt.InlineData(values=rows))
    layers = [
        chance.mark_line(color=COLOURS["muted"], strokeDash=[5, 4]).encode(x=x, y=y),
        attack.mark_line(
            color=COLOURS["train"], strokeWidth=2, interpolate="step-after", clip=True
        ).encode(
            x=x,
            y=y,
            order="fpr:Q",
            tooltip=[alt.Tooltip("fpr:Q", format=".2%"), alt.Tooltip("tpr:Q", format=".2%")],
        ),
    ]
    low = points[points[:, 0] <= 0.01, 1]
    return _styled(
        layers,
        "Membership attack",
        "Above the dashed diagonal (chance) means memorization, most telling at the left edge. "
        "On the diagonal is good.",
        "True-positive over false-positive rate of guessing that points close to a generated "
        f"sample were trained on. At 1% false positives {low.max() if len(low) else 0:.1%} of the "
        "training points are found; chance finds 1%.",
    )


def power_chart(planted: Planted, resolution: float | None = None) -> altair.LayerChart:
    """Return the power against planted copies over the share of copied training points.

    One line for each noise (in units of the median distance between nearest real rows); a dashed
    line at power 95% and, if `resolution` is given, one at the largest share of copied training
    points to which a cleared model may be blind.

    >>> from byheart.auditing.result import Planted
    >>> planted = Planted((0.25,), (0.01, 0.02), (0.01, 0.02), ((0.4, 1.0),), (0.02,))
    >>> power_chart(planted).to_dict()["title"]["text"]
    'Power against planted copies'
    """
    import altair as alt

    names = [f"noise {noise:g}" for noise in planted.noise]
    rows = [
        {"noise": name, "share": share, "power": power}
        for name, line in zip(names, planted.power, strict=True)
        for share, power in zip(planted.training_share, line, strict=True)
        if power is not None and np.isfinite(power)
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("share:Q", title="share of training points copied")
        .axis(format="~%", tickCount=5)
        .scale(zero=True),
        y=alt.Y("power:Q", title="share of repeats found")
        .axis(format="~%", tickCount=5)
        .scale(domain=[0, 1]),
        color=_colour("noise", names),
        tooltip=[
            alt.Tooltip("noise:N"),
            alt.Tooltip("share:Q", format=".2%"),
            alt.Tooltip("power:Q", format=".0%"),
        ],
    )
    layers = [
        _rule(y=0.95),
        base.mark_line(strokeWidth=1.75).encode(strokeDash=_dash("noise", names, legend=False)),
        base.mark_point(filled=True, opacity=1, size=55).encode(shape=_shape("noise", names)),
    ]
    if resolution is not None:
        layers.append(_rule(x=resolution))
    found = [
        f"{share:.2%} at {name}"
        for name, share in zip(names, planted.minimum_detectable_share, strict=True)
        if share is not None
    ]
    return _styled(
        layers,
        "Power against planted copies",
        "High and far to the left is good: the audit would have seen even few copies. "
        "Dashed: power 95%" + (" and the resolution asked for." if resolution else "."),
        "Share of repeats in which planted copies were found. Smallest share found in 95%: "
        + ("; ".join(found) if found else "none")
        + ".",
    )


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
            color=_colour("series", names),
            strokeDash=_dash("series", names, legend=False),
        ),
        alt.Chart(alt.InlineData(values=marks))
        .mark_rule()
        .encode(x=across, y=alt.Y("low:Q", title=y), y2="high:Q", color=_colour("series", names)),
        alt.Chart(alt.InlineData(values=marks))
        .mark_point(filled=True, opacity=1, size=45)
        .encode(
            x=across,
            y=alt.Y("y:Q", title=y),
            color=_colour("series", names),
            shape=_shape("series", names),
        ),
    ]
    return _styled(layers, title, subtitle, f"{title}: {len(names)} lines, {len(marks)} points.")


def svg(chart: altair.TopLevelMixin, prefix: str = "chart") -> str:
    """Return `chart` as the text of one SVG element whose ids all start with `prefix`.

    Give every chart of one page another prefix: ids must not meet. No file or network is touched.

    >>> svg(distance_chart([1.0, 2.0], [1.0, 3.0]), "a")[:4]
    '<svg'
    """
    buffer = io.StringIO()
    chart.save(buffer, format="svg")
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    # The renderer counts its ids on from chart to chart: number them anew.
    for number, old in enumerate(dict.fromkeys(re.findall(r'\sid="([^"]*)"', text))):
        text = re.sub(
            rf'((?:\sid=|href=)"#?|url\(#){re.escape(old)}(?=["\)])',
            rf"\g<1>{prefix}-{number}",
            text,
        )
    return text


def _rule(**at: float) -> altair.Chart:
    import altair as alt

    (axis, value), *_ = at.items()
    encoding: dict[str, Any] = {axis: alt.Y("at:Q") if axis == "y" else alt.X("at:Q")}
    chart = alt.Chart(alt.InlineData(values=[{"at": value}]))
    rule: altair.Chart = chart.mark_rule(color=COLOURS["muted"], strokeDash=[5, 4]).encode(
        **encoding
    )
    return rule


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers in [low, high]: powers of ten, in between 2 and 5 where few fit."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = -(-(last - first) // 5)
    powers = [10.0**e for e in range(first, last + 1, step)]
    few = math.log10(high / low) < 2.5
    ticks = [m * p for p in powers for m in (1, 2, 5)] if few else powers
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def _legend() -> altair.Legend:
    import altair as alt

    return alt.Legend(title=None, orient="top", symbolStrokeWidth=2, offset=6)


def _colour(name: str, domain: Sequence[str]) -> altair.Color:
    import altair as alt

    colours = [COLOURS[_SERIES[i % 4]] for i in range(len(domain))]
    return alt.Color(f"{name}:N", scale=alt.Scale(domain=domain, range=colours), legend=_legend())


def _dash(name: str, domain: Sequence[str], *, legend: bool = True) -> altair.StrokeDash:
    import altair as alt

    dashes = [_DASHES[i % 4] for i in range(len(domain))]
    scale = alt.Scale(domain=domain, range=dashes)
    return alt.StrokeDash(f"{name}:N", scale=scale, legend=_legend() if legend else None)


def _shape(name: str, domain: Sequence[str]) -> altair.Shape:
    import altair as alt

    shapes = [_SHAPES[i % 4] for i in range(len(domain))]
    return alt.Shape(f"{name}:N", scale=alt.Scale(domain=domain, range=shapes), legend=_legend())


def _styled(
    layers: list[altair.Chart], title: str, subtitle: str, description: str
) -> altair.LayerChart:
    import altair as alt

    ink, muted, grid = COLOURS["ink"], COLOURS["muted"], COLOURS["grid"]
    chart: altair.LayerChart = alt.LayerChart(layer=layers)
    styled: altair.LayerChart = chart.properties(
        width=WIDTH,
        height=HEIGHT,
        title=alt.Title(text=title, subtitle=_wrapped(subtitle)),
        description=description,
        background="transparent",
    )
    styled = styled.configure(font="system-ui, sans-serif", padding=4, aria=False)
    styled = styled.configure_view(stroke=None)
    styled = styled.configure_title(
        color=ink, subtitleColor=muted, fontSize=14, subtitleFontSize=11, anchor="start", offset=10
    )
    styled = styled.configure_legend(labelColor=ink, labelFontSize=12, labelLimit=0)
    styled = styled.configure_axis(
        labelColor=muted,
        titleColor=ink,
        gridColor=grid,
        domainColor=muted,
        tickColor=muted,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
        titlePadding=8,
        labelOverlap=True,
    )
    return styled


def _wrapped(text: str, columns: int = 56) -> list[str]:
    import textwrap

    return textwrap.wrap(text, columns, break_on_hyphens=False)


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"


def _finite(values: ArrayLike, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if not len(array) or not np.isfinite(array).all():
        raise UsageError(f"{name} must hold at least one value, and only finite ones")
    return array
