"""`byheart forecast`: streams, exit status, formats, and one line for every mistake."""

import json

import numpy as np
import pytest

from byheart.cli import run


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "data.npy", rng.normal(size=(200, 6)) / np.arange(1, 7))
    return tmp_path / "data.npy"


def test_tells_the_forecast(data, capsys):
    assert run(["forecast", "--data", str(data)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "200 rows in 6 directions" in told.out
    assert "honesty test" in told.out
    assert "not a promise for a neural network" in told.out
    assert "most at risk of being memorized, the most isolated first: row " in told.out


def test_json_is_the_forecast_and_nothing_else(data, capsys):
    assert (
        run(["forecast", "--data", str(data), "--noise-floor", "0.001", "--seed", "3", "--json"])
        == 0
    )
    first = capsys.readouterr().out
    made = json.loads(first)
    assert made["noise_floor"] == 0.001
    assert made["seed"] == 3
    assert made["rows"] == 200
    assert made["honest"] == made["checks"][0]["holds"]
    assert made["n_gen"]["interval"][0] <= made["n_gen"]["value"] <= made["n_gen"]["interval"][1]
    assert (
        run(["forecast", "--data", str(data), "--noise-floor", "0.001", "--seed", "3", "--json"])
        == 0
    )
    assert capsys.readouterr().out == first


def test_the_rows_at_risk_are_named(tmp_path, capsys):
    """Far rows come first; images from a folder by file name."""
    from PIL import Image

    rng = np.random.default_rng(2)
    images = rng.integers(100, 110, size=(30, 4, 4), dtype=np.uint8)
    images[11] = 255 - 10 * np.arange(16, dtype=np.uint8).reshape(4, 4)
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i:02}.png")
    assert run(["forecast", "--data", str(tmp_path), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["at_risk"][0]["name"] == "11.png"
    assert made["at_risk"][0]["row"] == 11
    levels = [risk["level"] for risk in made["at_risk"]]
    assert len(levels) == 20
    assert levels == sorted(levels, reverse=True)
    assert 1 <= made["alone"] <= 30


def test_too_many_rows_are_not_compared(data, capsys, monkeypatch):
    monkeypatch.setattr("byheart.lab.forecast.MOST_ROWS", 199)
    assert run(["forecast", "--data", str(data)]) == 0
    told = capsys.readouterr().out
    assert "200 rows are too many to be compared with each other: none is named" in told
    assert "most at risk" not in told


def test_a_row_that_outweighs_all_others_is_json_too(tmp_path, capsys):
    rows = np.zeros((200, 2))
    rows[:6] = np.random.default_rng(3).normal(size=(6, 2))
    np.save(tmp_path / "data.npy", rows)
    assert run(["forecast", "--data", str(tmp_path / "data.npy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["at_risk"][0]["level"] == "inf"


def test_a_table_with_categories_and_images(tmp_path, capsys):
    rng = np.random.default_rng(1)
    lines = ["id,a,b,kind"]
    lines += [f"r{i},{rng.normal():.3f},{rng.normal():.3f},{'xyz'[i % 3]}" for i in range(120)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    assert run(["forecast", "--data", str(tmp_path / "table.csv"), "--ignore", "id", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    # two numbers, and three indicators of which two are free
    assert made["dimension"] == 4
    assert any("linear relation" in note for note in made["notes"])
    np.save(tmp_path / "images.npy", rng.integers(0, 255, size=(150, 4, 4), dtype=np.uint8))
    assert run(["forecast", "--data", str(tmp_path / "images.npy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dimension"] == 16


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("missing", "no such file"),
        ("no data", "--data"),
        ("few", "too few"),
        ("constant", "constant"),
        ("nan", "row 17, column 2"),
        ("floor", "noise_floor"),
        ("not a number", "--noise-floor"),
        ("identifier", "--ignore id"),
        ("ignore", "leave it out"),
        ("column", "did you mean"),
        ("seed", "seed"),
    ],
)
def test_every_mistake_is_one_line_and_status_2(data, capsys, mistake, told):
    path, values, options = data, np.load(data), []
    if mistake == "missing":
        path = data.with_name("none.npy")
    elif mistake in ("few", "constant", "nan"):
        values[17, 2] = np.nan if mistake == "nan" else 0
        values = {"few": values[:5], "constant": np.ones((60, 2)), "nan": values}[mistake]
        np.save(data, values)
    elif mistake in ("identifier", "column"):
        path = data.with_name("table.csv")
        path.write_text("id,a\n" + "".join(f"r{i},{i % 7}.5\n" for i in range(60)))
        options = ["--ignore", "ids"] if mistake == "column" else []
    options = {
        "floor": ["--noise-floor", "0"],
        "not a number": ["--noise-floor", "low"],
        "ignore": ["--ignore", "a"],
        "seed": ["--seed", "-1"],
    }.get(mistake, options)
    arguments = [] if mistake == "no data" else ["--data", str(path)]
    assert run(["forecast", *arguments, *options]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("byheart: ")
    assert streams.err.count("\n") == 1
    assert told in streams.err


def test_help_shows_an_example(capsys):
    assert run(["forecast", "--help"]) == 0
    assert "byheart forecast --data" in capsys.readouterr().out
