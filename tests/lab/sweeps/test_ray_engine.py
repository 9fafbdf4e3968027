"""Trials on a local Ray cluster: the records of one process, whatever happens to a worker."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from test_engines import TRIALS, by_trial, dying, failing, product

from byheart.errors import UsageError
from byheart.lab.sweeps.engines import SerialEngine
from byheart.lab.sweeps.ray_engine import RayEngine
from byheart.lab.sweeps.record import Outcome

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster(local_cluster):
    """One cluster for all tests of the module: the engine joins what it finds connected."""
    for module in ("test_engines", __name__):  # the workers cannot import the tests
        ray.cloudpickle.register_pickle_by_value(sys.modules[module])


def sharing(material, trial):
    """Says whether the shared array is the one in the object store: read-only, not a copy."""
    return Outcome(not material.flags.writeable, 0.0, float(material[trial.n]))


def test_ray_gives_the_records_of_one_process():
    serial = by_trial(SerialEngine().run(product, 1.0, TRIALS))
    assert by_trial(RayEngine().run(product, 1.0, TRIALS)) == serial


def test_an_exception_is_a_record():
    serial = by_trial(SerialEngine().run(failing, None, TRIALS))
    assert by_trial(RayEngine(2).run(failing, None, TRIALS)) == serial


def test_a_killed_worker_does_not_end_the_sweep(tmp_path):
    records = by_trial(RayEngine(2).run(dying, str(tmp_path), TRIALS))
    assert [(r.n, r.attempts) for r in records] == [(4, 1)] * 3 + [(8, 2)] * 3 + [(16, 2)] * 3
    assert all(r.outcome and r.outcome.distance == r.n for r in records if r.n < 16)
    assert all("the worker died 2 times" in r.error for r in records if r.n == 16)


def test_arrays_are_shipped_once():
    material = np.arange(200_000.0)
    records = list(RayEngine(2).run(sharing, material, TRIALS))
    assert all(r.outcome.positive and r.outcome.distance == r.n for r in records)


def test_closing_cancels_what_runs():
    run = RayEngine(2).run(
        lambda m, t: time.sleep(60 if t.n == 8 else 0.01) or failing(m, t), 0, TRIALS
    )
    next(run)
    start = time.monotonic()
    run.close()
    assert time.monotonic() - start < 30


def test_an_address_that_nobody_answers_is_an_error_at_once(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    start = time.monotonic()
    with pytest.raises(UsageError, match=r"RAY_ADDRESS=127\.0\.0\.1:1: nobody answers there"):
        next(RayEngine().run(product, 1.0, TRIALS))
    assert time.monotonic() - start < 30  # Ray itself tries for minutes


def test_a_cluster_that_refuses_is_an_error(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "auto")

    def refuse(**arguments):
        assert arguments["address"] == "auto"
        raise ConnectionError("nobody\nthere")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(UsageError, match="RAY_ADDRESS=auto: cannot be joined"):
        next(RayEngine().run(product, 1.0, TRIALS))
