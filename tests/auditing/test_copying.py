"""The list that one acts on: every generated row that copies, and where it comes from."""

from __future__ import annotations

import numpy as np
import pytest

import byheart
from byheart.auditing import copying
from byheart.auditing.copies import benjamini_hochberg, conformal_p_values
from byheart.distances.neighbours import Neighbours


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_forty_rows_copied_five_times_are_two_hundred_rows_of_the_list(noise):
    train, heldout, fresh = normal(0, 3, 300, 8)
    made = np.repeat(train[:40], 5, axis=0) + noise * normal(1, 200, 8)
    result = byheart.audit(train, heldout, np.r_[fresh, made], permutations=199)
    rows = result.copies.rows
    listed = {row.generated_index for row in rows}
    assert listed >= set(range(300, 500))
    copied = [row for row in rows if row.generated_index >= 300]
    assert [(r.generated_index - 300) // 5 for r in copied] == [r.train_index for r in copied]
    assert all(row.verbatim == (row.distance == 0) for row in rows)
    assert {row.times_reproduced for row in copied} == {5}
    assert result.copies.share_of_generated == len(rows) / 500
    assert {p.generated_index for p in result.copies.pairs} <= listed
    assert [r.times_reproduced for r in result.training_rows[:40]] == [5] * 40
    named = {r.train_index for r in result.training_rows if r.named}
    assert named == set(result.copies.flagged_train)
    assert len(result.to_rows("copying")) == len(rows)


def test_dropping_the_listed_rows_leaves_no_exact_copy():
    train, heldout, fresh = normal(2, 3, 200, 3)
    heldout[:5] = train[:5]  # twins across the split do not hide a copy
    made = np.r_[fresh, train[:3], train[:3], train[100:101]]
    result = byheart.audit(train, heldout, made, permutations=99)
    drop = [row.generated_index for row in result.copying_rows]
    left = np.delete(made, drop, axis=0)
    assert not (left[:, None] == train[None]).all(axis=2).any()


def test_a_row_below_the_cut_would_be_named_and_one_at_it_would_not():
    rng = np.random.default_rng(3)
    for _ in range(50):
        train = np.r_[rng.uniform(0, 0.2, 12), rng.uniform(size=40)].round(2)
        heldout = rng.uniform(size=60).round(2)
        named = benjamini_hochberg(conformal_p_values(train, heldout)) <= 0.2
        cut = copying.cut(train[named], heldout)
        if not named.any():
            assert cut == -np.inf
            continue
        largest = conformal_p_values(train[named], heldout).max()
        around = np.r_[np.nextafter(cut, 0), cut]
        below, at = conformal_p_values(around, heldout)
        assert below <= largest < at
        assert (train[named] < cut).all()


def test_of_equally_near_rows_a_training_row_is_taken():
    forward = Neighbours(np.array([[0.0, 0.0, 1.0], [2.0, 3.0, 3.0]]), np.array([[0, 1, 2]] * 2))
    found = copying.Nearest.of(forward, np.array([False, True, True]))
    assert found.row.tolist() == [1, 0]
    assert found.training.tolist() == [True, False]


def test_clusters_are_what_near_pairs_connect():
    train = np.array([[0.0], [0.1], [0.2], [5.0], [9.0], [9.0], [20.0], [30.0], [40.0], [50.0],
                      [60.0]])  # fmt: skip
    gap = np.abs(train - train.T) + np.diag(np.full(len(train), np.inf))
    order = np.argsort(gap, axis=1)[:, :3]
    table = Neighbours(np.take_along_axis(gap, order, 1), order)
    labels = np.ones(len(train), bool)
    cluster, twin = copying.clusters(table, labels, 0.15)
    assert cluster.tolist() == [1, 1, 1, 0, 2, 2, 0, 0, 0, 0, 0]
    assert twin[:6].tolist() == pytest.approx([0.1, 0.1, 0.1, np.inf, 0, 0])
    labels[5] = False  # its twin stands in the held-out set
    assert copying.clusters(table, labels, 0.15)[0][4] == 0
    assert not copying.clusters(table, np.ones(len(train), bool), 100.0)[0].any()


def test_without_a_heldout_set_equal_rows_and_closest_pairs_are_listed():
    train, fresh = normal(4, 2, 150, 5)
    result = byheart.audit(train, None, np.r_[fresh, train[:30]])
    listed = result.untested
    assert [row.generated_index for row in listed.rows] == list(range(150, 180))
    assert all(row.verbatim and row.q_value is None for row in listed.rows)
    assert len(listed.closest) == 100
    assert [row.distance for row in listed.closest] == sorted(r.distance for r in listed.closest)
    assert result.evidence.train_matches[0].distance == 0
    assert result.verdict == "inconclusive"
