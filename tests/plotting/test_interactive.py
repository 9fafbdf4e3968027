"""Charts for the mouse: valid, zoomable, with the page's colours and one tooltip a point."""

from __future__ import annotations

import json

import numpy as np
import pytest
import vl_convert

from byheart import plotting
from byheart.auditing.result import DeltaCurve, Planted
from byheart.errors import UsageError

PLANTED = Planted((0.1, 0.5), (0.01, 0.02), (0.01, 0.02), ((0.4, 1.0), (0.1, 0.2)), (0.02, None))
CHARTS = {
    "delta": lambda: plotting.delta_chart(
        DeltaCurve((0.5, 1.0), (-0.4, -0.1), ((-0.5, -0.3), (-0.2, 0.0)))
    ),
    "distances": lambda: plotting.distance_chart([0.1, 0.2, 7.0], [1.0, 2.0]),
    "membership": lambda: plotting.membership_chart([[0, 0], [0.01, 0.3], [1, 1]]),
    "power": lambda: plotting.power_chart(PLANTED, 0.05),
    "comparison": lambda: plotting.comparison_chart(
        ["a", "b"], [0.5, np.nan], [None, None], title="t", subtitle="s", unit="u", reference=0.5
    ),
}


@pytest.fixture(params=sorted(CHARTS))
def spec(request):
    return plotting.interactive(CHARTS[request.param]())


def test_it_compiles_with_the_signals_that_zoom(spec):
    vega = vl_convert.vegalite_to_vega(spec)
    names = {signal["name"] for signal in vega["signals"]}
    zoom = spec["usermeta"]["zoom"]
    assert "x" in zoom
    assert set(zoom.values()) <= names
    assert {"x", "y"} <= {scale["name"] for scale in vega["scales"]}


def test_one_layer_answers_the_pointer(spec):
    told = [layer for layer in spec["layer"] if "tooltip" in layer["mark"]]
    assert len(told) == 1
    assert told[0]["params"][0]["name"] == "hover"
    assert not [layer for layer in spec["layer"] if "tooltip" in layer["encoding"]]
    assert all(layer["mark"]["clip"] for layer in spec["layer"])


def test_colours_are_those_of_the_page(spec):
    text = json.dumps(spec)
    assert "var(--chart-ink)" in text
    assert not [value for value in plotting.COLOURS.values() if value in text]


def test_text_of_the_data_is_escaped_in_the_drawing():
    evil = "</script><script>alert(1)</script>"
    chart = plotting.comparison_chart(
        [evil], [0.5], [None], title="t", subtitle="s", unit="u", percent=True
    )
    drawing = plotting.svg(chart)
    assert "<script" not in drawing
    assert "&lt;" in drawing


@pytest.mark.parametrize(("names", "values"), [(["a", "a"], [1.0, 2.0]), (["a"], [1.0, 2.0])])
def test_a_comparison_of_unequal_lists_is_refused(names, values):
    with pytest.raises(UsageError, match="names"):
        plotting.comparison_chart(names, values, [None, None], title="t", subtitle="s", unit="u")
