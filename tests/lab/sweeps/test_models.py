"""Models of a plan: their laws, and samples that agree with them."""

from __future__ import annotations

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.sweeps.material import prepare
from byheart.lab.sweeps.models import check_model, draw_samples, fit_law
from byheart.lab.sweeps.plan import Plan


def material(model, data=None):
    return prepare(
        Plan.parse(
            {
                "data": data or {"kind": "gaussian", "dimension": 4, "mean": 3.0, "std": 2.0},
                "model": model,
                "sweep": {"n": [30], "repeats": 1},
            }
        )
    )


def points(count=30, d=4):
    return 3 + 2 * np.random.default_rng(0).normal(size=(count, d))


def test_the_multi_step_law_is_the_fitted_gaussian():
    shared = material({"kind": "linear-multi-step", "noise_floor": 0.5})
    x = points()
    law = fit_law(shared.plan.model, x, np.random.default_rng(0))
    covariance = (law.basis * law.values) @ law.basis.T + law.floor * np.eye(4)
    assert law.mean == pytest.approx(x.mean(axis=0))
    assert covariance == pytest.approx(np.cov(x.T) + 0.5 * np.eye(4))


@pytest.mark.parametrize("kind", ["linear", "linear-multi-step"])
def test_samples_of_a_linear_model_have_its_law(kind):
    model = {"kind": kind, **({"noise_floor": 0.5} if kind != "linear" else {})}
    shared, seeds, count = material(model), np.random.SeedSequence(1), 40_000
    law = fit_law(shared.plan.model, points(), np.random.default_rng(seeds.spawn(2)[0]))
    drawn = draw_samples(shared.plan.model, shared, points(), count, np.random.SeedSequence(1))
    # means of 40,000 draws with deviations below 6: 5 standard errors are 0.15
    assert drawn.mean(axis=0) == pytest.approx(law.mean, abs=0.15)
    assert np.trace(np.cov(drawn.T)) == pytest.approx(float(law.trace), rel=0.05)


def test_the_empirical_model_returns_training_points():
    x = points()
    shared = material({"kind": "empirical"})
    drawn = draw_samples(shared.plan.model, shared, x, 50, np.random.SeedSequence(0))
    gaps = np.linalg.norm(drawn[:, None] - x[None], axis=2).min(axis=1)
    assert np.median(gaps) < 1e-3 * shared.spacing


def test_the_kernel_smoothed_model_is_as_wide_as_its_kernel():
    x = points()
    shared = material({"kind": "kernel-smoothed", "bandwidth": 0.2, "steps": 60})
    drawn = draw_samples(shared.plan.model, shared, x, 400, np.random.SeedSequence(0))
    gaps = np.linalg.norm(drawn[:, None] - x[None], axis=2).min(axis=1)
    # |N(0, .2² I_4)| has the mean .376; points of the kernel next to another one are nearer
    assert 0.25 < np.mean(gaps) < 0.4


@pytest.mark.parametrize("kind", ["mlp", "unet"])
@pytest.mark.slow
def test_neural_models_train_and_repeat(kind):
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    small = {"width": 16, "depth": 1} if kind == "mlp" else {"channels": [4, 8]}
    shared = material({"kind": kind, "training_steps": 3, "steps": 5, **small}, {"kind": "digits"})
    check_model(shared.plan.model, shared)
    x, _ = shared.split(30, np.random.default_rng(0))
    flat = x.reshape(30, -1)
    first, again = (
        draw_samples(shared.plan.model, shared, flat, 6, np.random.SeedSequence(2))
        for _ in range(2)
    )
    assert first.shape == (6, 64)
    assert np.isfinite(first).all()
    assert np.array_equal(first, again)


def test_a_unet_needs_images():
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    shared = material({"kind": "unet", "epochs": 1}, {"kind": "gaussian", "dimension": 5})
    with pytest.raises(UsageError, match="grey images or vectors of a square length"):
        check_model(shared.plan.model, shared)
    shared = material({"kind": "unet", "epochs": 1}, {"kind": "gaussian", "dimension": 9})
    with pytest.raises(UsageError):
        check_model(shared.plan.model, shared)
