"""Charts of an audit: Delta, nearest distances, the membership attack, the planted copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from byheart.errors import UsageError
from byheart.plotting.style import (
    COLOURS,
    colour,
    dash,
    finite,
    log_ticks,
    rule,
    shape,
    span,
    styled,
)

if TYPE_CHECKING:
    import altair

    from byheart.auditing.result import DeltaCurve, Planted


def delta_chart(curve: DeltaCurve, form: Literal["kl", "l2"] = "kl") -> altair.LayerChart:
    """Return Delta over bandwidth with its interval, and the band in which chance keeps it.

    `curve` holds one form of the relative distance (theory, section 4): in nats for `form="kl"`,
    in units of the pooled overlap for `form="l2"`. Below zero the generated samples lie nearer to
    the training set; only below the band of random relabellings, nearer than chance explains.

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
    chance = [
        {"bandwidth": b, "low": low, "high": high}
        for b, (low, high) in zip(curve.bandwidths, curve.null, strict=False)
    ]
    layers = [
        alt.Chart(alt.InlineData(values=chance))
        .mark_area(color=COLOURS["muted"], opacity=0.22)
        .encode(x=x, y=alt.Y("low:Q", title=f"Delta ({unit})"), y2="high:Q")
    ] * bool(chance)
    layers += [
        base.mark_area(color=COLOURS["train"], opacity=0.18).encode(
            x=x, y=alt.Y("low:Q", title=f"Delta ({unit})"), y2="high:Q"
        ),
        rule(y=0.0),
        base.mark_line(color=COLOURS["train"], strokeWidth=2).encode(x=x, y=y),
        base.mark_point(color=COLOURS["train"], filled=True, opacity=1, size=40).encode(
            x=x, y=y, tooltip=tips
        ),
    ]
    return styled(
        layers,
        f"Relative distance Delta, {form.upper()} form",
        _delta_caption(curve),
        f"Delta over {len(rows)} bandwidths. {_delta_caption(curve)}"
        + (f" Values from {span([row['delta'] for row in rows])} {unit}." if rows else ""),
    )


def _delta_caption(curve: DeltaCurve) -> str:
    """Say what the curve shows, measured by what random relabelling does to it."""
    if not curve.null:
        return (
            "Around 0 is good. Below it the samples lie nearer to train than to held-out; whether "
            "that is more than chance, and so memorization, is not drawn here: the p-value says "
            "so. Band: bootstrap interval."
        )
    below, above = (
        sum(sign * v > sign * band[end] for v, band in zip(curve.values, curve.null, strict=True))
        for sign, end in ((-1, 0), (1, 1))
    )
    count = len(curve.values)
    if below:
        told = (
            f"At {below} of {count} bandwidths it lies below the grey band, in which random "
            "relabelling keeps it: memorization. Within that band is good."
        )
    elif above:
        told = (
            f"At {above} of {count} bandwidths it lies above the grey band, in which random "
            "relabelling keeps it: nearer to held-out than chance explains, which is no "
            "memorization but not good either: see the controls."
        )
    else:
        told = (
            "It stays within the grey band, in which random relabelling keeps it. That is good: "
            "no sign of memorization, on whichever side of 0 it runs."
        )
    return told + " Coloured band: bootstrap interval."


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
        ("train", np.sort(finite(train, "train"))),
        ("held-out", np.sort(finite(heldout, "heldout"))),
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
        axis = alt.Axis(values=log_ticks(low, high), format="~g", labelOverlap=False)
        scale = alt.Scale(type="log", nice=False)
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X(
                "distance:Q", title="distance s (units of the features)", scale=scale, axis=axis
            ),
            y=alt.Y("share:Q", title="share of points with s or less").axis(format="%"),
            color=colour("set", ["train", "held-out"]),
            strokeDash=dash("set", ["train", "held-out"]),
            tooltip=[
                alt.Tooltip("set:N"),
                alt.Tooltip("distance:Q", format=".3g"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )
    medians = [float(np.median(values)) for _, values in sets]
    return styled(
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
    finite(points.ravel(), "curve")
    positive = points[points > 0]
    floor = float(min(positive.min() / 2, 0.1)) if len(positive) else 0.1
    rows = [
        {"fpr": max(float(f), floor), "tpr": max(float(t), floor)} for f, t in points if f + t > 0
    ]
    scale = alt.Scale(type="log", domain=[floor, 1], nice=False)
    axis = alt.Axis(format="~%", values=log_ticks(floor, 1.0), labelOverlap=False)
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
    return styled(
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

    names = [f"{noise:g}" for noise in planted.noise]
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
        color=colour("noise", names, title="noise"),
        tooltip=[
            alt.Tooltip("noise:N"),
            alt.Tooltip("share:Q", format=".2%"),
            alt.Tooltip("power:Q", format=".0%"),
        ],
    )
    layers = [
        rule(y=0.95),
        base.mark_line(strokeWidth=1.75).encode(strokeDash=dash("noise", names, legend=False)),
        base.mark_point(filled=True, opacity=1, size=55).encode(
            shape=shape("noise", names, title="noise")
        ),
    ]
    if resolution is not None:
        layers.append(rule(x=resolution))
    found = [
        f"{share:.2%} at noise {name}"
        for name, share in zip(names, planted.minimum_detectable_share, strict=True)
        if share is not None
    ]
    return styled(
        layers,
        "Power against planted copies",
        "High and far to the left is good: the audit would have seen even few copies. "
        "Dashed: power 95%" + (" and the resolution asked for." if resolution else "."),
        "Share of repeats in which planted copies were found. Smallest share found in 95%: "
        + ("; ".join(found) if found else "none")
        + ".",
    )
