from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from byheart.auditing import sensitivity
from byheart.auditing.statistics import ladder, log_upper_tail


def tilted(odds, count, cut, seen):
    """P(at least `seen` of the first `cut`) by enumeration, P(S) ∝ the product of odds in S."""
    sets = list(combinations(range(len(odds)), count))
    weights = np.array([np.prod(odds[list(s)]) for s in sets])
    inside = np.array([sum(i < cut for i in s) for s in sets])
    return weights[inside >= seen].sum() / weights.sum()


@pytest.mark.parametrize("odds", [1.0, 3.0, 0.4])
def test_fishers_tail_by_enumeration(odds):
    rows, count, cut = 11, 5, 4
    weights = np.where(np.arange(rows) < cut, odds, 1.0)
    for seen in range(cut + 1):
        found = sensitivity._fisher_tail(rows, count, cut, seen)(np.log(odds))
        assert np.exp(found) == pytest.approx(tilted(weights, count, cut, seen), rel=1e-12)


@pytest.mark.parametrize(("rows", "count", "cut"), [(60, 25, 20), (300, 30, 50), (90, 80, 40)])
def test_fishers_tail_against_scipy(rows, count, cut):
    law = stats.nchypergeom_fisher(rows, count, cut, 2.5)
    for seen in range(max(0, cut + count - rows), min(cut, count) + 1):
        found = sensitivity._fisher_tail(rows, count, cut, seen)(np.log(2.5))
        # SciPy sums to about 1e-10 of the largest term.
        assert np.exp(found) == pytest.approx(law.sf(seen - 1), rel=1e-6, abs=1e-9)


def test_at_odds_one_the_tail_is_the_hypergeometric_one_for_many_rows():
    rows, count, cut = 10**6, 4 * 10**5, 2 * 10**5
    law = stats.hypergeom(rows, count, cut)
    seen = round(law.mean() + 4 * law.std())
    found = sensitivity._fisher_tail(rows, count, cut, seen)(0.0)
    # Rounding of log gamma near 1e7: about 1e-9 each, and SciPy's the same.
    assert found == pytest.approx(law.logsf(seen - 1), abs=1e-6)


def test_bounded_odds_are_dominated_by_fishers_law():
    rng = np.random.default_rng(0)
    for _ in range(50):
        odds = np.exp(rng.uniform(0, np.log(4), 9)) * rng.uniform(0.1, 10)
        seen = int(rng.integers(1, 4))
        exact = tilted(odds, 4, 3, seen)
        bound = sensitivity._fisher_tail(9, 4, 3, seen)(np.log(4))
        assert exact <= np.exp(bound) * (1 + 1e-12)


def test_the_largest_odds_are_where_the_test_stops_to_reject():
    marked = np.arange(300) < 25
    marked[25::3] = True
    ranked = [marked, marked[::-1]]
    found = sensitivity.largest_odds(ranked, 0.05)
    assert sensitivity.lower_bound_at(ranked, found, 0.05) > 0
    assert sensitivity.lower_bound_at(ranked, found * 1.001, 0.05) == 0


def test_the_bound_by_deleting_and_counting():
    rng = np.random.default_rng(0)
    marked = rng.permutation(150) < 60
    marked[:15] = True
    k = sensitivity.lower_bound_at([marked], 1.3, 0.1)
    assert 0 < k < 50  # the grid holds every k there
    for deleted, rejected in ((k - 1, True), (k, False)):
        rest = np.delete(marked, np.flatnonzero(marked)[:deleted])
        assert (sensitivity.lower_bound_at([rest], 1.3, 0.1) > 0) == rejected


@pytest.mark.parametrize(("rows", "count"), [(100, 50), (100, 20), (60, 50)])
def test_cuts_that_cannot_reject_are_left_out(rows, count):
    cuts = ladder(rows)
    smallest = np.array([log_upper_tail(rows, count, int(c))[min(c, count)] for c in cuts])
    expected = cuts[smallest <= np.log(0.05 / (2 * len(cuts)))]
    np.testing.assert_array_equal(sensitivity._tests(rows, count, 2, 0.05)[0], expected)


