"""The store: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.sweeps.store import Store


def plan(**model):
    return Plan.parse(
        {
            "data": {"kind": "gaussian", "dimension": 4},
            "model": {"kind": "linear", **model},
            "sweep": {"n": [8, 16], "repeats": 10},
        }
    )


RECORDS = [
    Record(8, 0, Outcome(True, -math.inf, math.inf, {"word": "kept", "none": -math.inf})),
    Record(8, 1, None, "it broke", 2),
    Record(16, 0, Outcome(False, -812.5, 0.1 + 0.2)),
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "s.sqlite"
    with Store.open(path, plan(), "abc") as store:
        for record in reversed(RECORDS):
            store.add(record)
    return path


def test_records_come_back_as_they_were(path):
    with Store.read(path) as store:
        assert store.records() == RECORDS
        assert store.finished() == {(8, 0, None), (8, 1, None), (16, 0, None)}
        assert store.finished(with_errors=False) == {(8, 0, None), (16, 0, None)}
        assert store.plan == plan()


def test_a_new_record_replaces_the_old_one(path):
    with Store.open(path, plan(), "abc") as store:
        store.add(Record(8, 1, RECORDS[2].outcome))
        assert store.records()[1].outcome == RECORDS[2].outcome


def test_every_record_is_on_disk_when_add_returns(tmp_path):
    """Another connection sees it at once: no transaction is left open."""
    path = tmp_path / "s.sqlite"
    with Store.open(path, plan(), "") as store:
        for i, record in enumerate(RECORDS, 1):
            store.add(record)
            with Store.read(path) as other:
                assert len(other.records()) == i
        mode = store._connection.execute("PRAGMA journal_mode").fetchone()
        synced = store._connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, synced) == (("wal",), (2,))


def test_another_plan_is_refused_by_key(path):
    with pytest.raises(UsageError, match=r"model\.time is 2\.0 in the store and 3\.0 in the plan"):
        Store.open(path, plan(time=3.0), "abc")
    with pytest.raises(UsageError, match="the data have changed"):
        Store.open(path, plan(), "abd")


def test_other_files_are_refused(tmp_path):
    text, database = tmp_path / "text.sqlite", tmp_path / "other.sqlite"
    text.write_text("no database at all, but long enough for a header of one" * 10)
    other = sqlite3.connect(database)
    other.execute("CREATE TABLE mine (x)")
    other.close()
    for path in (text, database):
        before = path.read_bytes()
        for call in (lambda p: Store.open(p, plan(), ""), Store.read):
            with pytest.raises(InputError, match="not a byheart store"):
                call(path)
        assert path.read_bytes() == before
    with pytest.raises(InputError, match="no such store"):
        Store.read(tmp_path / "missing.sqlite")
    with pytest.raises(UsageError, match="does not exist"):
        Store.open(tmp_path / "no" / "s.sqlite", plan(), "")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_export_holds_every_record(path, suffix):
    import pyarrow.csv
    import pyarrow.parquet

    with Store.read(path) as store:
        exported = store.export(path.with_suffix(suffix))
    read = pyarrow.csv.read_csv if suffix == ".csv" else pyarrow.parquet.read_table
    table = read(exported).to_pydict()
    assert table["n"] == [8, 8, 16]
    assert table["error"][1] == "it broke"
    assert np.isinf(table["distance"][0])
    assert table["distance"][2] == pytest.approx(0.1 + 0.2, abs=0)
    assert table["word"][0] == "kept"
    with Store.read(path) as store, pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        store.export(path.with_suffix(".xls"))
