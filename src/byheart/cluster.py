"""Joining a Ray cluster: the one at RAY_ADDRESS when there is one, else a local one.

A cluster's workers need byheart installed, in the same version.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

from byheart.errors import MissingExtraError, UsageError
from byheart.threads import ENVIRONMENT, cores

T = TypeVar("T")


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


class Done(NamedTuple, Generic[T]):
    """A finished task: its item, the attempts it took, and its answer or why there is none."""

    item: T
    attempts: int
    answer: Any
    died: Exception | None


def finished(
    ray: Any,
    submit: Callable[[T, int], Any],
    items: Iterable[T],
    *,
    at_once: int,
    attempts: int,
    what: str,
) -> Generator[Done[T], None, None]:
    """Yield a task for each item as it finishes; closing the generator cancels what runs.

    submit: starts the task of an item for the n-th time and returns its reference; give it
    max_retries=0, for retries are counted here: a task that kills every worker must not run for
    ever. One whose worker dies is started again, up to `attempts` times. Raises UsageError, which
    says `what` a worker cannot run, when a task raises.
    """
    waiting = deque((item, 1) for item in items)
    running: dict[Any, tuple[T, int]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                item, attempt = waiting.popleft()
                running[submit(item, attempt)] = item, attempt
            (reference,), _ = ray.wait(list(running), num_returns=1)
            item, attempt = running.pop(reference)
            try:
                answers = [ray.get(reference)]
            except ray.exceptions.RayTaskError as error:
                raise cannot_run(what, error.cause) from None
            except ray.exceptions.RayError as error:
                if attempt < attempts:
                    waiting.appendleft((item, attempt + 1))
                else:
                    yield Done(item, attempt, None, error)
                continue
            del reference
            yield Done(item, attempt, answers.pop(), None)  # nothing here holds it any longer
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


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
