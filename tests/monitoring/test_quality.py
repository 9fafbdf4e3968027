import numpy as np
import pytest

from byheart.monitoring.quality import MOST_HELDOUT, Judge, Quality, mean_distances, turn


def distances(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_distances_are_those_of_all_pairs(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(700, 3)).astype(dtype), rng.normal(size=(40, 3)).astype(dtype)
    # Far from the origin the expansion would lose digits without centring.
    there, back = mean_distances(a + dtype(100), b + dtype(100))
    exact = distances(np.float64(a + dtype(100)), np.float64(b + dtype(100)))
    # A squared distance is off by a few roundings of the squared norms, all of one order here.
    close = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(there, exact.mean(axis=1), rtol=close)
    np.testing.assert_allclose(back, exact.mean(axis=0), rtol=close)


def test_quality_is_the_energy_distance_over_distinct_pairs():
    rng = np.random.default_rng(1)
    heldout, made = rng.normal(size=(90, 4)), rng.normal(size=(60, 4)) + 0.3
    typical = distances(heldout, heldout).sum() / (90 * 89)
    among = distances(made, made).sum() / (60 * 59)
    expected = (2 * distances(made, heldout).mean() - among - typical) / typical
    # The diagonal of a self-distance table is about 1e-8 where it should be 0.
    assert Judge.of(heldout, rng).of_samples(made).value == pytest.approx(expected, abs=1e-8)


def test_the_law_itself_scores_zero_and_blur_and_poverty_cost():
    rng = np.random.default_rng(2)
    heldout = rng.normal(size=(400, 3))
    judge = Judge.of(heldout, rng)
    fresh = judge.of_samples(rng.normal(size=(400, 3))).value
    blurred = judge.of_samples(1.5 * rng.normal(size=(400, 3))).value
    poor = judge.of_samples(0.5 * rng.normal(size=(400, 3))).value
    # The value of the law has a deviation of about .002 (100 draws on other seeds).
    assert abs(fresh) < 0.01
    assert min(blurred, poor) > 0.02


@pytest.mark.slow
def test_intervals_cover():
    # 200 draws of the shifted law, truth from their mean (its own error is .0009). Asymptotic 95%:
    # at least 85% leaves room for the second-order terms; P(Binomial(200, .91) < 170) < .01.
    rng = np.random.default_rng(3)
    made = []
    for _ in range(200):
        heldout, samples = rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) + 0.3
        made.append(Judge.of(heldout, rng).of_samples(samples))
    truth = np.mean([q.value for q in made])
    assert sum(low <= truth <= high for low, high in (q.interval(0.05) for q in made)) >= 170


def test_a_large_heldout_set_is_cut():
    rng = np.random.default_rng(4)
    judge = Judge.of(rng.normal(size=(MOST_HELDOUT + 5, 2)), rng)
    assert judge.heldout.shape == (MOST_HELDOUT, 2)


def test_equal_rows_divide_by_nothing():
    judge = Judge.of(np.ones((20, 2)), np.random.default_rng(0))
    assert judge.of_samples(np.ones((20, 2))).value == 0
    assert np.isfinite(judge.of_samples(np.zeros((20, 2))).value)


def at(value, noise=0.0):
    terms = np.random.default_rng(0).normal(size=100)
    return Quality(value, np.where(terms > 0, noise, -noise) + value, noise**2 / 100)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.3, 0.1, 0.0], None),  # still improving
        ([0.5], None),
        ([], None),
        ([0.5, 0.0, 0.0, 0.2], (20, (20, 20), True)),
        ([0.5, 0.0001, 0.2, 0.0], (20, (20, 40), False)),  # a plateau within noise
    ],
)
def test_where_quality_stops_improving(values, expected):
    found = turn([10 * (k + 1) for k in range(len(values))], [at(v, 0.01) for v in values], 0.05)
    assert (None if found is None else (found.step, found.interval, found.fallen)) == expected
