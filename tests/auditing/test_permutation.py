from dataclasses import replace

import numpy as np
import pytest
from bench import Bench

from byheart.auditing import family, permutation
from byheart.auditing.permutation import Group, Units, pool_columns, pool_p_values, upper_ranks
from byheart.auditing.statistics import TailCount


def exceedances_allowed(audits: int, level: float, false_alarm: float = 1e-3) -> int:
    """Rejections that an exact test exceeds with at most this probability."""
    from scipy import stats

    return int(stats.binom(audits, level).ppf(1 - false_alarm))


def statistics(count):
    return [TailCount(f"s{i}", np.arange(4), 0.5) for i in range(count)]


def test_pooling_equals_its_definition():
    rng = np.random.default_rng(0)
    values = [rng.integers(0, 6, size=(2, 20)).astype(float), rng.normal(size=(3, 20))]
    groups = [Group(0.7, statistics(2)), Group(0.3, statistics(3))]
    combined = []
    for group, table in zip(groups, values, strict=True):
        p = np.array([[np.mean(row >= v) for v in row] for row in table])
        smallest = p.min(axis=0)
        combined.append([np.mean(smallest <= s) / group.weight for s in smallest])
    family = np.min(combined, axis=0)
    pooled = pool_p_values(groups, values)
    np.testing.assert_array_equal(pool_columns(groups, values), family)
    assert pooled.p_value == np.mean(family <= family[0])
    assert min(t.p_adjusted for t in pooled.tests) == pooled.p_value
    assert all(t.p_adjusted >= t.p_value for t in pooled.tests)


def test_ties_count_against_rejection():
    assert upper_ranks(np.ones((1, 5))).tolist() == [[1.0] * 5]
    pooled = pool_p_values([Group(1.0, statistics(1))], [np.ones((1, 100))])
    assert pooled.p_value == 1.0


def test_relabellings_keep_sizes_and_start_with_the_observed():
    units = Units(np.arange(30), np.arange(30) < 12)
    blocks = list(units.relabellings(700, np.random.default_rng(0), block=100))
    labels = np.concatenate(blocks, axis=1)
    assert labels.shape == (30, 701)
    np.testing.assert_array_equal(labels[:, 0], units.training)
    assert np.all(labels.sum(axis=0) == 12)
    # Each row is marked with probability 0.4; 30 rows, 4.5 standard errors: below 1e-3 in all.
    assert np.all(np.abs(labels[:, 1:].mean(axis=1) - 0.4) < 4.5 * np.sqrt(0.24 / 700))


def test_groups_are_relabelled_whole():
    units = Units(np.array([0, 0, 1, 2, 2, 2]), np.array([True, False, False]))
    labels = np.concatenate(list(units.relabellings(50, np.random.default_rng(0))), axis=1)
    assert np.all(labels[0] == labels[1])
    assert np.all(labels[3] == labels[4])
    assert set(labels.sum(axis=0)) == {1, 2, 3}


def gaussian(rng):
    return rng.normal(size=(40, 4)), rng.normal(size=(40, 4)), 0.8 * rng.normal(size=(60, 4))


def binary(rng):
    return tuple(rng.integers(0, 2, size=(size, 12)).astype(float) for size in (60, 60, 90))


def mirrored_copies(rng):
    """G holds an exact copy of every real row: T and H are treated alike, with ties all over."""
    train, heldout = rng.normal(size=(40, 4)), rng.normal(size=(40, 4))
    return train, heldout, np.concatenate([train, heldout])


def unequal(rng):
    return rng.normal(size=(12, 3)), rng.normal(size=(108, 3)), rng.normal(size=(50, 3))


def all_equal(rng):
    return np.ones((30, 3)), np.ones((30, 3)), np.ones((30, 3))


@pytest.mark.parametrize("law", [gaussian, binary, mirrored_copies, unequal, all_equal])
@pytest.mark.slow
def test_the_family_is_exact_on_clean_audits(law):
    audits = 400
    rejected = 0
    for seed in range(audits):
        sets = law(np.random.default_rng([seed, 1]))
        rejected += Bench.of(*sets, seed=seed).p_value(99, seed) <= 0.05
    # An exact test at level .05 rejects more often than this with probability below 1e-3.
    assert rejected <= exceedances_allowed(audits, 0.05)


