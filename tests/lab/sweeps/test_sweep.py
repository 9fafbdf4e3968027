"""Sweeps: the same records from every engine, and nothing lost or repeated when they are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.engines import ProcessEngine
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.store import Store
from byheart.lab.sweeps.sweep import engine_named, sweep
from byheart.progress import Progress

LINEAR = """
[data]
kind = "gaussian"
dimension = 36
[model]
kind = "linear"
[sweep]
n = [18, 36, 45, 54, 72, 108, 144, 216, 360]
repeats = 30
"""
# P(Delta > 0) in 100 training sets, T = 2, lambda = 1: docs/explanation/solvable-model.md
SHARES = (0, 0, 0, 0.20, 0.70, 0.92, 0.96, 0.99, 0.99)


@pytest.mark.slow
def test_the_linear_model_gives_the_table_on_processes_too(tmp_path):
    (tmp_path / "p.toml").write_text(LINEAR)
    plan = Plan.load(tmp_path / "p.toml")
    calls = []
    records = sweep(
        plan,
        tmp_path / "s.sqlite",
        engine=ProcessEngine(2),
        progress=lambda state: calls.append((state.done, state.total)),
    )
    serial = sweep(plan, tmp_path / "t.sqlite")
    assert records == serial
    assert calls == [(done, 270) for done in range(271)]
    for n, share in zip(plan.sweep.n, SHARES, strict=True):
        found = np.mean([r.outcome.positive for r in records if r.n == n])
        # 4 standard errors of 30 and 100 runs together, at least of one run in 30
        spread = max(share * (1 - share), 0.03) * (1 / 30 + 1 / 100)
        assert abs(found - share) < 4 * np.sqrt(spread)


def test_a_finished_sweep_runs_nothing(tmp_path):
    plan = Plan.parse(
        {
            "data": {"kind": "gaussian", "dimension": 4},
            "model": {"kind": "linear"},
            "sweep": {"n": [4, 8], "repeats": 2},
        }
    )
    first = sweep(plan, tmp_path / "s.sqlite")
    seen = []
    again = sweep(plan, tmp_path / "s.sqlite", progress=seen.append)
    assert again == first
    assert seen == [Progress("trials", 4, 4)]
    assert type(engine_named("local", 1)).__name__ == "SerialEngine"
    with pytest.raises(UsageError, match="choose from local, ray"):
        engine_named("dask")


COMMAND = """
[data]
kind = "gaussian"
dimension = 2
[model]
kind = "command"
command = "{python} model.py {train} {generated} {count} {seed} {n}"
[sweep]
n = [10, 11]
repeats = 12
samples = 10
[distance]
definition = "paper"
fresh = 100
"""
# Says in the log when a trial's model is done: a trial with two lines was run twice.
MODEL = """
import os, sys, time, numpy as np
time.sleep(.05)
train, generated, count, seed, n = sys.argv[1:]
np.save(generated, np.random.default_rng(int(seed)).normal(size=(int(count), 2)))
path = os.path.join(os.path.dirname(sys.argv[0]), "log")
log = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
os.write(log, f"{os.path.basename(os.getcwd())}\\n".encode())
"""


@pytest.mark.slow
def test_ten_kills_lose_no_trial_and_repeat_none(tmp_path):
    (tmp_path / "p.toml").write_text(COMMAND)
    (tmp_path / "model.py").write_text(MODEL)
    store, log = tmp_path / "s.sqlite", tmp_path / "log"
    call = "from byheart.cli import main; main()"
    arguments = ["sweep", str(tmp_path / "p.toml"), "--store", str(store), "--workers", "1"]
    rng = random.Random(0)
    known: set[tuple[int, int, None]] = set()
    for kill in range(11):
        ran_before = Counter(log.read_text().split()) if log.exists() else Counter()
        process = subprocess.Popen(
            [sys.executable, "-c", call, *arguments], stdout=subprocess.DEVNULL
        )
        if kill < 10:
            # the start takes about a second: wait until a trial has run, then a random moment
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if log.exists() and log.read_text().count("\n") > sum(ran_before.values()):
                    break
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.2))
            process.kill()
            process.wait()
        else:
            assert process.wait(120) == 0
        with Store.read(store) as kept:
            finished = kept.finished()
        assert known <= finished, "a finished trial was lost"
        ran = Counter(log.read_text().split())
        for n, repeat, _ in known:
            name = f"n{n}-repeat{repeat}"
            assert ran[name] == ran_before[name], f"{name} was finished and has run again"
        known = finished
    assert len(known) == 24
    with Store.read(store) as kept:
        resumed = kept.records()
    assert all(record.outcome for record in resumed)
    assert resumed == sweep(Plan.load(tmp_path / "p.toml"), tmp_path / "whole.sqlite")


@pytest.mark.usefixtures("interruptible")
@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(tmp_path):
    (tmp_path / "p.toml").write_text(LINEAR)
    call = "from byheart.cli import main; main()"
    command = [sys.executable, "-c", call, "sweep", str(tmp_path / "p.toml"), "--store"]
    store = tmp_path / "s.sqlite"
    process = subprocess.Popen(
        [*command, str(store)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if store.exists():
            with suppress(InputError), Store.read(store) as kept:  # it may be in the making
                if kept.records():
                    break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "byheart: interrupted\n"
    with Store.read(store) as kept:
        before = kept.records()
    assert 0 < len(before) < 270
    done = subprocess.run([*command, str(store)], capture_output=True, text=True, check=True)
    assert "next: byheart transition" in done.stdout
    with Store.read(store) as kept:
        after = kept.records()
    assert len(after) == 270
    assert all(record in after for record in before)
