"""What all charts share: colours, marks, axes, and a chart as the text of one SVG element."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from byheart.errors import UsageError

if TYPE_CHECKING:
    import altair

C = TypeVar("C", bound="altair.TopLevelMixin")

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


def svg(chart: altair.TopLevelMixin, prefix: str = "chart") -> str:
    """Return `chart` as the text of one SVG element whose ids all start with `prefix`.

    Give every chart of one page another prefix: ids must not meet. No file or network is touched.

    >>> from byheart.plotting import distance_chart
    >>> svg(distance_chart([1.0, 2.0], [1.0, 3.0]), "a")[:4]
    '<svg'
    """
    require_renderer()
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


@cache
def require_renderer() -> None:
    """Raise UsageError where a limit of address space would make the renderer end this process.

    It reserves far more than it uses, and aborts if it may not: tried in a process of its own.
    """
    try:
        import resource
    except ImportError:  # no such limits
        return
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    trial = "import vl_convert; vl_convert.vega_to_svg({})"
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, check=False)
    if done.returncode:
        raise UsageError(
            "the limit of address space (ulimit -v) is too small to draw charts; remove it, and "
            "bound the memory by --max-memory"
        )


def rule(**at: float) -> altair.Chart:
    """Return a dashed line across the chart at x=... or y=...."""
    import altair as alt

    (axis, value), *_ = at.items()
    encoding: dict[str, Any] = {axis: alt.Y("at:Q") if axis == "y" else alt.X("at:Q")}
    chart = alt.Chart(alt.InlineData(values=[{"at": value}]))
    line: altair.Chart = chart.mark_rule(color=COLOURS["muted"], strokeDash=[5, 4]).encode(
        **encoding
    )
    return line


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers in [low, high]: powers of ten, in between 2 and 5 where few fit."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = -(-(last - first) // 5)
    powers = [10.0**e for e in range(first, last + 1, step)]
    few = math.log10(high / low) < 2.5
    ticks = [m * p for p in powers for m in (1, 2, 5)] if few else powers
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def shared_legend(title: str | None = None) -> altair.Legend:
    """Return the legend above the chart that colour, dash and shape share."""
    import altair as alt

    legend = alt.Legend(title=title, orient="top", symbolStrokeWidth=2, offset=6, columnPadding=16)
    if title is not None:
        legend.titleOrient = "left"
    return legend


def colour(name: str, domain: Sequence[str], *, title: str | None = None) -> altair.Color:
    """Return the encoding of the series `name` by colour, in the order of `domain`."""
    import altair as alt

    colours = [COLOURS[_SERIES[i % 4]] for i in range(len(domain))]
    return alt.Color(
        f"{name}:N", scale=alt.Scale(domain=domain, range=colours), legend=shared_legend(title)
    )


def dash(name: str, domain: Sequence[str], *, legend: bool = True) -> altair.StrokeDash:
    """Return the encoding of the series `name` by dashes, so that colour is not needed."""
    import altair as alt

    dashes = [_DASHES[i % 4] for i in range(len(domain))]
    scale = alt.Scale(domain=domain, range=dashes)
    return alt.StrokeDash(f"{name}:N", scale=scale, legend=shared_legend() if legend else None)


def shape(name: str, domain: Sequence[str], *, title: str | None = None) -> altair.Shape:
    """Return the encoding of the series `name` by the points' shape."""
    import altair as alt

    shapes = [_SHAPES[i % 4] for i in range(len(domain))]
    return alt.Shape(
        f"{name}:N", scale=alt.Scale(domain=domain, range=shapes), legend=shared_legend(title)
    )


def styled(
    layers: list[altair.Chart], title: str, subtitle: str, description: str
) -> altair.LayerChart:
    """Return the layers as one chart with its words: title, subtitle, description."""
    import altair as alt

    chart: altair.LayerChart = alt.LayerChart(layer=layers)
    return worded(chart.properties(width=WIDTH, height=HEIGHT), title, subtitle, description)


def stacked(
    panels: list[altair.LayerChart], title: str, subtitle: str, description: str
) -> altair.VConcatChart:
    """Return panels of one x axis, each with its own height, below each other, with their words."""
    import altair as alt

    chart: altair.VConcatChart = alt.VConcatChart(
        vconcat=[panel.properties(width=WIDTH) for panel in panels]
    )
    chart = chart.properties(spacing=8).resolve_scale(
        x="shared", color="independent", shape="independent", strokeDash="independent"
    )
    return worded(chart, title, subtitle, description)


def worded(chart: C, title: str, subtitle: str, description: str) -> C:
    """Return `chart`, layered or stacked, with its words and the look that all charts share."""
    import altair as alt

    ink, muted, grid = COLOURS["ink"], COLOURS["muted"], COLOURS["grid"]
    drawn: Any = chart.properties(
        title=alt.Title(text=title, subtitle=_wrapped(subtitle)),
        description=description,
        background="transparent",
    )
    drawn = drawn.configure(font="system-ui, sans-serif", padding=4, aria=False)
    drawn = drawn.configure_view(stroke=None)
    drawn = drawn.configure_title(
        color=ink, subtitleColor=muted, fontSize=14, subtitleFontSize=11, anchor="start", offset=10
    )
    drawn = drawn.configure_legend(
        labelColor=ink, labelFontSize=12, labelLimit=0, titleColor=muted, titleFontWeight="normal"
    )
    drawn = drawn.configure_axis(
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
    return cast("C", drawn)


def _wrapped(text: str, columns: int = 56) -> list[str]:
    import textwrap

    return textwrap.wrap(text, columns, break_on_hyphens=False)


def span(values: Sequence[float]) -> str:
    """Return the range of `values` in words."""
    return f"{min(values):.3g} to {max(values):.3g}"


def finite(values: ArrayLike, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return `values` as a flat array, or raise UsageError when empty or not finite."""
    array = np.asarray(values, dtype=np.float64).ravel()
    if not len(array) or not np.isfinite(array).all():
        raise UsageError(f"{name} must hold at least one value, and only finite ones")
    return array
