"""The data of a plan: disjoint splits, and too little data said before anything runs."""

from __future__ import annotations

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.material import data_fingerprint, prepare
from byheart.lab.sweeps.plan import Plan


def plan(data, n=20, fresh=30, folder=".", **model):
    return Plan.parse(
        {
            "data": data,
            "model": model or {"kind": "empirical"},
            "sweep": {"n": [n], "repeats": 1},
            "distance": {"fresh": fresh},
        },
        folder=folder,
    )


def rows(x):
    return {tuple(row) for row in x.reshape(len(x), -1).tolist()}


@pytest.mark.parametrize("kind", ["digits", "gaussian", "file"])
def test_train_and_heldout_share_nothing(tmp_path, kind):
    data = {"kind": kind}
    if kind == "gaussian":
        data |= {"dimension": 3, "mean": 5.0, "std": 2.0}
    if kind == "file":
        np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(50, 4)))
        data |= {"path": "x.npy"}
    material = prepare(plan(data, folder=tmp_path))
    train, heldout = material.split(20, np.random.default_rng(1))
    assert (len(train), len(heldout)) == (20, 30)
    assert not rows(train) & rows(heldout)
    again, _ = material.split(20, np.random.default_rng(1))
    assert np.array_equal(train, again)
    assert material.spacing > 0
    assert material.dimension == train.reshape(20, -1).shape[1]


def test_too_few_rows_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(49, 4)))
    with pytest.raises(UsageError, match=r"need 50 rows, and the data have 49; lower sweep\.n"):
        prepare(plan({"kind": "file", "path": "x.npy"}, folder=tmp_path))
    with pytest.raises(InputError, match=r"data .*missing\.npy"):
        prepare(plan({"kind": "file", "path": "missing.npy"}, folder=tmp_path))


def test_twins_have_no_scale(tmp_path):
    np.save(tmp_path / "x.npy", np.repeat(np.eye(2), 40, axis=0))
    with pytest.raises(InputError, match="equal twin"):
        prepare(plan({"kind": "file", "path": "x.npy"}, folder=tmp_path))


def test_a_table_is_numbers_for_models_and_itself_for_a_command(tmp_path):
    lines = ["size,kind"] + [f"{i * 1.5},{'abc'[i % 3]}" for i in range(60)]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    data = {"kind": "file", "path": "x.csv"}
    assert prepare(plan(data, folder=tmp_path)).pool.shape[0] == 60
    command = {"kind": "command", "command": "x {train} {generated}", "suffix": ".csv"}
    material = prepare(plan(data, folder=tmp_path, **command))
    train, heldout = material.split(20, np.random.default_rng(0))
    assert train.column_names == ["size", "kind"]
    assert (train.num_rows, heldout.num_rows) == (20, 30)
    assert not set(train["size"].to_pylist()) & set(heldout["size"].to_pylist())


def test_only_files_have_a_fingerprint(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    assert len(data_fingerprint(plan({"kind": "file", "path": "x.npy"}, folder=tmp_path))) == 64
    assert data_fingerprint(plan({"kind": "digits"})) == ""
