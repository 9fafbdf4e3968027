"""The commands of the transition lab, as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from byheart.cli import run

PLAN = """
[data]
kind = "gaussian"
dimension = 16
[model]
kind = "linear"
[sweep]
n = [12, 24, 48, 96]
repeats = 12
"""
NEURAL = PLAN.replace('kind = "linear"', 'kind = "mlp"\nepochs = 1')


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def test_sweep_then_transition(plan, tmp_path, capsys):
    store = tmp_path / "s.sqlite"
    assert run(["sweep", str(plan), "--store", str(store), "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"next: byheart transition {store}" in said.out
    arguments = ["--out", str(tmp_path / "out"), "--records", str(tmp_path / "r.parquet")]
    assert run(["transition", str(store), *arguments]) == 0
    said = capsys.readouterr().out
    assert said.startswith("aligned\n")
    assert "Delta > 0: as arXiv 2411.17807 defines it" in said
    page = (tmp_path / "out" / "transition.html").read_text(encoding="utf-8")
    assert "KL(rho_G ‖ rho), nats" in page
    assert (tmp_path / "r.parquet").exists()


def test_json_is_all_that_is_printed(plan, tmp_path, capsys):
    store = tmp_path / "s.sqlite"
    command = ["sweep", str(plan), "--store", str(store), "--workers", "1", "--json"]
    assert run(command) == 0
    swept = json.loads(capsys.readouterr().out)
    assert (swept["trials"], swept["errors"]) == (48, 0)
    assert swept["curve"][0]["distance"] == "inf"
    assert run(["transition", str(store), "--out", str(tmp_path / "o"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "transition"
    assert {"n_mem", "n_gen", "ratio", "aligned", "curve"} <= set(found)
    keys = {"n", "p_positive", "p_interval", "distance", "distance_interval"}
    assert keys <= set(found["curve"][0])


def test_sweep_over_a_parameter_then_transition(tmp_path, capsys):
    plan, store = tmp_path / "plan.toml", tmp_path / "s.sqlite"
    plan.write_text(
        '[data]\nkind = "gaussian"\ndimension = 4\n[model]\nkind = "tikhonov"\n'
        '[sweep]\nn = [60]\nparameter = "constant"\nvalues = [0.0001, 0.01]\nrepeats = 2\n'
        "samples = 60\n[distance]\nfresh = 60\n"
    )
    command = ["sweep", str(plan), "--store", str(store), "--workers", "1"]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert said.startswith("constant   n  trials")
    assert f"next: byheart transition {store}" in said
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["curve"][1]["constant"] == 0.01
    assert run(["transition", str(store), "--out", str(tmp_path / "o")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("no value generalizes: ")
    assert "no named copies" in said
    assert "generalizes" in (tmp_path / "o" / "transition.html").read_text(encoding="utf-8")
    assert run(["transition", str(store), "--out", str(tmp_path / "o"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"no_copies", "generalizes", "curve", "parameter"} <= set(found)
    assert found["kind"] == "thresholds"


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (("time = 2", "time = 2"), ["--engine", "dask"], "choose from local, ray"),
        (("[model]", "[model]\ntme = 2"), [], "model.tme is not a key of this section"),
        (("repeats = 12", "repeats = 13"), [], "sweep.repeats is 12 in the store and 13"),
    ],
)
def test_mistakes_are_one_line(plan, tmp_path, capsys, change, arguments, words):
    store = tmp_path / "s.sqlite"
    assert run(["sweep", str(plan), "--store", str(store), "--workers", "1"]) == 0
    plan.write_text(PLAN.replace(*change))
    capsys.readouterr()
    assert run(["sweep", str(plan), "--store", str(store), *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1


def test_transition_of_nothing(tmp_path, capsys):
    assert run(["transition", str(tmp_path / "missing.sqlite")]) == 2
    assert "no such store" in capsys.readouterr().err
    (tmp_path / "text.sqlite").write_text("not a store" * 100)
    assert run(["transition", str(tmp_path / "text.sqlite")]) == 2
    assert "is not a byheart store" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["torch", "diffusers"])
@pytest.mark.slow
def test_a_neural_command_without_its_libraries_says_what_to_install(tmp_path, missing):
    (tmp_path / "plan.toml").write_text(NEURAL)
    command = ["sweep", str(tmp_path / "plan.toml"), "--store", str(tmp_path / "s.sqlite")]
    if missing == "diffusers":
        pytest.importorskip("torch")
        command = ["reproduce", "unet", "--quick", "--out", str(tmp_path / "out")]
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from byheart.cli import run; sys.exit(run({command!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert 'pip install "byheart[neural]"' in done.stderr
