from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from byheart.auditing import drift
from byheart.auditing.permutation import Units
from byheart.distances.neighbours import within


def checked(real, training, seed=0, group=None, level=0.05):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(real))
    real = np.ascontiguousarray(real[order])
    if group is None:
        units = Units(np.arange(len(real)), training[order])
    else:
        number = group[order]
        units = Units(number, np.array([training[group == g][0] for g in range(group.max() + 1)]))
    return drift.drift(real, within(real, 5), units, 999, level, rng), order


def halves(rows):
    return np.arange(rows) < rows // 2


@pytest.mark.parametrize("groups", [False, True])
def test_a_random_split_has_no_drift(groups):
    """At its level, 20%, also where rows of a group are alike; boosting with its share of it."""
    rejected = boosted = 0
    repeats = 20
    for seed in range(repeats):
        rng = np.random.default_rng([seed, 9])
        group = np.arange(100) // 2 if groups else None
        real = rng.normal(size=(100, 3))
        if groups:
            real = real[::2].repeat(2, axis=0) + 0.1 * real
        found, _ = checked(real, halves(100), seed, group, 0.2)
        rejected += not found.passed
        boosted += found.parts["boosting"] <= 0.2
    highest = stats.binom(repeats, 0.2).ppf(0.999)
    assert rejected <= highest
    assert boosted <= highest


def moved(rng, rows):
    real = rng.normal(size=(rows, 5))
    real[: rows // 2, 2] += 0.8
    return real, "ridge"


def wilder(rng, rows):
    real = rng.normal(size=(rows, 5))
    real[: rows // 2] *= 1.4
    return real, "spread"


def bent(rng, rows):
    """The same means, spreads and correlations in both sets: only the sign of a product differs."""
    real = rng.normal(size=(rows, 3))
    sign = np.sign(real[:, 0] * real[:, 1] * real[:, 2])
    real[:, 0] *= np.where(halves(rows), sign, -sign)
    return real, "boosting"


@pytest.mark.parametrize("law", [moved, wilder, bent])
def test_drift_is_found_by_the_statistic_for_it(law):
    real, name = law(np.random.default_rng(0), 1200)
    found, _ = checked(real, halves(1200), level=0.01)
    assert not found.passed
    assert found.parts[name] <= 0.003
    assert found.p_value <= 0.01


def test_leading_components_see_drift_of_many_columns():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 300)) + 0.1 * rng.normal(size=(400, 300))
    direction = rng.normal(size=300)
    still, _ = checked(real, halves(400))
    assert still.passed
    real[:200] += 0.2 * direction
    found, _ = checked(real, halves(400))
    assert not found.passed


def test_one_column_of_many_is_seen():
    real = np.random.default_rng(0).normal(size=(400, 100))
    real[:200, 7] += 0.8
    found, _ = checked(real, halves(400))
    assert found.parts["ridge"] <= 0.01


def test_logits_are_of_other_rows_and_only_given_with_drift():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(1000, 2))
    training = rng.random(1000) < 1 / (1 + np.exp(-2 * real[:, 0]))
    found, order = checked(real, training)
    assert found.logits is not None
    assert found.logits.shape == (1000,)
    # Fitted from a thousand rows the log odds 2x are met in their trend, not in every row.
    slope, _, r, _, _ = stats.linregress(2 * real[order, 0], found.logits)
    assert r > 0.9
    assert 0.6 < slope < 1.2
    assert checked(real, halves(1000))[0].logits is None


def test_with_groups_there_is_a_logit_per_group():
    rng = np.random.default_rng(0)
    group = np.arange(600) // 3
    real = rng.normal(size=(600, 2))
    real[:300] += 1
    found, _ = checked(real, halves(600), group=group)
    assert found.logits is not None
    assert found.logits.shape == (200,)
    assert found.logits[:100].mean() > found.logits[100:].mean()


def test_ridge_by_definition():
    rng = np.random.default_rng(0)
    x = drift.coordinates(rng.normal(size=(40, 3)) * [1, 10, 0.1], rng)[:, :-1]
    labels = rng.integers(0, 2, size=(40, 6)).astype(np.uint8)
    values = drift.Ridge("ridge", x).evaluate(labels)
    x = x.astype(np.float64)
    inverse = np.linalg.inv(x.T @ x / 40 + (0.01 + 3 / 40) * np.eye(3))
    for z, value in zip(labels.T, values, strict=True):
        gap = x[z == 1].mean(axis=0) - x[z == 0].mean(axis=0)
        share = z.mean()
        # Coordinates are float32: centred to about 1e-7 of a standard deviation.
        expected = 40 * share * (1 - share) * gap @ inverse @ gap
        assert value == pytest.approx(expected, rel=1e-5)


