"""The chart of a transition: two panels, one axis, both scales marked, no colour needed."""

from __future__ import annotations

import math
import re

import pytest

from byheart import plotting
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.transition.result import transition


def sweep(sizes, crossing, distance, trials=20):
    return transition(
        [
            Record(n, i, Outcome(n > crossing, 0.0, distance(n) * (1 + i / 100)))
            for n in sizes
            for i in range(trials)
        ]
    )


RESULTS = {
    "both": lambda: sweep((8, 16, 32, 64, 128), 40, lambda n: math.inf if n < 20 else 100 / n),
    "above": lambda: sweep((25, 50, 100), 1e9, lambda n: 1 / n),
    "below": lambda: sweep((25, 50, 100), 1, lambda n: 1 / n),
    "narrow": lambda: sweep((30, 33, 36), 34, lambda n: 1 / n),
    "infinite": lambda: sweep((25, 50), 30, lambda n: math.inf),
    "zero": lambda: sweep((25, 50), 30, lambda n: 0.0),
    "one-trial": lambda: sweep((25, 50), 30, lambda n: 1 / n, trials=1),
}


def rows(spec, layer):
    data = layer.get("data", {})
    return spec["datasets"][data["name"]] if "name" in data else data["values"]


def panels(name):
    spec = plotting.transition_chart(RESULTS[name]()).to_dict()
    return spec, *(panel["layer"] for panel in spec["vconcat"])


@pytest.mark.parametrize("name", RESULTS)
def test_it_says_which_direction_is_good_and_names_its_axes(name):
    spec, above, below = panels(name)
    words = " ".join(spec["title"]["subtitle"])
    assert words.count("good") == 2
    assert "memorization" in words
    assert "n_mem" in spec["description"]
    titles = {
        channel["title"]
        for layer in (*above, *below)
        for axis, channel in layer["encoding"].items()
        if axis in ("x", "y") and channel.get("title")
    }
    assert titles == {"training points n", "P(Delta > 0)", "distance"}


@pytest.mark.parametrize("name", RESULTS)
def test_svg_has_prefixed_ids_and_only_the_palette(name):
    text = plotting.svg(plotting.transition_chart(RESULTS[name]()), "p")
    assert text.startswith("<svg")
    assert "<script" not in text
    assert "NaN" not in text
    assert "Infinity" not in text
    assert not re.search(r"(?:href|src)=\"(?!#)", text.replace("xmlns:xlink", ""))
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert all(i.startswith("p-") for i in ids)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)
    colours = set(re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', text))
    assert colours <= set(plotting.COLOURS.values())
    again = plotting.svg(plotting.transition_chart(RESULTS[name]()), "p")
    assert again == text


def test_each_panel_marks_its_own_scale_and_dashes_the_other():
    found = RESULTS["both"]()
    spec, above, below = panels("both")
    for layers, own, other, name in (
        (above, found.n_mem, found.n_gen, "n_mem"),
        (below, found.n_gen, found.n_mem, "n_gen"),
    ):
        band, line, label, dashed = layers[:4]
        assert rows(spec, band) == [{"low": own.interval[0], "high": own.interval[1]}]
        assert rows(spec, line) == [{"at": own.estimate}]
        assert rows(spec, label)[0]["text"].startswith(name)
        assert rows(spec, dashed) == [{"at": other.estimate}]
        assert dashed["mark"]["strokeDash"]


def test_infinite_distances_are_triangles_at_the_edge_and_break_the_line():
    spec, _, below = panels("both")
    line, triangles = below[-4], below[-1]
    top = line["encoding"]["y"]["scale"]["domain"][1]
    assert [row["n"] for row in rows(spec, line)] == [32, 64, 128]
    assert [(row["n"], row["value"]) for row in rows(spec, triangles)] == [(8, top), (16, top)]
    assert triangles["mark"]["shape"] == "triangle-up"


def test_a_scale_beyond_the_sizes_tried_has_a_label_and_no_line():
    spec, above, _ = panels("above")
    assert rows(spec, above[1])[0]["text"] == "n_mem above 100"
    assert above[1]["mark"]["type"] == "text"


def test_the_distance_is_logarithmic_only_where_it_can_be():
    kinds = {
        name: panels(name)[2][-1]["encoding"]["y"]["scale"]["type"] for name in ("above", "zero")
    }
    assert kinds == {"above": "log", "zero": "linear"}
