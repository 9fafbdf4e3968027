"""Doctests of the modules that need an extra run only where that extra is installed.

And a Ray cluster on this machine for the tests that need one.
"""

import os
from importlib.util import find_spec

import pytest

collect_ignore = []
if find_spec("torch") is None or find_spec("diffusers") is None:
    collect_ignore += [
        "src/byheart/lab/diffusion/neural.py",
        "src/byheart/lab/diffusion/training.py",
    ]
if find_spec("lightning") is None and find_spec("pytorch_lightning") is None:
    collect_ignore += ["src/byheart/integrations/lightning.py"]


@pytest.fixture(scope="module")
def local_cluster():
    """A connected local cluster of two cores, one for all tests of a module."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray = pytest.importorskip("ray")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        logging_level=40,
    )
    yield ray
    ray.shutdown()
