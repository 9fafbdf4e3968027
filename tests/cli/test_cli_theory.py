import json

import pytest

from byheart.cli import run
from byheart.lab.theory.solvable_model import LinearOneStep


def test_json_has_every_closed_form(capsys):
    arguments = ["-d", "100", "-n", "300", "--time", "2", "--noise-scale", "1", "--json"]
    assert run(["theory", *arguments]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row) == [
        "d",
        "n",
        "time",
        "noise_scale",
        "kl",
        "kl_lower_bound",
        "kl_floor",
        "trace_per_dimension",
        "log_determinant",
        "mean_offset",
        "regime",
        "scales",
    ]
    assert row["kl"] == float(LinearOneStep(100, 2.0, 1.0).expected_kl(300))
    assert set(row["scales"]) == {"interpolation", "second"}


def test_ranges_and_infinite_values(capsys):
    assert run(["theory", "-d", "10", "-n", "5", "-n", "20:40:3", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["n"] for row in rows] == [5, 20, 30, 40]
    assert rows[0]["kl"] == "inf"
    assert rows[0]["log_determinant"] == "-inf"
    assert rows[0]["regime"] == "singular"


def test_the_table_names_both_scales(capsys):
    assert run(["theory", "-d", "100", "-n", "150"]) == 0
    told = capsys.readouterr().out
    assert "103" in told
    assert "198.2" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("-d 0 -n 5", "dimension"),
        ("-d 5 -n 1", "at least 2"),
        ("-d 5 -n many", "START:STOP:COUNT"),
        ("-d 5 -n 9:3:2", "START:STOP:COUNT"),
        ("-d 5 -n 9 --time -1", "time"),
    ],
)
def test_mistakes_are_one_line(arguments, told, capsys):
    assert run(["theory", *arguments.split()]) == 2
    streams = capsys.readouterr()
    assert streams.err.count("\n") == 1
    assert told in streams.err
    assert streams.out == ""
