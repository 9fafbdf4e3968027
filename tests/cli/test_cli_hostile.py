"""What means harm, or what a machine refuses, ends in one line and commands no terminal."""

import dataclasses
import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from byheart.cli import run
from byheart.cli.status import exit_status
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.store import Store
from byheart.report.document import read_json
from byheart.report.screen import echo
from byheart.report.terminal import render

ESCAPES = "\x1b]0;title\x07\x1b[2K\rgeneralizes\u202e\x9b31m\n"
COMMANDS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PLAN = """
[data]
kind = "gaussian"
dimension = 4
[model]
kind = "linear"
[sweep]
n = [8, 16]
repeats = 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three sets, one of a name that commands a terminal; their report r/; a sweep."""
    folder = tmp_path_factory.mktemp("made")
    before = Path.cwd()
    os.chdir(folder)
    try:
        rng = np.random.default_rng(0)
        for name in (f"{ESCAPES}.npy", "h.npy", "g.npy"):
            np.save(name, rng.normal(size=(60, 3)))
        roles = ("--train", f"{ESCAPES}.npy", "--heldout", "h.npy", "--generated", "g.npy")
        assert run(["audit", *roles, "--permutations", "99", "--out", "r"]) == 0
        Path("p.toml").write_text(PLAN)
        assert sweep() == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A copy of `made` as the current directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(*extra):
    return run(["sweep", "p.toml", "--store", "s.sqlite", "--workers", "1", *extra])


def one_line(capsys):
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("byheart: ")
    assert "internal error" not in told
    return told


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options
    )


# Escape sequences


def test_no_text_from_outside_commands_the_terminal(place, capsys):
    report = json.loads(Path("r/report.json").read_text("utf-8"))
    report |= {"reason": ESCAPES, "warnings": [ESCAPES], "created": ESCAPES}
    folder = place / ESCAPES
    folder.mkdir()
    for file in (folder / "r.json", place / "r.json"):
        file.write_text(json.dumps(report), "utf-8")
    for arguments, status in [
        (["card", "r.json"], 0),
        (["compare", "r.json", f"{ESCAPES}/r.json"], 0),
        (["compare", "r.json", f"{ESCAPES}/r.json", "--json"], 0),
        (["verify", f"{ESCAPES}/r.json"], 1),
        (["verify", f"{ESCAPES}/{ESCAPES}"], 2),
        (["audit", f"--{ESCAPES}"], 2),
    ]:
        assert run(arguments) == status
    told = capsys.readouterr()
    assert not COMMANDS.search(told.out + told.err)
    assert "\ngeneralizes" not in told.out + told.err


def test_an_audit_and_its_json_on_the_screen(place, capsys):
    report = read_json("r/report.json")
    render(dataclasses.replace(report, reason=ESCAPES, warnings=(ESCAPES,)), place / ESCAPES)
    told = capsys.readouterr().out
    assert "inconclusive" in told
    assert not COMMANDS.search(told)
    text = json.dumps({ESCAPES: ESCAPES}, ensure_ascii=False, indent=2)
    echo(text)
    told = capsys.readouterr().out
    assert not COMMANDS.search(told)
    assert json.loads(told) == {ESCAPES: ESCAPES}  # it means what it meant


# What the machine refuses


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x"), "x: No space left on device"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "Read-only file system"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "Permission denied"),
        (MemoryError(), "not enough memory; lower --max-memory"),
        (RuntimeError("can't start new thread"), "starts no more threads"),
    ],
)
def test_what_a_machine_refuses_is_status_2(capsys, error, words):
    def refuse():
        raise error

    assert exit_status(refuse) == 2
    assert words in one_line(capsys)


def test_a_full_disk_behind_stdout_is_one_line():
    code = "from byheart.cli import main; import sys; sys.argv[1:] = %r; main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code % ["theory", "-d", "10", "-n", "100"]],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in done.stderr


