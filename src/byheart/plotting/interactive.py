"""A chart made to answer the mouse: values where one points, dragging, zooming.

The drawing stays the one of `plotting`; only what a static picture cannot do is added. A chart's
colours become CSS variables of the page, so that dark mode needs no script.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from byheart.plotting.style import COLOURS

if TYPE_CHECKING:
    import altair

_HOVER = {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"}
# Without a key the wheel belongs to the page, which it scrolls.
_WHEEL = "wheel![event.ctrlKey || event.metaKey]"


def interactive(chart: altair.LayerChart) -> dict[str, Any]:
    """Return `chart` as a Vega-Lite specification with hover, tooltips, drag and zoom.

    Every layer with a tooltip answers to the mark nearest to the pointer; a line, whose tooltip
    could speak of its first point only, gets invisible points for it. `usermeta.zoom` names the
    signals that hold the zoomed domain of each axis. Title and background stay with the page,
    the width is that of the element which holds the chart.

    >>> from byheart.plotting import distance_chart
    >>> interactive(distance_chart([1.0, 2.0], [1.0, 3.0]))["usermeta"]
    {'zoom': {'x': 'zoom_distance', 'y': 'zoom_share'}}
    """
    spec: dict[str, Any] = chart.to_dict()
    layers = []
    marked = any(_mark(layer)["type"] == "point" for layer in spec["layer"])
    for layer in spec["layer"]:
        layer["mark"] = {**_mark(layer), "clip": True, "aria": False}
        layers.append(layer)
        tooltip = layer["encoding"].pop("tooltip", None)
        if layer["mark"]["type"] == "line" and tooltip and not marked:
            layers.append(layer := _points(layer))
        if layer["mark"]["type"] == "point" and tooltip:
            layer["mark"]["tooltip"] = {"expr": _told(tooltip)}
            layer["params"] = [{"name": "hover", "select": _HOVER}]
    _legends(layers, "symbolStrokeWidth" if marked else "symbolType", 0 if marked else "stroke")
    spec["layer"] = layers
    spec["usermeta"] = {"zoom": _zoom(layers)}
    spec |= {"width": "container", "height": spec["height"] * 4 // 3}
    spec["autosize"] = {"type": "fit", "contains": "padding", "resize": True}
    spec["config"]["axisX"] = {"titleAnchor": "end", "titleFontSize": 11}  # fits a narrow screen
    del spec["title"]
    text = json.dumps(spec)
    for name, value in COLOURS.items():
        text = text.replace(f'"{value}"', f'"var(--chart-{name})"')
    whole: dict[str, Any] = json.loads(text)
    return whole


def _mark(layer: dict[str, Any]) -> dict[str, Any]:
    mark = layer["mark"]
    return {"type": mark} if isinstance(mark, str) else mark


def _points(line: dict[str, Any]) -> dict[str, Any]:
    """Return the points of `line`, each seen only under the pointer."""
    encoding = {
        channel: line["encoding"][channel]
        for channel in ("x", "y", "color")
        if channel in line["encoding"]
    }
    encoding["opacity"] = {
        "condition": {"param": "hover", "empty": False, "value": 1},
        "value": 0,
    }
    mark = {"type": "point", "filled": True, "size": 70, "clip": True, "aria": False}
    if "color" in line["mark"]:
        mark["color"] = line["mark"]["color"]
    data = {"data": line["data"]} if "data" in line else {}  # else it is the whole chart's
    return {**data, "mark": mark, "encoding": encoding}


def _legends(layers: list[dict[str, Any]], key: str, value: Any) -> None:
    """Give the legends of all channels, which become one, the symbols of the marks."""
    for layer in layers:
        for channel in ("color", "shape", "strokeDash"):
            encoding = layer["encoding"].get(channel)
            if encoding is None:
                continue
            if encoding.get("legend") is None:  # one that is off would be at odds with the others
                encoding.pop("legend", None)
            else:
                encoding["legend"] = {**encoding["legend"], key: value}


def _told(tooltip: list[dict[str, Any]]) -> str:
    """Return the tooltip as an expression.

    For the mark nearest to the pointer Vega-Lite looks for names, unlike numbers, in the wrong
    place: its tooltip of encodings would say "undefined".
    """
    parts = []
    for channel in tooltip:
        name = json.dumps(channel["field"])
        value = f"(datum.datum || datum)[{name}]"
        if "format" in channel:
            value = f"format({value}, {json.dumps(channel['format'])})"
        parts.append(f"{json.dumps(channel.get('title', channel['field']))}: {value}")
    return "{" + ", ".join(parts) + "}"


def _zoom(layers: list[dict[str, Any]]) -> dict[str, str]:
    """Bind the axes to a selection of the first layer with both; return their signals' names."""
    for layer in layers:
        axes = {
            axis: layer["encoding"][axis]
            for axis in ("x", "y")
            if layer["encoding"].get(axis, {}).get("type") == "quantitative"
        }
        if "x" in axes and layer["encoding"].keys() >= {"x", "y"}:
            select = {"type": "interval", "encodings": list(axes), "zoom": _WHEEL}
            layer.setdefault("params", []).append(
                {"name": "zoom", "select": select, "bind": "scales"}
            )
            return {axis: f"zoom_{channel['field']}" for axis, channel in axes.items()}
    return {}
