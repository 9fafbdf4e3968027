"""What the whole suite shares: one thread a worker, Ctrl-C, a Ray cluster, what is collected.

Tests of whole folders run in one process a core (pytest-xdist, see addopts in pyproject.toml).
"""

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from byheart.threads import ENVIRONMENT

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy is loaded, which reads it then
    os.environ.update(ENVIRONMENT)

# Doctests of the modules that need an extra run only where that extra is installed.
collect_ignore = []
if find_spec("torch") is None or find_spec("diffusers") is None:
    collect_ignore += [
        "src/byheart/lab/diffusion/neural.py",
        "src/byheart/lab/diffusion/training.py",
    ]
if find_spec("lightning") is None and find_spec("pytorch_lightning") is None:
    collect_ignore += ["src/byheart/integrations/lightning.py"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Run single files in this process: starting workers takes longer than most files."""
    alone = all(Path(name.partition("::")[0]).is_file() for name in config.args)
    return 0 if alone else None  # None: one a core


@pytest.fixture
def interruptible():
    """Let this process and the children it starts be interrupted.

    A shell starts a background job with SIGINT ignored, and every child inherits that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def local_cluster(tmp_path_factory):
    """A connected local cluster of two cores, one for all tests of a module.

    One at a time, however many processes run the tests: two would starve each other.
    """
    import fcntl

    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray = pytest.importorskip("ray")
    shared = tmp_path_factory.getbasetemp().parent  # by the workers of a run
    with (shared / "ray.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            log_to_driver=False,
            logging_level=40,
        )
        yield ray
        ray.shutdown()