def test_an_encoding_without_our_signs_ends_nothing():
    code = "from byheart.cli import main; import sys; sys.argv[1:] = %r; main()"
    done = python(
        code % ["theory", "-d", "10", "-n", "100"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u2192" in done.stdout


def test_warnings_of_libraries_stay_off_the_command_line(capsys):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert exit_status(lambda: warnings.warn("numpy says", stacklevel=1)) == 0
    assert capsys.readouterr().err == ""


def test_a_limit_that_the_renderer_cannot_work_in_is_told_before_the_audit(place):
    code = """
import resource, sys
from byheart.cli import run
resource.setrlimit(resource.RLIMIT_AS, (5 * 2**30, 5 * 2**30))
sys.exit(run(["audit", "--train", "h.npy", "--generated", "g.npy", "--out", "new"]))
"""
    done = python(code)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "ulimit -v" in done.stderr
    assert not (place / "new").exists()


# Reports and plans


@pytest.mark.parametrize(
    ("name", "value"),
    [("ignore", 5), ("ignore", [["x"]]), ("groups", 5), ("features", 5), ("metrics", [])],
)
@pytest.mark.parametrize("command", ["card", "verify"])
def test_parameters_that_no_audit_takes(place, capsys, name, value, command):
    file = place / "r" / "report.json"
    report = json.loads(file.read_text("utf-8"))
    report["parameters"][name] = value
    file.write_text(json.dumps(report), "utf-8")
    assert run([command, "r/report.json"]) == 2
    assert f"parameters: Value error, {name}" in one_line(capsys)


def test_a_curve_that_lacks_an_interval(place, capsys):
    file = place / "r" / "report.json"
    report = json.loads(file.read_text("utf-8"))
    report["delta"]["kl"]["intervals"] = []
    file.write_text(json.dumps(report), "utf-8")
    assert run(["card", "r/report.json"]) == 2
    assert "as many intervals" in one_line(capsys)


@pytest.mark.parametrize("opening", ["a = ", "a" + ".a" * 100_000 + " = 1 #"])
def test_documents_nested_deep(tmp_path, monkeypatch, capsys, opening):
    monkeypatch.chdir(tmp_path)
    deep = "[" * 100_000 + "]" * 100_000
    (tmp_path / "p.toml").write_text(opening + deep)
    (tmp_path / "r.json").write_text(deep)
    assert sweep() == 2
    one_line(capsys)
    assert run(["card", "r.json"]) == 2
    one_line(capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["card", "pipe"],
        ["verify", "pipe"],
        ["compare", "pipe", "pipe2"],
        ["sweep", "pipe", "--store", "s.sqlite"],
        ["sweep", "p.toml", "--store", "pipe"],
        ["transition", "pipe"],
        ["card", "/dev/zero"],
        ["card", "."],
        ["card", "x" * 300],
        ["transition", "x" * 300],
        ["sweep", "x" * 300, "--store", "s.sqlite"],
        ["sweep", "p.toml", "--store", "x" * 300],
    ],
    ids=" ".join,
)
def test_pipes_devices_folders_and_long_names(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "p.toml").write_text(PLAN)
    assert run(arguments) == 2
    one_line(capsys)


# Stores


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE records",
        "DROP TABLE plan",
        "UPDATE plan SET stated = 'xx'",
        "UPDATE plan SET stated = x'ff00'",
        "UPDATE plan SET stated = '[1]'",
        f"UPDATE plan SET stated = '{'[' * 50_000}'",
        "UPDATE records SET figures = 'xx'",
        "UPDATE records SET figures = '[1]'",
        "UPDATE records SET figures = NULL",
        """UPDATE records SET figures = '{"a": {"b": 1}}'""",
        "UPDATE records SET distance = 'abc'",
        "UPDATE records SET distance = NULL",
        "UPDATE records SET delta_log_size = x'ffff'",
        "UPDATE records SET attempts = 'x'",
        "DROP TABLE records; CREATE VIEW records AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL "
        "SELECT n + 1 FROM t) SELECT n, 1 repeat, 1 attempts, 1 positive, 1.0 delta_log_size, "
        "1.0 distance, '{}' figures, NULL error FROM t",
        "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END",
    ],
    ids=lambda text: text[:60],
)
def test_a_damaged_store_is_one_line(place, capsys, damage):
    with sqlite3.connect("s.sqlite") as connection:
        connection.executescript(damage)
    connection.close()
    capsys.readouterr()
    assert run(["transition", "s.sqlite"]) == 2
    one_line(capsys)
    assert sweep() == 2
    one_line(capsys)


