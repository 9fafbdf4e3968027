"""What the experiments' tests share."""

import sys

import pytest

from byheart.lab.reproduction.reproduction import Laboratory
from byheart.lab.sweeps.engines import Engine, SerialEngine

NEURAL = ("neural", "neural_classifier", "training")


class NoTorch:
    """Finds everything but torch."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)


class IdleEngine(Engine):
    """An engine that runs no trial; a trial that is asked for fails the test."""

    def run(self, task, material, trials):
        for trial in trials:
            pytest.fail(f"{trial} was to be run")
        yield from ()


@pytest.fixture
def laboratory(tmp_path):
    """A folder of its own, and trials in this process."""
    return Laboratory(tmp_path, SerialEngine())


@pytest.fixture
def idle(tmp_path):
    """The same folder, where no trial may run."""
    return Laboratory(tmp_path, IdleEngine())


@pytest.fixture
def no_torch(monkeypatch):
    """As if torch were not installed. (None in its place is more than SciPy can bear.)"""
    for module in ("torch", *(f"byheart.lab.diffusion.{name}" for name in NEURAL)):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoTorch, *sys.meta_path])
