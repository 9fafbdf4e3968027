"""The chart of a training run: its data, its words, and that it renders on its own."""

from __future__ import annotations

import re

import pytest

from byheart import plotting
from byheart.errors import UsageError
from byheart.monitoring.quality import Turn
from byheart.monitoring.result import MonitorResult, Observation


def observation(step, quality, share, traces=False, copies=False):
    return Observation(
        step=step,
        samples=100,
        p_value=0.5,
        p_joint=0.01 if traces else 0.5,
        traces=traces,
        copies=copies,
        auc=0.5 + share / 2,
        auc_interval=(0.4 + share / 2, 0.55 + share / 2),
        delta_kl=-share,
        delta_interval=(-share - 0.1, 0.1 - share),
        memorized_lower_bound=round(100 * share),
        memorized_share=share,
        named=0,
        reproduced_train=0,
        reproduced_heldout=0,
        quality=quality,
        quality_interval=(quality - 0.01, quality + 0.01),
    )


RUN = MonitorResult(
    0.05,
    100,
    100,
    (
        observation(500, 0.8, 0.0),
        observation(1000, 0.02, 0.0),
        observation(1500, 0.0, 0.2, traces=True),
        observation(2000, -0.001, 0.6, traces=True, copies=True),
    ),
    (),
    Turn(1000, (1000, 2000), False),
    (),
)
START = MonitorResult(0.05, 100, 100, (observation(500, 0.8, 0.0),), (), None, ())


def values(chart, panel, layer):
    spec = chart.to_dict()
    found = spec["vconcat"][panel]["layer"][layer]
    data = found.get("data", spec["vconcat"][panel].get("data", spec.get("data")))
    return spec["datasets"][data["name"]] if "name" in data else data["values"]


def test_says_which_direction_is_good_and_names_its_axes():
    spec = plotting.monitor_chart(RUN).to_dict()
    words = " ".join(spec["title"]["subtitle"])
    assert "good" in words
    assert "memorization" in words
    titles = {
        channel.get("title")
        for panel in spec["vconcat"]
        for layer in panel["layer"]
        for axis, channel in layer["encoding"].items()
        if axis in ("x", "y")
    }
    assert {"training step", "energy distance", "share"} <= titles
    assert "step 1500" in spec["description"]
    assert RUN.advice in spec["description"]


def test_marks_the_steps_that_matter():
    events = {row["name"]: row for row in values(plotting.monitor_chart(RUN), 0, 1)}
    assert {name: row["step"] for name, row in events.items()} == {
        "keep": 1000,
        "τ_gen": 1000,
        "traces": 1500,
        "τ_mem": 2000,
    }
    assert (events["τ_gen"]["low"], events["τ_gen"]["high"]) == (1000, 2000)


def test_draws_both_curves_with_their_intervals():
    chart = plotting.monitor_chart(RUN)
    band = values(chart, 1, 0)
    assert [row["quality"] for row in band] == [0.8, 0.02, 0.0, -0.001]
    assert band[0]["low"] == 0.8 - 0.01
    lines = values(chart, 2, -1)
    assert [r["share"] for r in lines if r["series"] == "memorized, at least"] == [0, 0, 0.2, 0.6]
    assert [r["low"] for r in lines if r["series"] == "membership AUC"] == [0.4, 0.4, 0.5, 0.7]


def test_needs_no_colour():
    layers = plotting.monitor_chart(RUN).to_dict()["vconcat"][2]["layer"]
    dashes = [e["scale"]["range"] for x in layers if (e := x["encoding"].get("strokeDash"))]
    shapes = [e["scale"]["range"] for x in layers if (e := x["encoding"].get("shape"))]
    assert len(set(map(tuple, dashes[0]))) == 2
    assert len(set(shapes[0])) == 2


@pytest.mark.parametrize("result", [RUN, START], ids=["run", "start"])
def test_svg_has_prefixed_ids_and_only_the_palette(result):
    text = plotting.svg(plotting.monitor_chart(result), "run")
    assert text.startswith("<svg")
    assert "<script" not in text
    assert "NaN" not in text
    assert not re.search(r"(?:href|src)=\"(?!#)", text.replace("xmlns:xlink", ""))
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert all(i.startswith("run-") for i in ids)
    colours = set(re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', text))
    assert colours <= set(plotting.COLOURS.values())
    assert text == plotting.svg(plotting.monitor_chart(result), "run")


def test_nothing_observed_is_refused_in_one_line():
    with pytest.raises(UsageError, match="update"):
        plotting.monitor_chart(MonitorResult(0.05, 100, 100, (), (), None, ()))