def test_a_second_driver_is_refused_until_the_first_ends(place, capsys):
    capsys.readouterr()
    with Store.open("s.sqlite", Plan.load("p.toml"), ""):
        code = "from byheart.cli import run; import sys; sys.exit(run(%r))"
        done = python(code % ["sweep", "p.toml", "--store", "s.sqlite", "--workers", "1"])
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "another sweep is writing to it" in done.stderr
        with Store.read("s.sqlite") as kept:  # reading is no harm
            assert len(kept.records()) == 4
    assert sweep() == 0


def test_a_disk_that_fills_up_in_mid_sweep_loses_nothing(tmp_path, monkeypatch, capsys):
    import byheart.lab.sweeps.store as module

    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text(PLAN)
    connect = module.sqlite3.connect

    def small(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 3")  # SQLite's own full disk
        return connection

    (tmp_path / "p.toml").write_text(PLAN.replace("repeats = 2", "repeats = 40"))
    monkeypatch.setattr(module.sqlite3, "connect", small)
    assert sweep() == 2
    assert "database or disk is full" in one_line(capsys)
    monkeypatch.setattr(module.sqlite3, "connect", connect)
    assert sweep() == 0


def test_exported_cells_are_no_formulas(place, capsys):
    connection = sqlite3.connect("s.sqlite")
    connection.execute("UPDATE records SET error = '=cmd()', positive = NULL WHERE repeat = 0")
    connection.execute("""UPDATE records SET figures = '{"-a": "@b", "c": -1.5}' WHERE repeat""")
    connection.commit()
    connection.close()
    with Store.read("s.sqlite") as kept:
        kept.export("r.csv")
    cells = [c.strip('"') for c in re.split("[,\n]", (place / "r.csv").read_text())]
    assert {"'=cmd()", "'-a", "'@b", "-1.5"} <= {*cells}
    assert not [c for c in cells if re.match(r"[=+@\t]|-[^0-9]", c)]


def test_records_are_written_whole_or_not_at_all(place, capsys, monkeypatch):
    import pyarrow.csv

    def fail(table, stream):
        stream.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pyarrow.csv, "write_csv", fail)
    capsys.readouterr()
    assert run(["transition", "s.sqlite", "--records", "r.csv"]) == 2
    one_line(capsys)
    assert not [p for p in place.iterdir() if p.name.endswith((".csv", ".part"))]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="needs another user")
def test_a_store_on_a_file_system_that_cannot_be_written(place):
    """Nobody may read the store and write nothing, as on a read-only disk."""
    for path in [place, *place.parents]:
        if path.stat().st_mode & 0o777 == 0o700:  # as pytest makes its folders
            path.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            with Store.read("s.sqlite") as kept:
                status = 0 if len(kept.records()) == 4 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Options


@pytest.mark.parametrize(
    "arguments",
    [
        ["theory", "-d", "99999999999999999999", "-n", "100"],
        ["theory", "-d", "10", "-n", "9" * 400],
        ["theory", "-d", "10", "-n", "10:99999999999999:99999999999"],
    ],
)
def test_numbers_that_no_model_has(capsys, arguments):
    assert run(arguments) == 2
    assert len(one_line(capsys)) < 300
