from fractions import Fraction

import numpy as np
import pytest

from byheart import UsageError
from byheart.lab.theory.exact_log_determinant import exact_log_determinant, series
from byheart.lab.theory.random_matrix import regression_log_determinant


@pytest.mark.parametrize(
    ("d", "n", "r"), [(1, 5, 0.5), (2, 6, 0.9), (4, 8, 0.2), (9, 21, 0.6), (12, 14, 0.95)]
)
def test_against_simulation(d, n, r):
    rng = np.random.default_rng(d + n)
    y = rng.normal(size=(8000, n, d))
    x = np.sqrt(r) * y + np.sqrt(1 - r) * rng.normal(size=y.shape)
    cross, gram = np.swapaxes(y, 1, 2) @ x, np.swapaxes(y, 1, 2) @ y
    logs = 2 * (np.linalg.slogdet(cross)[1] - np.linalg.slogdet(gram)[1])
    error = logs.std() / np.sqrt(len(logs))
    # 5 comparisons at 4.5 standard errors: a false alarm in 30,000 runs.
    assert abs(logs.mean() - exact_log_determinant(d, n, r)) < 4.5 * error


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("excess", [2, 4, 12])
def test_the_series_is_the_logarithm_up_to_order_d(d, excess):
    """The binomial series: only partitions of more than d rows are missing."""
    r = Fraction(1, 1000)
    remainder = series(d, d + excess, r) + excess * np.log1p(-0.001)
    # The coefficient of r^(d+1) is a polynomial of degree d + 1 in the excess.
    assert 0 < abs(remainder) < (0.001 * excess) ** (d + 1)


def test_the_remainder_vanishes_below_the_second_scale_and_not_beyond():
    def remainder(d, k, r):
        return series(d, k * d, r) + (k - 1) * d * np.log1p(-r)

    below = [abs(remainder(d, 2, 0.3)) for d in (10, 20, 40)]
    assert below[0] > 10 * below[1] > 1000 * below[2]
    assert abs(remainder(40, 4, 0.3)) > 0.5


def test_square_case_and_no_correlation():
    assert series(7, 7, 0.9) == 0.0
    assert series(7, 21, 0.0) == 0.0


def test_the_denoiser_of_noiseless_data():
    """r → 1: B is nearly the identity, so the log determinant tends to 0."""
    assert abs(exact_log_determinant(3, 9, 1 - 1e-9)) < 1e-8


@pytest.mark.parametrize(
    "arguments", [(0, 2, 0.5), (3, 2, 0.5), (3, 6, 0.5), (3, 5, 1.0), (3, 5, -0.1)]
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(UsageError):
        series(*arguments)


# Largest errors found on a finer grid (theory_accuracy): .017, .013, .005, .005.
@pytest.mark.parametrize(("d", "allowed"), [(8, 0.02), (16, 0.016), (64, 0.006), (100, 0.006)])
@pytest.mark.parametrize("r", [0.2, 0.505, 0.8, 0.95])
def test_the_closed_form_against_the_series(d, allowed, r):
    for kr in (0.5, 0.8, 0.9, 0.97, 1.0, 1.03, 1.1, 1.2, 1.5, 2.5):
        n = d + 2 * round((kr / r - 1) * d / 2)
        if n < 1.25 * d:
            continue
        found = float(regression_log_determinant(d, n, r, 1 - r))
        assert found == pytest.approx(exact_log_determinant(d, n, r), abs=allowed), kr


def test_a_million_dimensions():
    """Continuous there as well: second differences over steps of 0.1% of n."""
    n = np.arange(1_500_000, 2_500_000, 1000)
    values = regression_log_determinant(10**6, n, 0.5, 0.5)
    # curvature d/k² per unit² of k, times (1e-3)², about 1
    assert np.all(np.abs(np.diff(values, 2)) < 3.0)
