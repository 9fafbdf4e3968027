from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy import stats

from byheart.auditing.permutation import Units
from byheart.auditing.statistics import TailCount
from byheart.auditing.verbatim import Values, VerbatimCount, clearance_obstacle, find


def column(*values):
    return np.array(values, dtype=np.float64)[:, None]


def test_values_are_numbered_by_equality():
    rng = np.random.default_rng(0)
    train, heldout, generated = (
        rng.integers(0, 3, (size, 3)).astype(np.float32) for size in (40, 30, 50)
    )
    values = Values.of(train, heldout, generated.astype(np.float64))
    rows = np.concatenate([train, heldout, generated])
    number = np.concatenate([values.train, values.heldout, values.generated])
    equal = (rows[:, None] == rows[None]).all(axis=2)
    np.testing.assert_array_equal(number[:, None] == number[None], equal)
    assert set(number) == set(range(number.max() + 1))


def test_the_record_by_counting():
    train, heldout = column(1, 2, 2, 3, 9), column(3, 4, 5)
    generated = column(2, 2, 3, 3, 3, 4, 7)
    found = find(Values.of(train, heldout, generated))
    assert (found.train_rows, found.train_values) == (3, 2)  # 2 twice, and 3
    assert (found.heldout_rows, found.heldout_values, found.shared_values) == (2, 2, 1)
    assert (found.generated_of_train, found.generated_of_heldout) == (5, 4)
    assert (found.most_repeated.role, found.most_repeated.index) == ("train", 3)
    assert found.most_repeated.times == 3
    assert (found.generated_rows, found.distinct_generated) == (7, 4)
    assert found.effective_generated == pytest.approx(49 / (4 + 9 + 1 + 1))
    assert not found.real_distinct
    assert found.pairs == ((0, 1), (1, 1), (2, 3), (3, 3), (4, 3))


def test_the_p_value_by_all_relabellings():
    """Every split of the pooled rows, equal rows and shared values among them."""
    pooled = column(1, 1, 2, 2, 3, 4, 5, 6)
    generated = column(1, 2, 4, 4)
    splits = list(combinations(range(8), 3))

    def verbatim(split):
        return sum(pooled[i, 0] in (1, 2, 4) for i in split)

    for split in splits[::7]:
        rest = [i for i in range(8) if i not in split]
        found = find(Values.of(pooled[list(split)], pooled[rest], generated))
        larger = np.mean([verbatim(other) >= verbatim(split) for other in splits])
        assert found.p_value == pytest.approx(larger, rel=1e-12)


@pytest.mark.parametrize("copies", [1, 3, 7])
def test_only_training_rows(copies):
    train, heldout = column(*range(40)), column(*range(40, 100))
    found = find(Values.of(train, heldout, np.repeat(train[:copies], 5, axis=0)))
    assert found.p_value == pytest.approx(comb(40, copies) / comb(100, copies), rel=1e-9)
    assert found.effective_generated == copies


def test_groups_are_counted_once():
    train, heldout = column(*range(12)), column(*range(20, 32))
    groups = np.repeat(["a", "b", "c"], 4), np.repeat(["d", "e", "f"], 4)
    values = Values.of(train, heldout, train[:5])
    assert find(values, groups).p_value == pytest.approx(comb(3, 2) / comb(6, 2))
    assert find(values).p_value == pytest.approx(comb(12, 5) / comb(24, 5))


def test_the_statistic_is_the_tail_count_of_the_marked_rows():
    rng = np.random.default_rng(0)
    marked = rng.random(60) < 0.2
    rows = Units(np.arange(60), np.arange(60) < 25)
    labels = rows.draw(50, rng)
    order = np.argsort(~marked, kind="stable")
    statistic = VerbatimCount("verbatim", marked, rows.group)
    same = TailCount("tail", order, marked.sum() / 60)
    for mine, theirs in zip(
        statistic.evaluate_both(labels), same.evaluate_both(labels), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    grouped = Units(np.arange(60) // 3, np.arange(20) < 9)
    labels = grouped.draw(50, rng)
    by_group = marked.reshape(20, 3).any(axis=1)
    np.testing.assert_array_equal(
        VerbatimCount("verbatim", marked, grouped.group).evaluate(labels),
        labels[::3][by_group].sum(axis=0),
    )


def test_without_any_the_statistic_is_zero():
    nothing = VerbatimCount("verbatim", np.zeros(4, bool), np.arange(4))
    labels = np.eye(4, dtype=np.uint8)
    np.testing.assert_array_equal(nothing.evaluate_both(labels), np.zeros((2, 4)))


def test_an_honest_discrete_table_has_a_uniform_p_value():
    """Rows of few values come back from both sets; p ≤ .2 in at most a fifth of them."""
    refused = 0
    for seed in range(300):
        rng = np.random.default_rng([seed, 5])
        sets = [rng.geometric(0.3, (size, 2)).astype(float) for size in (60, 60, 40)]
        found = find(Values.of(*sets))
        assert found.heldout_rows > 0
        assert not found.real_distinct
        refused += clearance_obstacle(found, 0.1, 60) is not None
    assert refused <= stats.binom(300, 0.2).ppf(0.999)


def obstacle(train, heldout, generated, share=0.05):
    found = find(Values.of(train, heldout, generated))
    return clearance_obstacle(found, share, len(train))


def test_clearance_is_refused_for_verbatim_and_collapsed_sets():
    rng = np.random.default_rng(0)
    train, heldout, fresh = rng.normal(size=(3, 100, 2))
    assert obstacle(train, heldout, fresh) is None
    one = np.concatenate([fresh, train[[42]]])
    assert "1 (row 42) in 1 of 101 generated rows, against 0 held-out rows" in obstacle(
        train, heldout, one
    )
    collapsed = np.repeat(fresh[:4], 25, axis=0)
    assert "only 4 of 100 generated rows are distinct" in obstacle(train, heldout, collapsed)
    assert obstacle(train, heldout, collapsed, share=0.04) is None
    assert obstacle(train, heldout, collapsed, share=None) is None


def test_verbatim_rows_that_favour_the_training_set_refuse_clearance():
    train, heldout = column(*range(50), 200, 200), column(*range(50, 100), 201, 201)
    fresh = column(*range(300, 360))
    three, two = (np.concatenate([fresh, train[:k]]) for k in (3, 2))
    assert "(p = 0.121)" in obstacle(train, heldout, three)  # 52 * 51 * 50 / (104 * 103 * 102)
    assert obstacle(train, heldout, two) is None  # p = .25
    both = np.concatenate([fresh, train[:3], heldout[:3]])
    assert obstacle(train, heldout, both) is None


def test_without_a_heldout_set_rows_are_still_found():
    train = column(*range(10))
    found = find(Values.of(train, None, train[[4, 4]]))
    assert (found.p_value, found.heldout_rows, found.pairs) == (None, None, ((0, 4), (1, 4)))
