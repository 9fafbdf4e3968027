import csv
import math
from pathlib import Path

import numpy as np
import pytest

from byheart import UsageError
from byheart.lab.theory.solvable_model import LinearOneStep

with (Path(__file__).parent / "kl_reference.csv").open(encoding="utf-8") as file:
    REFERENCE = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("dimension", sorted({row["d"] for row in REFERENCE}))
def test_every_prediction_against_the_reference(dimension):
    """Every row with n ≥ 1.1 d: within 4 standard errors, nothing added.

    640 comparisons, so a false alarm in 25 sets of seeds (these are fixed), and the root mean
    square of the standardised errors in [.8, 1.25]: no error hides below the noise.
    """
    names = ("expected_kl", "log_determinant", "trace_per_dimension", "mean_offset")
    columns = ("kl", "logdet", "tau", "mean2")
    scores = {name: [] for name in names}
    for row in (row for row in REFERENCE if row["d"] == dimension):
        n = int(row["n"])
        model = LinearOneStep(int(dimension), row["T"], row["lambda"])
        assert float(model.kl_lower_bound(n)) <= row["kl_mean"] + 3 * row["kl_se"], row
        if n >= 1.1 * dimension:
            for name, column in zip(names, columns, strict=True):
                gap = float(getattr(model, name)(n)) - row[f"{column}_mean"]
                scores[name].append(gap / row[f"{column}_se"])
    for name, values in scores.items():
        assert np.max(np.abs(values)) < 4, name
        assert 0.8 < np.sqrt(np.mean(np.square(values))) < 1.25, name


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
    # good to .01 for d ≥ 16, and to .15 at d = 2.
    allowed = 0.01 if d >= 16 else 0.15
    for name in ("trace_per_dimension", "mean_offset"):
        estimate = getattr(found, name)
        gap = abs(float(getattr(model, name)(n)) - estimate.mean)
        assert gap <= 4.5 * estimate.standard_error, name
    gap = abs(float(model.log_determinant(n)) - found.log_determinant.mean)
    assert gap <= 4.5 * found.log_determinant.standard_error + allowed
    gap = abs(float(model.expected_kl(n)) - found.kl.mean)
    assert gap <= 4.5 * found.kl.standard_error + allowed / 2
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


def test_more_data_can_hurt_under_strong_noise():
    """E KL falls from d + 3 on for r > 0.187 and has a second rise below (docs)."""
    for noise_scale, falls in ((4.2, True), (4.6, False)):  # r₀ is at lambda = 4.339
        model = LinearOneStep(10_000, 5.0, noise_scale)
        curve = model.expected_kl(np.arange(10_003, 100_000, 50))
        assert np.all(np.diff(curve) < 0) == falls
    model = LinearOneStep(20, 2.0, 20.0)
    few, many = model.simulate(60, 60, seed=0).kl, model.simulate(300, 60, seed=1).kl
    assert many.mean - few.mean > 4.5 * math.hypot(few.standard_error, many.standard_error)


@pytest.mark.parametrize("dimension", [1, 2, 5, 300, 10**6])
@pytest.mark.parametrize("noise_scale", [1e-9, 0.05, 1.0, 1e6])
def test_the_bound_is_below_and_nothing_warns(dimension, noise_scale):
    model = LinearOneStep(dimension, 2.0, noise_scale)
    n = dimension + 3 + np.unique(np.geomspace(1, 1000 * dimension, 200).astype(int)) - 1
    assert np.all(model.kl_lower_bound(n) <= model.expected_kl(n))
    assert np.all(np.isfinite(model.log_determinant(n)))


def test_below_the_dimension_against_simulation():
    model = LinearOneStep(20, 2.0, 1.0)
    found = model.simulate(8, 1500, seed=0)
    assert found.kl.mean == math.inf
    assert found.squared_hellinger.mean == 1.0
    for name in ("trace_per_dimension", "mean_offset"):
        estimate = getattr(found, name)
        gap = abs(float(getattr(model, name)(8)) - estimate.mean)
        assert gap <= 4.5 * estimate.standard_error


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
