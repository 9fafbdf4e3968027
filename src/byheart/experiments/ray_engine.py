"""Trials as Ray tasks: on the cluster at RAY_ADDRESS when there is one, else on a local one.

What all trials share goes to the object store once; a task gets a reference to it. Arrays arrive
read-only. A cluster's workers need byheart installed, in the same version.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable
from typing import Any, final

from byheart import _check
from byheart.errors import MissingExtraError, UsageError
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
from byheart.experiments.threads import ENVIRONMENT, cores, one_thread


@final
class RayEngine(Engine):
    """Trials on a Ray cluster; `workers` at a time, by default as many as the cluster has cores.

    Raises MissingExtraError without ray, and UsageError when RAY_ADDRESS cannot be joined.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = None if workers is None else _check.integer(workers, "workers", 1)

    def run(self, task: Task, material: Any, trials: Iterable[Trial]) -> Records:
        """Yield records as they finish; tasks still running end with the iterator."""
        ray, ours = _join(self.workers)
        running: dict[Any, tuple[Trial, int]] = {}
        try:
            shared = ray.put(material)
            # Retries are counted here, the same way for every engine.
            remote = ray.remote(num_cpus=1, max_retries=0)(_run)
            limit = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
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
                    raise UsageError(
                        f"a Ray worker cannot run trials ({type(error.cause).__name__}: "
                        f"{error.cause}); install the same byheart on every node"
                    ) from None
                except ray.exceptions.RayError as error:
                    if started < ATTEMPTS:
                        queue.appendleft((trial, started + 1))
                        continue
                    record = lost(trial, started, type(error).__name__)
                yield record
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            if ours:
                ray.shutdown()


def _run(task: Task, material: Any, trial: Trial, started: int) -> Record:
    with one_thread():
        return attempt(task, material, trial, started)


def _join(workers: int | None) -> tuple[Any, bool]:
    """Return the ray module, connected, and whether the connection is ours to close."""
    # read by Ray at import; a local cluster is reached from this machine alone
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise MissingExtraError('engine "ray" needs ray: pip install "byheart[ray]"') from None
    if ray.is_initialized():
        return ray, False
    address = os.environ.get("RAY_ADDRESS")
    environment = {"env_vars": ENVIRONMENT}
    if address:
        try:
            ray.init(address=address, runtime_env=environment, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"RAY_ADDRESS={address}: cannot be joined ({' '.join(str(error).split())[:200]}); "
                "unset it to start a local cluster"
            ) from None
    else:
        ray.init(
            address="local",
            num_cpus=workers or cores(),
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    return ray, True
