"""The engines: the same records from each, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.engines import ProcessEngine, SerialEngine, Trial
from byheart.lab.sweeps.record import Outcome
from byheart.threads import one_thread

TRIALS = [Trial(n, repeat) for repeat in range(3) for n in (4, 8, 16)]


def product(material, trial):
    """A matrix product, whose last bits depend on the number of threads."""
    rng = np.random.default_rng((trial.n, trial.repeat))
    a = rng.normal(size=(300, 300)) + material
    return Outcome(True, float(np.linalg.slogdet(a @ a.T)[1]), float(np.sum(a @ a)))


def failing(material, trial):
    if trial.n == 8:
        raise InputError("no good")
    if trial.n == 16:
        raise ZeroDivisionError("by\nzero")
    return Outcome(True, 0.0, 1.0)


def dying(material, trial):
    """Kills its own worker at n = 8 once, at n = 16 always."""
    mark = Path(material) / f"{trial.n}-{trial.repeat}"
    if trial.n == 16 or (trial.n == 8 and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(True, 0.0, float(trial.n))


def sleeping(material, trial):
    Path(material, f"{os.getpid()}").touch()
    time.sleep(60)
    return Outcome(True, 0.0, 1.0)


def by_trial(records):
    return sorted(records, key=lambda record: (record.n, record.repeat))


def test_processes_give_the_records_of_one_process():
    serial = list(SerialEngine().run(product, 1.0, TRIALS))
    assert [(r.n, r.repeat) for r in serial] == [(t.n, t.repeat) for t in TRIALS]
    assert by_trial(ProcessEngine(2).run(product, 1.0, TRIALS)) == by_trial(serial)


@pytest.mark.parametrize("engine", [SerialEngine(), ProcessEngine(2)])
def test_an_exception_is_a_record(engine):
    records = by_trial(engine.run(failing, None, TRIALS))
    assert len(records) == len(TRIALS)
    assert {r.n: r.error for r in records} == {
        4: None,
        8: "no good",
        16: "ZeroDivisionError: by zero",
    }


def test_a_killed_worker_costs_a_retry_then_a_record(tmp_path):
    records = by_trial(ProcessEngine(2).run(dying, str(tmp_path), TRIALS))
    assert [(r.n, r.attempts) for r in records] == [(4, 1)] * 3 + [(8, 2)] * 3 + [(16, 2)] * 3
    assert all(r.outcome and r.outcome.distance == r.n for r in records if r.n < 16)
    assert {r.error for r in records if r.n == 16} == {
        "the worker died 2 times in this trial (SIGKILL)"
    }


@pytest.mark.usefixtures("interruptible")
def test_closing_the_iterator_ends_the_workers(tmp_path):
    from threading import Timer

    run = ProcessEngine(2).run(sleeping, str(tmp_path), TRIALS)

    def interrupt():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    Timer(0.1, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        next(run)
    gone(int(path.name) for path in tmp_path.iterdir())


def test_a_killed_driver_takes_its_workers_along(tmp_path):
    code = (
        "from byheart.lab.sweeps.engines import *; from test_engines import *\n"
        "if __name__ == '__main__':\n"
        f"    list(ProcessEngine(2).run(sleeping, {str(tmp_path)!r}, TRIALS))\n"
    )
    script = tmp_path.parent / "driver.py"
    script.write_text(code)
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    driver = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    gone(int(path.name) for path in tmp_path.iterdir())


def gone(pids):
    """Wait until none of the processes is there; zombies count as gone."""
    deadline = time.monotonic() + 30
    for pid in pids:
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                break
            if state == "Z":
                break
            assert time.monotonic() < deadline, f"process {pid} is still there"
            time.sleep(0.05)


def test_one_thread_limits_and_restores():
    from threadpoolctl import threadpool_info, threadpool_limits

    def counts():
        return [pool["num_threads"] for pool in threadpool_info()]

    with threadpool_limits(2):  # a worker of the test run has one
        before = counts()
        with one_thread():
            assert set(counts()) == {1}
        assert counts() == before


def test_workers_must_be_a_number():
    with pytest.raises(UsageError, match="workers must be at least 1"):
        ProcessEngine(0)
