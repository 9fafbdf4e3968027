"""The command line: exit status, streams, and one line for every mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byheart.cli import run


@pytest.fixture
def sets(tmp_path):
    rng = np.random.default_rng(0)
    train, heldout = rng.normal(size=(2, 60, 4))
    files = {
        "train": train,
        "heldout": heldout,
        "generated": rng.normal(size=(50, 4)),
        "copies": np.concatenate([train[:30] + 0.01, rng.normal(size=(20, 4))]),
    }
    for name, values in files.items():
        np.save(tmp_path / f"{name}.npy", values)
    return tmp_path


def audit(folder, *extra, train="train.npy", heldout="heldout.npy", generated="generated.npy"):
    roles = {"train": train, "heldout": heldout, "generated": generated}
    arguments = [
        part
        for role, name in roles.items()
        if name is not None
        for part in (f"--{role}", str(folder / name))
    ]
    return run(
        ["audit", *arguments, "--permutations", "99", "--out", str(folder / "report"), *extra]
    )


def test_an_audit_writes_both_files_and_tells_the_verdict(sets, capsys):
    assert audit(sets, generated="copies.npy") == 0
    told = capsys.readouterr()
    assert "memorizes (copies)" in told.out
    assert "report.html" in told.out
    assert told.err == ""
    lists = {"copies.csv", "training_rows.csv"}
    assert {p.name for p in (sets / "report").iterdir()} == {"report.json", "report.html"} | lists
    report = json.loads((sets / "report" / "report.json").read_text())
    assert report["verdict"] == "memorizes"
    assert report["inputs"]["train"]["path"] == "../train.npy"


def test_json_prints_the_report_and_nothing_else(sets, capsys):
    assert audit(sets, "--json") == 0
    assert capsys.readouterr().out == (sets / "report" / "report.json").read_text()


@pytest.mark.parametrize(
    ("condition", "status"),
    [("memorizes", 1), ("copies", 1), ("traces inconclusive", 0), ("inconclusive copies", 1)],
)
def test_fail_on_may_be_repeated(sets, condition, status):
    given = [part for word in condition.split() for part in ("--fail-on", word)]
    assert audit(sets, *given, generated="copies.npy") == status


def test_the_same_seed_gives_the_same_file(sets, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    audit(sets)
    first = (sets / "report" / "report.json").read_bytes()
    page = (sets / "report" / "report.html").read_bytes()
    audit(sets)
    assert (sets / "report" / "report.json").read_bytes() == first
    assert (sets / "report" / "report.html").read_bytes() == page


def test_without_a_heldout_set(sets, capsys):
    assert audit(sets, "--fail-on", "inconclusive", heldout=None) == 1
    told = capsys.readouterr()
    assert "no held-out set" in told.out
    assert told.err == ""
    assert (sets / "report" / "closest_pairs.csv").read_text().count("\n") == 51


def test_a_gate_that_tested_nothing_says_so(sets, capsys):
    assert audit(sets, "--fail-on", "memorizes", heldout=None) == 0
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "--fail-on unverified" in told
    assert audit(sets, "--fail-on", "memorizes", "--fail-on", "unverified", heldout=None) == 1
    assert audit(sets, "--fail-on", "unverified") == 0


def test_verify_repeats_the_audit_and_names_what_changed(sets, capsys):
    audit(sets)
    report = sets / "report" / "report.json"
    assert run(["verify", str(report)]) == 0
    changed = json.loads(report.read_text())
    changed["copies"]["memorized_lower_bound"] += 1
    report.write_text(json.dumps(changed))
    capsys.readouterr()
    assert run(["verify", str(report)]) == 1
    assert "copies.memorized_lower_bound" in capsys.readouterr().out
    np.save(sets / "heldout.npy", np.zeros((60, 4)))
    assert run(["verify", str(report)]) == 1
    assert "inputs.heldout.sha256" in capsys.readouterr().out


def test_further_metrics_are_asked_for_and_verified(sets):
    audit(sets)
    report = sets / "report" / "report.json"
    assert "precision" not in json.loads(report.read_text())["metrics"]
    audit(sets, "--metrics", "all")
    assert "precision" in json.loads(report.read_text())["metrics"]
    assert run(["verify", str(report)]) == 0


def test_an_approximate_audit_states_its_recall_and_is_verified(sets, capsys):
    assert audit(sets) == 0
    assert "approximation" not in json.loads((sets / "report" / "report.json").read_text())
    capsys.readouterr()
    assert audit(sets, "--approximate") == 0
    assert "approximate search: of the nearest rows it found" in capsys.readouterr().out
    report = sets / "report" / "report.json"
    assert json.loads(report.read_text())["approximation"]["forward"]["rows"] > 0
    assert "Approximate search" in (sets / "report" / "report.html").read_text()
    assert run(["verify", str(report)]) == 0
    capsys.readouterr()
    assert audit(sets, "--approximate", "--engine", "ray") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_verify_prints_json(sets, capsys):
    assert audit(sets) == 0
    report = sets / "report" / "report.json"
    capsys.readouterr()
    assert run(["verify", str(report), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    changed = json.loads(report.read_text())
    changed["reason"] = "another"
    report.write_text(json.dumps(changed))
    assert run(["verify", str(report), "--json"]) == 1
    assert "reason" in json.loads(capsys.readouterr().out)["differences"][0]


def test_the_version_and_the_module_run(capsys):
    assert run(["--version"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("byheart ")
    done = subprocess.run(
        [sys.executable, "-m", "byheart", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == told


def test_verify_takes_the_memory_of_a_large_audit(sets, capsys):
    assert audit(sets) == 0
    report = str(sets / "report" / "report.json")
    assert run(["verify", report, "--max-memory", "2GiB"]) == 0
    assert run(["verify", report, "--max-memory", "1MiB"]) == 2
    assert "max_memory" in capsys.readouterr().err


def test_verify_never_imports_what_a_report_names(sets, capsys):
    audit(sets)
    report = sets / "report" / "report.json"
    text = report.read_text().replace('"features": "raw"', '"features": "antigravity:fly"')
    report.write_text(text)
    assert run(["verify", str(report)]) == 2
    assert "--features antigravity:fly" in capsys.readouterr().err
    assert "antigravity" not in sys.modules


def write_folder(path: Path, sizes: list[tuple[int, int]]) -> None:
    path.mkdir()
    for i, size in enumerate(sizes):
        Image.new("L", size, i).save(path / f"{i}.png")


def spoil(folder: Path, name: str) -> tuple[dict[str, str], list[str]]:
    """Make the mistake `name`; return the roles and options of the call that meets it."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(60, 4))
    target = folder / "bad.npy"
    if name == "missing":
        target = folder / "missing.npy"
    elif name == "unreadable":
        target.write_bytes(b"\x93NUMPY but not really")
    elif name == "unknown kind":
        target = folder / "bad.mat"
        target.write_bytes(b"MATLAB")
    elif name == "object":
        np.save(target, np.array([{"a": 1}] * 60, dtype=object), allow_pickle=True)
    elif name == "nan":
        values[17, 2] = np.nan
        np.save(target, values)
    elif name == "infinite":
        values[3, 1] = np.inf
        np.save(target, values)
    elif name == "columns":
        np.save(target, values[:, :3])
    elif name == "empty":
        np.save(target, values[:0])
    elif name == "few rows":
        np.save(target, values[:4])
    elif name == "text cell":
        target = folder / "bad.csv"
        lines = ["a,b", *[f"{i}.5,{i * 7 % 5}" for i in range(60)]]
        lines[31] = "oops,3"
        target.write_text("\n".join(lines) + "\n")
        for other in ("heldout", "generated"):
            rows = [f"{i}.25,{i * 3 % 5}" for i in range(40 if other == "heldout" else 50)]
            (folder / f"{other}.csv").write_text("\n".join(["a,b", *rows]) + "\n")
        return {"train": "bad.csv", "heldout": "heldout.csv", "generated": "generated.csv"}, []
    elif name == "duplicate columns":
        target = folder / "bad.csv"
        target.write_text("a,a\n" + "1,2\n" * 60)
    elif name == "image sizes":
        target = folder / "images"
        write_folder(target, [(8, 8)] * 20 + [(9, 8)])
    elif name == "no images":
        target = folder / "images"
        target.mkdir()
    elif name == "same file":
        return {"generated": "train.npy"}, []
    elif name == "level":
        return {}, ["--level", "2"]
    elif name == "not a number":
        return {}, ["--permutations", "many"]
    elif name == "unknown option":
        return {}, ["--colour", "red"]
    elif name == "fail-on":
        return {}, ["--fail-on", "copy"]
    elif name == "features":
        return {}, ["--features", "no_such_module:f"]
    elif name == "groups":
        return {}, ["--groups", str(folder / "none.txt")]
    elif name == "memory":
        return {}, ["--max-memory", "plenty"]
    elif name == "out":
        return {}, ["--out", str(folder / "train.npy")]
    return {"generated": target.name}, []


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("missing", "missing.npy"),
        ("unreadable", "bad.npy"),
        ("unknown kind", "bad.mat"),
        ("object", "object"),
        ("nan", "row 17, column 2"),
        ("infinite", "row 3, column 1"),
        ("columns", "3"),
        ("empty", "empty"),
        ("few rows", "at least 10 rows"),
        ("text cell", "oops"),
        ("duplicate columns", "'a'"),
        ("image sizes", "--image-size"),
        ("no images", "images"),
        ("same file", "same"),
        ("level", "level"),
        ("not a number", "--permutations"),
        ("unknown option", "--colour"),
        ("fail-on", "is not one of"),
        ("features", "no_such_module"),
        ("groups", "no such file"),
        ("memory", "2GiB"),
        ("out", "--out"),
    ],
)
def test_every_mistake_is_one_line_and_status_2(sets, capsys, mistake, told):
    roles, options = spoil(sets, mistake)
    assert audit(sets, *options, **roles) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("byheart: ")
    assert streams.err.count("\n") == 1
    assert told in streams.err


def test_an_internal_error_is_one_line_and_status_3(sets, capsys, monkeypatch):
    def fail(*_args, **_options):
        raise ZeroDivisionError("secret\nof the trade")

    monkeypatch.setattr("byheart.audit", fail, raising=False)
    assert audit(sets) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["demo", "audit", "verify"])
def test_help_shows_an_example(command, capsys):
    assert run([command, "--help"]) == 0
    assert f"byheart {command}" in capsys.readouterr().out


def test_no_command_shows_the_help(capsys):
    assert run([]) == 0
    assert "audit" in capsys.readouterr().out


@pytest.mark.usefixtures("interruptible")
def test_interruption_is_status_130(sets):
    rng = np.random.default_rng(0)
    for name in ("train", "heldout", "generated"):
        np.save(sets / f"{name}.npy", rng.normal(size=(3000, 64)))
    code = "from byheart.cli import main; print('started', flush=True); main()"
    command = [sys.executable, "-c", code, "audit"]
    for role in ("train", "heldout", "generated"):
        command += [f"--{role}", str(sets / f"{role}.npy")]
    process = subprocess.Popen(
        [*command, "--permutations", "100000", "--out", str(sets / "report")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout.readline() == "started\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert told == "byheart: interrupted\n"
