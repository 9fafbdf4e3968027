"""Joining a Ray cluster: the one at RAY_ADDRESS when there is one, else a local one.

A cluster's workers need byheart installed, in the same version.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from byheart.errors import MissingExtraError, UsageError
from byheart.threads import ENVIRONMENT, cores


def ray_module() -> Any:
    """Return the ray module, or raise MissingExtraError."""
    # read by Ray at import; a local cluster is reached from this machine alone
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise MissingExtraError('engine "ray" needs ray: pip install "byheart[ray]"') from None
    return ray


@contextmanager
def joined(workers: int | None = None) -> Iterator[Any]:
    """Give the ray module, connected; a connection that was not there before ends with the block.

    workers: cores of a local cluster, by default those of the machine. Raises MissingExtraError
    without ray, and UsageError when RAY_ADDRESS cannot be joined.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield ray
        return
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
    try:
        yield ray
    finally:
        ray.shutdown()


def cpus(ray: Any) -> int:
    """Return how many cores the cluster has, at least 1."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def cannot_run(what: str, cause: BaseException) -> UsageError:
    """Return the error for a task that raised: byheart's tasks do not, where they can be loaded."""
    return UsageError(
        f"a Ray worker cannot run {what} ({type(cause).__name__}: "
        f"{' '.join(str(cause).split())[:200]}); install the same byheart on every node"
    )
