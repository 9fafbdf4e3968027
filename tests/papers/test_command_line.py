"""`python -m papers NAME`: what its help says is so, and errors are one line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from byheart.errors import InputError
from papers.__main__ import EXPERIMENTS, run

ROOT = Path(__file__).parents[2]
NAMES = [experiment.name for experiment in EXPERIMENTS]


def module(experiment):
    return import_module(f"papers.{experiment.name.replace('-', '_')}")


@pytest.fixture
def measured(monkeypatch):
    """Every experiment gives back at once what it was called with."""
    from byheart.lab.reproduction.reproduction import Claim, Reproduction

    calls = []
    for experiment in EXPERIMENTS:

        def reproduce(laboratory, *, quick, name=experiment.name):
            calls.append((name, quick, type(laboratory.engine).__name__))
            claim = Claim("a claim", "a figure", "yes")
            return Reproduction(name, "a paper", "settings", (claim,), (), ())

        monkeypatch.setattr(module(experiment), "reproduce", reproduce)
    return calls


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=NAMES)
def test_each_writes_its_folder(experiment, measured, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([experiment.name, "--quick"]) == 0
    folder = tmp_path / f"byheart-{experiment.name}-quick"
    assert (folder / f"{experiment.name}.html").exists()
    assert "a figure" in capsys.readouterr().out
    assert run([experiment.name, "--quick", "--json", "--out", "other"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == experiment.name
    engine = "ProcessEngine" if experiment.trials else "SerialEngine"
    assert measured == [(experiment.name, True, engine)] * 2


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=NAMES)
def test_help_says_what_is_needed_and_kept(experiment, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run([experiment.name, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert experiment.again in said
    assert ("Needs the extra neural without --quick." in said) == (experiment.neural != "always")
    assert ("--engine" in said) == ("--workers" in said) == experiment.trials


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=NAMES)
@pytest.mark.parametrize("quick", [True, False])
def test_a_missing_extra_is_said_before_anything_is_run(
    experiment, quick, measured, no_torch, tmp_path, capsys
):
    arguments = [experiment.name, "--out", str(tmp_path), *(["--quick"] if quick else [])]
    missing = experiment.neural == "always" or not quick
    assert run(arguments) == (2 if missing else 0)
    said = capsys.readouterr().err
    assert bool(measured) != missing
    assert said.count("\n") == missing
    assert ('pip install "byheart[neural]"' in said) == missing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["isolation", "--engine", "process"], "No such option: --engine"),
        (["geometry", "--workers", "2"], "No such option: --workers"),
        (["halves", "--engine", "slow"], "--engine slow: choose from local, ray"),
        (["isolation", "--quick", "--out", __file__], "cannot be made a folder"),
    ],
)
def test_mistakes_are_one_line(arguments, words, measured, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("python -m papers: ")
    assert words in said.err
    assert not measured


def test_an_experiment_that_fails_is_one_line(monkeypatch, tmp_path, capsys):
    def fail(*_, **__):
        raise InputError("extraction, n = 0, repeat 3: no cluster")

    monkeypatch.setattr("papers.isolation.reproduce", fail)
    assert run(["isolation", "--quick", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "python -m papers: extraction, n = 0, repeat 3: no cluster\n"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_it_with_130(tmp_path):
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys, runpy; sys.argv = ['papers', 'isolation', '--quick', '--out', sys.argv[1]]\n"
        "import papers.isolation as isolation\n"
        "def wait(*_, **__):\n"
        "    import time; print('ready', flush=True); time.sleep(60)\n"
        "isolation.reproduce = wait\n"
        "runpy.run_module('papers', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as started:
        assert started.stdout.readline() == "ready\n"
        time.sleep(0.1)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=30)
    assert (started.returncode, said) == (130, "python -m papers: interrupted\n")


def test_the_guide_lists_them_as_they_are():
    guide = (ROOT / "docs/how-to/reproduce.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `python -m papers (\S+)` \|[^|]*\| (.*?) \| (.*?) \|$", guide, re.MULTILINE
    )
    needs = {"always": "yes", "without --quick": "without `--quick`"}
    assert [(name, neural) for name, neural, _ in rows] == [
        (experiment.name, needs[experiment.neural]) for experiment in EXPERIMENTS
    ]
    over = {name for name, _, again in rows if again == "no"}
    assert over == {e.name for e in EXPERIMENTS if e.again == "Started again it starts over."}