def test_groups_of_equal_rows_are_exact_only_when_relabelled_whole():
    """Ten rows per group: as single rows the test is fooled, as groups it keeps its level."""
    alone = together = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 2])
        centres = np.repeat(rng.normal(size=(24, 3)), 10, axis=0)
        rows = centres + 0.05 * rng.normal(size=centres.shape)
        names = np.repeat(np.arange(24), 10).astype(str)
        generated = centres[rng.integers(0, 120, size=40)] + 0.3 * rng.normal(size=(40, 3))
        chosen = rng.permutation(24)[:12]
        inside = np.isin(np.repeat(np.arange(24), 10), chosen)
        sets = rows[inside], rows[~inside], generated
        together += (
            Bench.of(*sets, seed=seed, groups=(names[inside], names[~inside])).p_value(99, seed)
            <= 0.05
        )
        alone += Bench.of(*sets, seed=seed).p_value(99, seed) <= 0.05
    assert together <= exceedances_allowed(60, 0.05)
    assert alone > exceedances_allowed(60, 0.05)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_family_finds_copies(share):
    rng = np.random.default_rng(0)
    train, heldout, generated = (rng.normal(size=(100, 6)) for _ in range(3))
    count = int(share * 60)
    generated[:count] = train[:count] + 0.05 * rng.normal(size=(count, 6))
    assert Bench.of(train, heldout, generated).p_value(199, 0) == 1 / 200


def test_labels_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    group = np.arange(60) // 2
    units = Units(group, np.arange(30) < 12)
    whole = units.draw(50, np.random.default_rng(0))
    assert whole.dtype == np.uint8
    assert np.all(whole.sum(axis=0) == 24)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(np.hstack([units.draw(n, rng) for n in (7, 1, 42)]), whole)
    blocks = list(units.relabellings(49, np.random.default_rng(0)))
    monkeypatch.setattr(permutation, "BLOCK_CELLS", 60 * 17)
    np.testing.assert_array_equal(units.draw(50, np.random.default_rng(0)), whole)
    narrow = list(units.relabellings(49, np.random.default_rng(0)))
    assert [b.shape[1] for b in narrow] == [17, 17, 16]
    np.testing.assert_array_equal(np.hstack(narrow), np.hstack(blocks))


def further(pool, shift, seed):
    """A score of the pooled rows that knows no labels, or one that is smaller by `shift` in T."""
    score = np.random.default_rng(seed).normal(size=len(pool.rows))
    return {"cells": score - shift * pool.training}


@pytest.mark.parametrize(("shift", "count"), [(5, 2999), (0, 299)])
def test_a_small_p_value_is_taken_over_ten_times_as_many_relabellings(shift, count):
    bench = Bench.of(*np.random.default_rng(0).normal(size=(3, 40, 3)))
    scores = further(bench.pool, shift, 1)
    test = family.run(bench.pool, bench.distances, 299, np.random.default_rng(0), scores)
    assert test.relabellings == count
    assert (test.pooled.p_value <= 0.01) == (count == 2999)
    assert min(t.p_adjusted for t in test.pooled.tests) == test.pooled.p_value
    alone = family.run(bench.pool, bench.distances, 299, np.random.default_rng(0))
    assert alone.relabellings == 299


@pytest.mark.slow
def test_refined_p_values_are_exact(monkeypatch):
    """P(p ≤ a) ≤ a on both sides of the border, here 20% so that 400 audits can tell."""
    monkeypatch.setattr(family, "REFINED", 0.2)
    bench = Bench.of(*(np.random.default_rng(0).normal(size=(3, 20, 3))))
    p_values = []
    for seed in range(400):
        rng = np.random.default_rng([seed, 6])
        training = rng.permutation(bench.pool.training)
        pool = replace(bench.pool, training=training, units=Units(bench.pool.units.group, training))
        test = family.run(pool, bench.distances, 39, rng, further(pool, 0, [seed, 7]))
        p_values.append(test.pooled.p_value)
    for level in (0.05, 0.1, 0.2, 0.3):
        assert np.sum(np.array(p_values) <= level) <= exceedances_allowed(400, level)
