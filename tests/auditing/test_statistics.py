"""Every statistic against a brute-force version of its definition."""

import numpy as np
import pytest
from scipy import stats

from byheart.auditing.statistics import (
    MISSING_SHARE,
    BerkJones,
    LinearRank,
    NearestShare,
    NegativeDelta,
    TailCount,
    area_weights,
    ladder,
    log_upper_tail,
    savage_weights,
)


@pytest.fixture
def labels(bench):
    rng = np.random.default_rng(3)
    observed = bench.pool.training.astype(np.uint8)
    return np.stack([observed, *(rng.permutation(observed) for _ in range(4))], axis=1)


@pytest.mark.parametrize(
    ("rows", "marked", "drawn"), [(10, 4, 3), (100, 90, 50), (1000, 10, 500), (5000, 2500, 300)]
)
def test_hypergeometric_tail(rows, marked, drawn):
    expected = stats.hypergeom(rows, marked, drawn).logsf(np.arange(drawn + 1) - 1)
    mine = log_upper_tail(rows, marked, drawn)
    finite = np.isfinite(expected) & (expected > -600)  # scipy's own sum loses the far tail
    # log-gamma of numbers up to 5000 is of order 4e4, so differences keep about 1e-11.
    np.testing.assert_allclose(mine[finite], expected[finite], rtol=1e-8, atol=1e-9)
    assert np.all(np.diff(mine[np.isfinite(mine)]) <= 1e-12)


@pytest.mark.parametrize("rows", [2, 3, 17, 800, 100_000])
def test_ladder_is_increasing_and_ends_at_half(rows):
    cuts = ladder(rows)
    assert cuts[0] == 1
    assert cuts[-1] == rows // 2
    assert np.all(np.diff(cuts) > 0)
    assert np.all(cuts[1:] <= np.maximum(cuts[:-1] + 1, 1.25 * cuts[:-1] + 1))


def test_berk_jones(bench, labels):
    order = np.argsort(bench.scores.distance, kind="stable")
    rows, marked = labels.shape[0], int(labels[:, 0].sum())
    for column, value in enumerate(BerkJones("bj", order, marked).evaluate(labels)):
        brute = max(
            -stats.hypergeom(rows, marked, int(c)).logsf(int(labels[order[:c], column].sum()) - 1)
            for c in ladder(rows)
        )
        assert value == pytest.approx(brute, rel=1e-9)


def test_tail_count(bench, labels):
    order = np.argsort(bench.scores.local, kind="stable")
    counts = TailCount("tail", order, 0.1).evaluate(labels)
    np.testing.assert_array_equal(counts, labels[order[:11]].sum(axis=0))


def test_membership_rank_is_the_area_under_the_curve(bench, labels):
    score = np.round(bench.scores.distance, 1)  # with ties
    values = LinearRank("auc", area_weights(score)).evaluate(labels)
    for column, value in enumerate(values):
        inside = score[labels[:, column] == 1][:, None]
        outside = score[labels[:, column] == 0][None]
        area = np.mean((inside < outside) + 0.5 * (inside == outside))
        # Weights are rounded to 2^-21 each, and so is the difference of their means.
        assert value == pytest.approx(area - 0.5, abs=2**-20)


def test_savage_weights_are_expected_exponential_order_statistics():
    rng = np.random.default_rng(0)
    draws = np.sort(rng.exponential(size=(200_000, 5)), axis=1)[:, ::-1].mean(axis=0)
    weights = savage_weights(np.arange(5))
    # Standard error of a mean of 2e5 draws with deviation at most 1.21: 0.0027; 4 of them.
    np.testing.assert_allclose(weights, draws, atol=0.011)


def test_nearest_share(bench, labels, normal_sets):
    real = np.concatenate(normal_sets[:2])[bench.pool.order]
    nearest = np.linalg.norm(normal_sets[2][:, None] - real[None], axis=2).argmin(axis=1)
    values = NearestShare("share", bench.distances.table.forward.indices[:, 0], 110)
    np.testing.assert_allclose(values.evaluate(labels), labels[nearest].mean(axis=0))


@pytest.mark.parametrize("position", [0, 2, 4])
def test_negative_delta(bench, labels, normal_sets, position):
    real = np.concatenate(normal_sets[:2])[bench.pool.order]
    squares = ((normal_sets[2][:, None] - real[None]) ** 2).sum(axis=2)
    bandwidth = bench.distances.bandwidths[position]
    kernel = np.exp(-squares / (2 * bandwidth**2))
    kernel[squares > np.sort(squares, axis=1)[:, [31]]] = 0  # the 32 nearest
    for column, value in enumerate(
        NegativeDelta("d", bench.distances.table.forward, bandwidth, 110).evaluate(labels)
    ):
        inside = labels[:, column] == 1
        share = kernel[:, inside].sum(axis=1) / kernel.sum(axis=1)
        share = np.clip(share, MISSING_SHARE, 1 - MISSING_SHARE)
        delta = np.mean(np.log((1 - share) / 50) - np.log(share / 60))
        # float32 shares: relative error 1e-7 of a share as small as 1e-3 in the logarithm.
        assert value == pytest.approx(-delta, abs=2e-4)


def test_exchanging_the_roles_mirrors_every_statistic(bench, labels):
    order = np.argsort(bench.scores.distance, kind="stable")
    forward = bench.distances.table.forward
    family = [
        (BerkJones("a", order, 60), BerkJones("a", order, 50)),
        *[
            (s, s)
            for s in (
                TailCount("b", order, 0.05),
                LinearRank("c", savage_weights(order)),
                NearestShare("d", forward.indices[:, 0], 110),
                NegativeDelta("e", forward, 1.0, 110),
            )
        ],
    ]
    for statistic, mirrored in family:
        _, swapped = statistic.evaluate_both(labels)
        # Log shares pass through float32 and are rounded to six digits.
        np.testing.assert_allclose(swapped, mirrored.evaluate(1 - labels), atol=1e-5)
