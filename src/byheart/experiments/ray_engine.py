"""Trials as Ray tasks: on the cluster at RAY_ADDRESS when there is one, else on a local one.

What all trials share goes to the object store once; a task gets a reference to it. Arrays arrive
read-only. A cluster's workers need byheart installed, in the same version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, final

from byheart import _check
from byheart.cluster import cannot_run, cpus, joined
from byheart.experiments.engines import (
    ATTEMPTS,
    Engine,
    Records,
    Task,
    Trial,
    attempt,
    lost,
)
from byheart.experiments.record import Record
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
        running: dict[Any, tuple[Trial, int]] = {}
        with joined(self.workers) as ray:
            try:
                shared = ray.put(material)
                # Retries are counted here, the same way for every engine.
                remote = ray.remote(num_cpus=1, max_retries=0)(_run)
                limit = self.workers or cpus(ray)
                queue = deque((trial, 1) for trial in trials)
                while queue or running:
                    while queue and len(running) < limit:
                        trial, started = queue.popleft()
                        running[remote.remote(task, shared, trial, started)] = trial, started
                    (done,), _ = ray.wait(list(running), num_returns=1)
                    trial, started = running.pop(done)
                    try:
                        record: Record = ray.get(done)
                    except ray.exceptions.RayTaskError as error:  # `attempt` lets nothing through
                        raise cannot_run("trials", error.cause) from None
                    except ray.exceptions.RayError as error:
                        if started < ATTEMPTS:
                            queue.appendleft((trial, started + 1))
                            continue
                        record = lost(trial, started, type(error).__name__)
                    yield record
            finally:
                for reference in running:
                    ray.cancel(reference, force=True)


def _run(task: Task, material: Any, trial: Trial, started: int) -> Record:
    with one_thread():
        return attempt(task, material, trial, started)
