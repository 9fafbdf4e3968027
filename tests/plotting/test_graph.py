"""The graph of a reproduction: what is drawn, what is left out, what is refused."""

import math

import pytest

from byheart.errors import UsageError
from byheart.plotting import graph_chart, svg
from byheart.plotting.graph import Graph, Series


def graph(*series: Series, **options: bool) -> Graph:
    return Graph("Copies", "Higher is memorization.", "n", "share", series, **options)


def test_what_has_no_place_on_the_axes_is_left_out() -> None:
    line = Series(
        "a", (0.0, 1.0, 2.0, 3.0), (1.0, math.nan, 2.0, 3.0), ((1, 1), (0, 0), (1, 3), (0, 4))
    )
    spec = graph_chart(graph(line, log_x=True, log_y=True)).to_dict()
    bars, lines = (spec["datasets"][layer["data"]["name"]] for layer in spec["layer"][:2])
    assert [row["x"] for row in lines] == [2.0, 3.0]
    assert [row["x"] for row in bars] == [2.0]  # the bar of 3 begins at 0


def test_series_differ_without_colour_and_are_told_in_words() -> None:
    chart = graph_chart(graph(*(Series(name, (1.0, 2.0), (1.0, 2.0)) for name in "abcd")))
    encoding = chart.to_dict()["layer"][1]["encoding"]
    assert len(set(encoding["shape"]["scale"]["range"])) == 4
    assert "d: 1 at 1, 2 at 2" in chart.description
    assert svg(chart).startswith("<svg")


@pytest.mark.parametrize(
    "series",
    [
        (),
        tuple(Series(name, (1.0,), (1.0,)) for name in "abcde"),
        (Series("a", (1.0,), (1.0,)),) * 2,
        (Series("a", (1.0, 2.0), (1.0,)),),
    ],
)
def test_refused(series: tuple[Series, ...]) -> None:
    with pytest.raises(UsageError, match=r"graph\.series"):
        graph_chart(graph(*series))
