"""Joining a Ray cluster: the one at RAY_ADDRESS when there is one, else a local one.

A cluster's workers need byheart installed, in the same version.
"""

from __future__ import annotations

import logging
import os
import socket
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
        _require_listener(address)
        try:
            ray.init(
                address=address,
                runtime_env=environment,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
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


def _require_listener(address: str) -> None:
    """Raise UsageError at once when nobody listens at HOST:PORT; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():  # "auto" and the like: Ray knows
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise UsageError(
            f"RAY_ADDRESS={address}: nobody answers there ({error.strerror or error}); "
            "unset it to start a local cluster"
        ) from None
