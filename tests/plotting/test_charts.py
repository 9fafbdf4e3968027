"""The charts: their data, their encodings, and that they render without touching anything."""

from __future__ import annotations

import re

import numpy as np
import pytest

from byheart import plotting
from byheart.auditing.result import DeltaCurve, Planted
from byheart.errors import UsageError

CURVE = DeltaCurve((0.2, 0.5, 1.0), (-1.0, -0.5, 0.1), ((-1.2, -0.8), (-0.6, -0.4), (-0.1, 0.3)))
PLANTED = Planted(
    (0.05, 0.25),
    (0.01, 0.02, 0.04),
    (0.005, 0.01, 0.02),
    ((0.5, 1.0, None), (None, 0.4, 0.975)),
    (0.02, 0.04),
)
ROC = np.array([[0.0, 0.0], [0.0, 0.2], [0.01, 0.3], [0.5, 0.7], [1.0, 1.0]])


def charts():
    return {
        "delta": plotting.delta_chart(CURVE),
        "l2": plotting.delta_chart(CURVE, "l2"),
        "distance": plotting.distance_chart([0.01, 0.5, 2.0], [0.4, 1.0, 3.0]),
        "membership": plotting.membership_chart(ROC),
        "power": plotting.power_chart(PLANTED, 0.05),
    }


def data_of(layer):
    return layer["data"]["values"]


def layers(chart):
    """The layers of a chart, each with its own rows again (altair pools them)."""
    spec = chart.to_dict()

    def rows(layer):
        data = layer.get("data", spec.get("data"))
        return spec["datasets"][data["name"]] if "name" in data else data["values"]

    return [{**layer, "data": {"values": rows(layer)}} for layer in spec["layer"]]


@pytest.mark.parametrize("name", ["delta", "l2", "distance", "membership", "power"])
def test_every_chart_says_which_direction_is_good_and_names_its_axes(name):
    spec = charts()[name].to_dict()
    words = " ".join(spec["title"]["subtitle"])
    assert "good" in words
    assert "memorization" in words or name == "power"
    assert spec["description"]
    titled = [
        channel["title"]
        for layer in spec["layer"]
        for axis, channel in layer["encoding"].items()
        if axis in ("x", "y") and "title" in channel
    ]
    assert len(set(titled)) == 2


@pytest.mark.parametrize("name", ["delta", "l2", "distance", "membership", "power"])
def test_svg_has_prefixed_ids_and_only_the_palette(name):
    text = plotting.svg(charts()[name], f"p-{name}")
    assert text.startswith("<svg")
    assert text.endswith("</svg>")
    assert "<script" not in text
    assert "NaN" not in text
    assert not re.search(r"(?:href|src)=\"(?!#)", text.replace("xmlns:xlink", ""))
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert all(i.startswith(f"p-{name}-") for i in ids)
    assert len(set(ids)) == len(ids)
    used = set(re.findall(r"url\(#([^)]*)\)", text))
    assert used <= set(ids)
    colours = set(re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', text))
    assert colours <= set(plotting.COLOURS.values())


def test_the_same_chart_gives_the_same_bytes():
    for name, chart in charts().items():
        assert plotting.svg(chart, name) == plotting.svg(charts()[name], name)


def test_delta_draws_band_line_and_zero():
    band, zero, line, points = layers(plotting.delta_chart(CURVE))
    assert band["encoding"]["y"]["field"] == "low"
    assert band["encoding"]["y2"]["field"] == "high"
    assert data_of(zero) == [{"at": 0.0}]
    assert [row["delta"] for row in data_of(line)] == [-1.0, -0.5, 0.1]
    assert data_of(points)[0] == {"bandwidth": 0.2, "delta": -1.0, "low": -1.2, "high": -0.8}


def test_delta_leaves_out_what_is_not_finite():
    curve = DeltaCurve((1.0, 2.0), (float("nan"), 0.5), ((0.0, 0.0), (0.4, 0.6)))
    assert len(data_of(layers(plotting.delta_chart(curve))[2])) == 1


def test_delta_units_follow_the_form():
    spec = [plotting.delta_chart(CURVE, form).to_dict() for form in ("kl", "l2")]
    assert "nats" in spec[0]["layer"][2]["encoding"]["y"]["title"]
    assert "nats" not in spec[1]["layer"][2]["encoding"]["y"]["title"]


def test_distances_are_cumulative_distributions_that_differ_in_dash():
    (lines,) = layers(plotting.distance_chart([3.0, 1.0], [2.0, 4.0, 5.0]))
    train = [(r["distance"], r["share"]) for r in data_of(lines) if r["set"] == "train"]
    assert train == [(1.0, 0.0), (1.0, 0.5), (3.0, 1.0)]
    dashes = lines["encoding"]["strokeDash"]["scale"]["range"]
    assert dashes[0] != dashes[1]


@pytest.mark.parametrize(
    ("train", "kind"), [([0.01, 1.0], "log"), ([0.0, 1.0], None), ([0.5, 1.0], None)]
)
def test_distance_axis_is_logarithmic_only_where_it_can_be(train, kind):
    (lines,) = layers(plotting.distance_chart(train, [0.9, 1.5]))
    assert lines["encoding"]["x"]["scale"].get("type") == kind


def test_membership_keeps_zero_rates_on_the_log_axes():
    chance, attack = layers(plotting.membership_chart(ROC))
    floor = 0.005  # half the smallest positive rate
    assert data_of(chance)[0] == {"fpr": floor, "tpr": floor}
    assert data_of(attack)[0] == {"fpr": floor, "tpr": 0.2}
    assert attack["encoding"]["x"]["scale"]["type"] == "log"
    assert "strokeDash" in chance["mark"]


def test_power_drops_what_was_not_tried_and_differs_in_dash_and_shape():
    level, lines, points, resolution = layers(plotting.power_chart(PLANTED, 0.05))
    assert len(data_of(lines)) == 4
    assert data_of(level) == [{"at": 0.95}]
    assert data_of(resolution) == [{"at": 0.05}]
    assert len(set(map(tuple, lines["encoding"]["strokeDash"]["scale"]["range"]))) == 2
    assert len(set(points["encoding"]["shape"]["scale"]["range"])) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: plotting.distance_chart([], [1.0]),
        lambda: plotting.distance_chart([1.0], [np.inf]),
        lambda: plotting.membership_chart([1.0, 2.0]),
        lambda: plotting.membership_chart(np.empty((0, 2))),
        lambda: plotting.membership_chart([[0.0, np.nan]]),
    ],
)
def test_unusable_arrays_are_refused_in_one_line(call):
    with pytest.raises(UsageError) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_degenerate_data_still_render(value):
    constant = np.full(5, value)
    text = plotting.svg(plotting.distance_chart(constant, constant), "c")
    assert "NaN" not in text
    assert "NaN" not in plotting.svg(plotting.membership_chart([[value, value]]), "m")
