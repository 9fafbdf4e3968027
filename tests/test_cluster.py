"""Joining a cluster: what is said when that is not possible."""

import sys

import pytest

import byheart
from byheart.cluster import cannot_run, joined
from byheart.errors import MissingExtraError, UsageError


def test_without_ray_the_extra_is_named_before_anything_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    for call in (
        lambda: byheart.audit("no.npy", "no.npy", "no.npy", engine="ray"),
        lambda: joined().__enter__(),
    ):
        with pytest.raises(MissingExtraError, match=r'pip install "byheart\[ray\]"'):
            call()


def test_a_task_that_cannot_be_loaded_is_one_line():
    error = cannot_run("shards", ImportError("no\nbyheart"))
    assert isinstance(error, UsageError)
    assert str(error).startswith("a Ray worker cannot run shards (ImportError: no byheart);")
