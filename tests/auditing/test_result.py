"""An audit as tables: each figure is the one that its record has."""

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest

import byheart
from byheart import UsageError


@cache
def copied():
    data = np.random.default_rng(0).normal(size=(160, 4))
    return byheart.audit(data[:80], data[80:], data[:80] + 0.001, permutations=99)


def test_the_row_of_an_audit_has_its_figures():
    result = copied()
    (row,) = result.to_rows()
    assert (row["verdict"], row["kind"], row["p_value"]) == ("memorizes", "copies", result.p_value)
    assert (row["train_rows"], row["heldout_rows"], row["generated_rows"]) == (80, 80, 80)
    assert row["flagged_train"] == len(result.copies.flagged_train)
    assert (row["auc_low"], row["auc_high"]) == result.membership.auc_interval
    low, high = result.copies.share_interval
    assert (row["share_of_generated_low"], row["share_of_generated_high"]) == (low, high)
    assert row["tpr_at_fpr_0.01"] == result.membership.tpr_at_fpr["0.01"]
    assert all(row[name] == metric.value for name, metric in result.metrics.items())
    assert all(v is None or isinstance(v, str | int | float) for v in row.values())


def test_without_heldout_rows_the_row_has_the_same_columns_before_the_metrics():
    data = np.random.default_rng(1).normal(size=(80, 4))
    (row,) = byheart.audit(data[:40], None, data[40:]).to_rows()
    (full,) = copied().to_rows()
    assert (
        list(row)[: list(row).index("epsilon_lower_bound")]
        == (list(full)[: list(full).index("epsilon_lower_bound")])
    )
    assert row["heldout_rows"] is None
    assert row["auc"] is None


@pytest.mark.parametrize("table", ["audit", "tests", "copies"])
def test_frames_take_the_rows(table):
    rows = copied().to_rows(table)
    assert pl.DataFrame(rows).shape == pd.DataFrame(rows).shape == (len(rows), len(rows[0]))


def test_rows_of_tests_and_copies_follow_the_records():
    result = copied()
    assert [row["p_adjusted"] for row in result.to_rows("tests")] == [
        test.p_adjusted for test in result.tests
    ]
    pairs = result.to_rows("copies")
    assert [row["train_index"] for row in pairs] == [p.train_index for p in result.copies.pairs]
    assert pairs[0]["train_name"].startswith("row ")


def test_another_table_is_refused():
    with pytest.raises(UsageError, match='"copying" or "training", got \'pairs\''):
        copied().to_rows("pairs")


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_an_audit_takes_frames(frame):
    data = {"x": np.arange(60) / 7, "y": ["a", "b", "c"] * 20}
    given = frame(data)
    result = byheart.audit(given[:20], given[20:40], given[40:], permutations=99)
    assert result.inputs["train"].rows == 20