def test_ridge_does_not_depend_on_units_or_constant_columns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    other = np.concatenate([x * [1e6, 1, 1e-6] + 1e3, np.ones((50, 2))], axis=1)
    labels = rng.integers(0, 2, size=(50, 5)).astype(np.uint8)
    first, second = (
        drift.Ridge("ridge", drift.coordinates(rows, rng)[:, :-1]).evaluate(labels)
        for rows in (x, other)
    )
    np.testing.assert_allclose(first, second, rtol=1e-4)  # float32


@pytest.mark.parametrize(("dimension", "width"), [(5, 5), (90, 90), (300, drift.COMPONENTS)])
def test_coordinates_are_standardised_and_their_length_comes_last(dimension, width):
    rng = np.random.default_rng(0)
    found = drift.coordinates(1e6 + rng.normal(size=(300, dimension)), rng)
    assert found.shape == (300, width + 1)
    np.testing.assert_allclose(found[:, :-1].mean(axis=0), 0, atol=1e-6)  # float32
    np.testing.assert_allclose(found[:, :-1].std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(found[:, -1], np.linalg.norm(found[:, :-1], axis=1), rtol=1e-6)


@pytest.mark.parametrize("dimension", [1, 3, 200])
def test_rows_that_are_all_equal_say_nothing(dimension):
    found, _ = checked(np.ones((40, dimension)), halves(40))
    assert found.parts["ridge"] == found.parts["boosting"] == found.parts["spread"] == 1.0
    assert found.passed


def test_very_few_rows_say_nothing():
    found, _ = checked(np.arange(3.0)[:, None], np.array([True, False, False]))
    assert found.passed


def test_halves_hold_half_of_each_set():
    rng = np.random.default_rng(0)
    units = Units(np.arange(30), np.arange(30) < 10)
    half = drift._halves(units, rng)
    assert half[:10].sum() == 5
    assert half[10:].sum() == 10


def test_the_tested_half_is_exchangeable_by_enumeration():
    """Over all labellings of 6 units, each as likely, and all halves: labels of the tested half."""
    labellings = np.array([np.isin(np.arange(6), s) for s in combinations(range(6), 3)])
    rng = np.random.default_rng(0)
    counts: dict[tuple[bool, ...], dict[tuple[bool, ...], int]] = {}
    for _ in range(400):
        for training in labellings:
            half = drift._halves(Units(np.arange(6), training), rng)
            if half[:3].sum() == 2 and half[3]:  # one shape of halves is enough
                continue
            if tuple(half) == (True, True, False, False, False, False):
                rest = counts.setdefault(tuple(training[half]), {})
                key = tuple(training[~half])
                rest[key] = rest.get(key, 0) + 1
    for rest in counts.values():
        values = np.array(list(rest.values()))
        assert len(values) == 6  # two of four
        assert stats.chisquare(values).pvalue > 1e-3


def test_a_series_is_seen_in_its_order_and_shuffled_rows_are_not():
    rng = np.random.default_rng(0)
    walk = rng.normal(size=(300, 3)).cumsum(axis=0)
    assert drift.order(walk[:150], walk[150:], 99, rng) == 0.01
    p = [drift.order(*rng.permuted(walk, axis=0).reshape(2, 150, 3), 99, rng) for _ in range(30)]
    assert sum(v <= 0.1 for v in p) <= stats.binom(30, 0.1).ppf(0.999)


def test_neighbour_agreement_by_counting():
    rng = np.random.default_rng(0)
    indices = np.array([rng.permutation(30)[:5] for _ in range(30)])
    labels = rng.integers(0, 2, size=(30, 4)).astype(np.uint8)
    same = (labels[indices] == labels[:, None]).mean(axis=(0, 1))
    value = drift.NeighbourAgreement("a", indices).evaluate(labels)
    np.testing.assert_allclose(value, 2 * same - 1)
