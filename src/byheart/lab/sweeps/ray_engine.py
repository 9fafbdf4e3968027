"""Trials as Ray tasks: on the cluster at RAY_ADDRESS when there is one, else on a local one.

What all trials share goes to the object store once; a task gets a reference to it. Arrays arrive
read-only. A cluster's workers need byheart installed, in the same version.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any, final

from byheart import _check
from byheart.cluster import cpus, finished, joined
from byheart.lab.sweeps.engines import (
    ATTEMPTS,
    Engine,
    Records,
    Task,
    Trial,
    attempt,
    lost,
)
from byheart.lab.sweeps.record import Record
from byheart.threads import one_thread


@final
class RayEngine(Engine):
    """Trials on a Ray cluster; `workers` at a time, by default as many as the cluster has cores.

    Raises MissingExtraError without ray, and UsageError when RAY_ADDRESS cannot be joined.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = None if workers is None else _check.integer(workers, "workers", 1)

    def run(self, task: Task, material: Any, trials: Iterable[Trial]) -> Records:
        """Yield records as they finish; tasks still running end with the iterator."""
        with joined(self.workers) as ray:
            shared = ray.put(material)
            remote = ray.remote(num_cpus=1, max_retries=0)(_run)
            done = finished(
                ray,
                lambda trial, started: remote.remote(task, shared, trial, started),
                trials,
                at_once=self.workers or cpus(ray),
                attempts=ATTEMPTS,
                what="trials",
            )
            with closing(done):
                for trial, started, record, died in done:
                    yield record if died is None else lost(trial, started, type(died).__name__)


def _run(task: Task, material: Any, trial: Trial, started: int) -> Record:
    with one_thread():
        return attempt(task, material, trial, started)
