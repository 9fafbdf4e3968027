import numpy as np
import pytest
from bench import Bench

from byheart.auditing import planted, substitution
from byheart.auditing.scores import from_neighbours
from byheart.auditing.search import ExactSearch
from byheart.auditing.substitution import Substitution
from byheart.auditing.verbatim import Values
from byheart.distances.neighbours import Neighbours, TwoWay, two_way

NAMES = ("distance", "ratio", "negative_margin")


def backward(generated, real, k):
    """The k nearest generated rows of each real row, by brute force."""
    return two_way(real, generated, k).forward


def setting(rng, repeats=1):
    train, heldout, made = (
        rng.normal(size=(30, 3)),
        rng.normal(size=(25, 3)),
        rng.normal(size=(40, 3)),
    )
    generated = rng.permutation(np.repeat(made, repeats, axis=0))
    return train, heldout, generated


def prepared(bench, train, heldout, generated, k_back):
    table = TwoWay(bench.distances.table.forward, backward(generated, bench.pool.rows, k_back))
    return Substitution.of(table, Values.of(train, heldout, generated).generated)


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("k", [8, 55])
def test_removal_equals_an_audit_of_the_rest(repeats, k):
    rng = np.random.default_rng([repeats, k])
    sets = setting(rng, repeats)
    bench = Bench.of(*sets, k=k)
    swap = prepared(bench, *sets, k_back=4 * repeats)
    assert swap.values == 40
    _, number = np.unique(Values.of(*sets).generated, return_inverse=True)
    complete = 0
    for count in (0, 1, 5, 20, 39):
        removed = swap.removed(rng.permutation(40), count)
        found = swap.without(bench.scores, removed)
        fresh = ExactSearch.run(
            sets[2][~removed[number]], bench.pool.rows, k, 2**30
        ).distances.scores
        for name in NAMES:
            mine, theirs = getattr(found, name), getattr(fresh, name)
            lists = getattr(swap, name)
            used_up = np.append(removed, True)[lists.value].all(axis=1) & lists.cut
            assert (mine <= theirs).all()
            np.testing.assert_array_equal(mine[~used_up], theirs[~used_up])
            complete += (~used_up).sum()
    assert complete > 0.7 * 5 * 3 * 55


def test_nothing_removed_leaves_the_scores_as_they_are(bench, normal_sets):
    swap = prepared(bench, *normal_sets, k_back=1)
    found = swap.without(bench.scores, np.zeros(swap.values, bool))
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(bench.scores, name))


def test_a_backward_table_of_one_column_is_conservative(bench, normal_sets):
    swap = prepared(bench, *normal_sets, k_back=1)
    found = swap.without(bench.scores, np.arange(swap.values) < 40)
    np.testing.assert_array_equal(found.distance, bench.scores.distance)


def test_without_any_value_nothing_is_near():
    """Lists that were not cut: one generated row is all there is."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(6, 2)), np.ones((5, 2))
    swap = Substitution.of(two_way(generated, real, 3), np.full(5, 7))
    assert swap.values == 1
    scores = from_neighbours(
        two_way(generated, real, 3), Neighbours(np.ones((6, 1)), np.zeros((6, 1), int))
    )
    gone = swap.without(scores, swap.removed(np.arange(1), 1))
    for name in NAMES:
        assert np.isinf(getattr(gone, name)).all()
    with pytest.raises(ValueError, match="3 of 1 distinct values"):
        swap.removed(np.arange(1), 3)


def test_lists_do_not_depend_on_the_cut_into_blocks(bench, normal_sets, monkeypatch):
    whole = prepared(bench, *normal_sets, k_back=3)
    monkeypatch.setattr(substitution, "_ENTRIES", 1)  # blocks of 27 of the 80 generated rows
    parts = prepared(bench, *normal_sets, k_back=3)
    for name in NAMES[1:]:
        for field in ("score", "value", "cut"):
            np.testing.assert_array_equal(
                getattr(getattr(parts, name), field), getattr(getattr(whole, name), field)
            )


def test_planted_rows_that_take_the_place_of_generated_ones_equal_an_audit():
    rng = np.random.default_rng(3)
    sets = setting(rng)
    bench = Bench.of(*sets, k=55)
    swap = prepared(bench, *sets, k_back=4)
    removed = swap.removed(rng.permutation(40), 3)
    _, number = np.unique(Values.of(*sets).generated, return_inverse=True)
    copies = bench.pool.rows[:3] + 0.01
    near = two_way(copies, bench.pool.rows, 55).forward
    found = planted._beside(swap.without(bench.scores, removed), near)
    mixed = np.concatenate([sets[2][~removed[number]], copies])
    fresh = ExactSearch.run(mixed, bench.pool.rows, 55, 2**30).distances.scores
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(fresh, name))
