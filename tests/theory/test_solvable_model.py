import csv
import math
from pathlib import Path

import numpy as np
import pytest

from byheart import UsageError
from byheart.theory.solvable_model import LinearOneStep

with (Path(__file__).parent / "kl_reference.csv").open(encoding="utf-8") as file:
    REFERENCE = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("dimension", sorted({row["d"] for row in REFERENCE}))
def test_expected_kl_against_the_reference(dimension):
    """Every row: 3.5 standard errors, or 0.3% (d ≥ 100, n ≥ 1.1 d), or 2% (d = 16, n ≥ 1.5 d)."""
    rows = [row for row in REFERENCE if row["d"] == dimension]
    start, allowed = (1.5, 0.02) if dimension < 100 else (1.1, 0.003)
    for row in rows:
        n = int(row["n"])
        model = LinearOneStep(int(dimension), row["T"], row["lambda"])
        if n >= start * dimension:
            slack = max(3.5 * row["kl_se"], allowed * row["kl_mean"])
            assert abs(float(model.expected_kl(n)) - row["kl_mean"]) <= slack, row
        if n > dimension + 2:
            assert float(model.kl_lower_bound(n)) <= row["kl_mean"] + 3 * row["kl_se"], row
            # 160 rows at 4.5 standard errors: one false alarm in a thousand runs.
            offset = abs(float(model.mean_offset(n)) - row["mean2_mean"])
            assert offset <= 4.5 * row["mean2_se"], row


@pytest.mark.parametrize(
    ("d", "n", "time", "noise_scale", "sigma"),
    [
        (24, 40, 1.0, 0.3, 1.0),
        (24, 60, 1.0, 2.5, 1.0),
        (40, 80, 3.0, 1.0, 1.0),  # n/d close to 1/r
        (40, 400, 0.7, 0.1, 1.0),
        (30, 45, 2.0, 4.0, 2.5),
        (2, 9, 1.0, 1.0, 0.5),
    ],
)
def test_other_parameters_against_simulation(d, n, time, noise_scale, sigma):
    model = LinearOneStep(d, time, noise_scale, sigma)
    found = model.simulate(n, 400, seed=d + n)
    # 24 comparisons at 4.5 standard errors: a false alarm in 6,000 runs. The log determinant is
    # an asymptotic formula; 0.1 is its largest error at d = 60 (module), 2% that of E KL at d = 16.
    for name, slack in (("trace_per_dimension", 0.0), ("mean_offset", 0.0)):
        estimate = getattr(found, name)
        gap = abs(float(getattr(model, name)(n)) - estimate.mean)
        assert gap <= 4.5 * estimate.standard_error + slack, name
    if d >= 24:
        gap = abs(float(model.log_determinant(n)) - found.log_determinant.mean)
        assert gap <= 4.5 * found.log_determinant.standard_error + 0.1
        gap = abs(float(model.expected_kl(n)) - found.kl.mean)
        assert gap <= 4.5 * found.kl.standard_error + 0.02 * found.kl.mean
    assert float(model.kl_lower_bound(n)) <= found.kl.mean + 3 * found.kl.standard_error


def test_limits():
    model = LinearOneStep(50, 2.0, 1.0)
    assert model.scales.interpolation == 53
    assert model.scales.second == pytest.approx(50 / model.correlation)
    assert float(model.expected_kl(10**9)) == pytest.approx(model.kl_floor, rel=1e-5)
    assert np.all(np.isinf(model.expected_kl(np.arange(2, 53))))
    assert math.isfinite(float(model.expected_kl(53)))
    curve = model.expected_kl(np.arange(53, 5000))
    assert np.all(np.diff(curve) < 0)
    assert np.all(np.isneginf(model.log_determinant(np.arange(2, 51))))
    assert LinearOneStep(50, 2.0, 1e-9).kl_floor == pytest.approx(0, abs=1e-12)


def test_below_the_dimension_against_simulation():
    model = LinearOneStep(20, 2.0, 1.0)
    found = model.simulate(8, 1500, seed=0)
    assert found.kl.mean == math.inf
    assert found.squared_hellinger.mean == 1.0
    # s_gen² fluctuates with the fit, an effect of order 1/(N d) that the formula leaves out.
    for name in ("trace_per_dimension", "mean_offset"):
        estimate = getattr(found, name)
        slack = 4.5 * estimate.standard_error + 0.01 * estimate.mean
        assert abs(float(getattr(model, name)(8)) - estimate.mean) <= slack


def test_the_log_determinant_is_continuous_across_the_second_scale():
    model = LinearOneStep(400, 2.0, 1.0)
    values = model.log_determinant(np.arange(700, 900))
    assert np.max(np.abs(np.diff(values, 2))) < 0.02


def test_the_fit_is_least_squares_with_a_mean():
    """At vanishing noise the denoiser is the identity and generation copies the data's law."""
    rng = np.random.default_rng(0)
    x = 10 + rng.normal(size=(200, 3))
    law = LinearOneStep(3, 0.5, 1e-12).fit(x, rng)
    np.testing.assert_allclose(law.mean, x.mean(axis=0), atol=1e-4)
    assert float(law.trace) / 3 == pytest.approx(x.var(axis=0, ddof=1).mean(), rel=1e-4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: LinearOneStep(0, 1.0, 1.0),
        lambda: LinearOneStep(3, -1.0, 1.0),
        lambda: LinearOneStep(3, 1.0, 1.0).expected_kl(1),
        lambda: LinearOneStep(3, 1.0, 1.0).expected_kl(10.5),
        lambda: LinearOneStep(3, 1.0, 1.0).fit(np.zeros((5, 2)), np.random.default_rng(0)),
    ],
)
def test_wrong_arguments_are_refused(call):
    with pytest.raises(UsageError):
        call()


def test_a_million_dimensions_and_a_thousand_sizes():
    curve = LinearOneStep(10**6, 2.0, 1.0).expected_kl(np.arange(10**6 + 3, 4 * 10**6, 3000))
    assert np.all(np.diff(curve) < 0)