def test_weights_sum_to_one_over_scores_and_cuts():
    cuts, limit = sensitivity._tests(1000, 500, 2, 0.05)
    assert np.exp(limit) * 2 * len(cuts) == pytest.approx(0.05)
    assert set(cuts) < set(ladder(1000))  # small cuts cannot reject
    assert cuts.min() >= 10


@pytest.mark.parametrize("marked", [np.ones(30, bool), np.zeros(30, bool), np.arange(8) < 4])
def test_too_few_units_of_either_set_reject_nothing(marked):
    assert sensitivity.largest_odds([marked], 0.01) is None
    assert sensitivity.lower_bound_at([marked], 1.0, 0.01) == 0


def conditional_bernoulli(logits, count, rng, steps=40):
    """One draw of labels with P(z) ∝ exp Σ z e given Σ z = count, by rejection of Poisson draws."""
    shift = sensitivity._shift(logits, count)
    p = 1 / (1 + np.exp(-logits - shift))
    while True:
        z = rng.random((steps, len(p))) < p
        for row in z[z.sum(axis=1) == count]:
            return row


def test_odds_above_the_true_ones_are_seldom_reported():
    """Worst case: the c most suspicious rows have odds Γ, for a c that the test looks at."""
    rows, count, gamma, level = 120, 60, 2.5, 0.2
    cuts, _ = sensitivity._tests(rows, count, 1, level)
    rng = np.random.default_rng(0)
    above = bound = 0
    for k in range(300):
        logits = np.log(gamma) * (np.arange(rows) < cuts[k % len(cuts)])
        marked = conditional_bernoulli(logits, count, rng)
        above += (sensitivity.largest_odds([marked], level) or 0) > gamma
        bound += sensitivity.lower_bound_at([marked], gamma, level) > 0
    assert above <= stats.binom(300, level).ppf(0.999)
    assert bound <= stats.binom(300, level).ppf(0.999)
    assert bound == above  # both are the same test at Γ


def test_the_bound_falls_with_the_odds_and_counts_what_was_planted():
    rng = np.random.default_rng(0)
    marked = np.concatenate([np.ones(40, bool), rng.permutation(360) < 160])
    bounds = [sensitivity.lower_bound_at([marked], odds, 0.05) for odds in (1.0, 1.5, 2.0, 4.0)]
    assert bounds == sorted(bounds, reverse=True)
    assert 40 >= bounds[0] > bounds[-1] > 0


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_tilted_tail_is_close_to_enumeration(spread):
    rng = np.random.default_rng(0)
    rows, count, cut = 14, 6, 5
    logits = spread * rng.normal(size=rows)
    for shift in (0.0, 0.7):
        odds = np.exp(logits + shift * (np.arange(rows) < cut))
        for seen in range(1, cut + 1):
            exact = tilted(odds, count, cut, seen)
            found = np.exp(sensitivity._tilted_tail(logits, count, cut, seen)(shift))
            if exact < 0.3:  # only tails are used
                # A saddle point's relative error is of order 1/units of either kind.
                assert found == pytest.approx(exact, rel=1 / count)


@pytest.mark.parametrize(
    ("rows", "count", "cut", "seen"),
    [(2000, 1000, 100, 80), (500, 100, 40, 25), (10**5, 10**4, 50, 50)],
)
def test_the_tilted_tail_without_logits_is_fishers(rows, count, cut, seen):
    exact = sensitivity._fisher_tail(rows, count, cut, seen)
    found = sensitivity._tilted_tail(np.zeros(rows), count, cut, seen)
    for shift in (0.0, 0.5):
        # Less than a tenth of p, even where all of the cut is marked and p is 1e-50.
        assert found(shift) == pytest.approx(exact(shift), abs=0.1)


def test_what_the_logits_explain_is_taken_out():
    rng = np.random.default_rng(0)
    rows, count = 1000, 500
    order = np.arange(rows)
    logits = np.linspace(2, -2, rows)
    drifted = conditional_bernoulli(logits, count, rng)
    plain = sensitivity.largest_odds([drifted], 0.05)
    residual = sensitivity.residual_odds([order], drifted, logits, 0.05)
    assert plain > 2
    assert residual is None or residual < 1
    planted = drifted.copy()
    planted[np.flatnonzero(~planted[:200])[:25]] = True
    assert sensitivity.residual_odds([order], planted, logits, 0.05) > residual
