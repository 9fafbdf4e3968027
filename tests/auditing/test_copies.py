import numpy as np
import pytest
from bench import Bench
from scipy import stats

from byheart.auditing import copies
from byheart.auditing.pool import Points


def test_conformal_p_values_against_counting():
    rng = np.random.default_rng(0)
    train, heldout = rng.integers(0, 9, 50).astype(float), rng.integers(0, 9, 30).astype(float)
    brute = [(1 + np.sum(heldout <= s)) / 31 for s in train]
    np.testing.assert_allclose(copies.conformal_p_values(train, heldout), brute)


def test_benjamini_hochberg_against_scipy():
    p = np.random.default_rng(0).uniform(size=200) ** 2
    expected = stats.false_discovery_control(p, method="bh")
    np.testing.assert_allclose(copies.benjamini_hochberg(p), expected, rtol=1e-12)


@pytest.mark.parametrize(("n", "h", "fdr"), [(400, 400, 0.05), (850, 850, 0.1), (100, 900, 0.1)])
def test_the_minimum_list_length_is_sharp(n, h, fdr):
    shortest = copies.minimum_list_length(n, h, fdr)
    for ahead in (shortest - 1, shortest):
        score = np.concatenate([np.zeros(ahead), np.full(n - ahead, 2.0)])
        q = copies.benjamini_hochberg(copies.conformal_p_values(score, np.ones(h)))
        assert (q <= fdr).sum() == (ahead if ahead == shortest else 0)


@pytest.mark.slow
def test_the_false_discovery_rate_holds():
    """40 of 200 points stand out; mean false share over 200 audits against q = .1."""
    shares = []
    for seed in range(200):
        rng = np.random.default_rng([seed, 3])
        train = np.concatenate([rng.normal(-3, 1, size=40), rng.normal(size=160)])
        heldout = rng.normal(size=200)
        q = copies.benjamini_hochberg(copies.conformal_p_values(train, heldout))
        listed = np.flatnonzero(q <= 0.1)
        shares.append(np.mean(listed >= 40) if len(listed) else 0.0)
    # The rate is at most .1 * 160/200 in expectation; 3 standard errors on top.
    assert np.mean(shares) < 0.08 + 3 * np.std(shares) / np.sqrt(200)


@pytest.mark.parametrize(
    ("n", "h", "memorized"), [(60, 60, 0), (60, 60, 6), (60, 60, 25), (20, 180, 2), (100, 40, 20)]
)
@pytest.mark.slow
def test_the_lower_bound_covers(n, h, memorized):
    """The bound exceeds the truth in at most 5% of audits (200 each; false alarm 1e-3)."""
    exceeded, bounds = 0, []
    for seed in range(200):
        rng = np.random.default_rng([seed, n, memorized])
        training = rng.permutation(np.arange(n + h) < n)
        scores = [rng.normal(size=n + h) for _ in range(2)]
        marked = np.flatnonzero(training)[:memorized]
        for score in scores:
            score[marked] -= rng.choice([1.0, 8.0], size=memorized)  # some stand out little
        bound = copies.memorized_lower_bound(scores, training, 0.05, rng, relabellings=199)
        exceeded += bound > memorized
        bounds.append(bound)
    assert exceeded <= stats.binom(200, 0.05).ppf(0.999)
    if memorized == 25:
        assert np.mean(bounds) > 8


def test_the_lower_bound_on_a_perfect_separation():
    """All 50 training points ahead: only the last few, too few for any test, stay uncertain."""
    score = np.arange(100.0)
    bound = copies.memorized_lower_bound(
        [score], score < 50, 0.05, np.random.default_rng(0), relabellings=999
    )
    # k points ahead of 50 held-out ones have p ≈ 1/C(50 + k, k): below .05 from k = 1 on.
    assert bound == 50


def test_excess_p_value_is_hypergeometric():
    expected = stats.hypergeom(300, 100, 12).sf(7 - 1)
    assert copies.excess_p_value(7, 5, 100, 200) == pytest.approx(expected)


def test_further_scores_are_those_of_the_closest_row_of_a_group_and_enter_the_bound():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(n, 3)) for n in (40, 40, 30)]
    names = tuple(np.repeat(np.arange(20), 2) + start for start in (0, 20))
    bench = Bench.of(*sets, groups=names)
    score = rng.normal(size=80) - 9 * bench.pool.training  # as if a score had found them all
    points = Points.of(bench.pool, bench.scores, {"cells": score})
    assert points.further["cells"].shape == (40,)
    for unit in range(40):
        rows = bench.pool.units.group == unit
        assert points.further["cells"][unit] == score[rows].min()
    alone, more = (
        copies.memorized_lower_bound(scores, points.training, 0.05, np.random.default_rng(1))
        for scores in ((points.scores.distance,), (points.scores.distance, points.further["cells"]))
    )
    assert alone < 10 <= more <= 20
