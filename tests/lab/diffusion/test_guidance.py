"""Guidance is exact where the classifier is: the class's own denoiser comes out."""

import math

import numpy as np
import pytest
from contract import (
    does_not_change_its_argument,
    refuses_another_noise_level,
    refuses_another_shape,
    rows_do_not_depend_on_each_other,
)

from byheart.errors import InputError, UsageError
from byheart.lab.diffusion import EmpiricalDenoiser, GaussianMixtureDenoiser, KernelSmoothedDenoiser
from byheart.lab.diffusion.guidance import BayesClassifier, GuidedDenoiser
from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(12, 3)) + 2
WIDTHS = np.where(np.arange(12) < 4, 0.0, 0.3)
WEIGHTS = np.arange(1, 13) / 78
MODEL = IsotropicMixtureDenoiser(POINTS, WIDTHS, WEIGHTS)
PARTS = [MODEL.restrict(np.arange(12) % 3 == c) for c in range(3)]
PRIORS = [MODEL.weight(np.arange(12) % 3 == c) for c in range(3)]
CLASSIFIER = BayesClassifier(PARTS, PRIORS)
Y = RNG.normal(size=(7, 3)) * 2 + 2


@pytest.mark.parametrize("s", [0.05, 0.7, 20.0])
def test_isotropic_mixture_is_the_general_mixture_and_the_special_ones(s):
    general = GaussianMixtureDenoiser(WEIGHTS, POINTS, [w**2 * np.eye(3) for w in WIDTHS])
    # Log weights are of order |y|^2/s^2, up to 1e4, times the rounding 1e-16.
    np.testing.assert_allclose(MODEL.mean(Y, s), general.mean(Y, s), rtol=1e-9, atol=1e-9)
    for denoiser, width in (
        (EmpiricalDenoiser(POINTS), 0.0),
        (KernelSmoothedDenoiser(POINTS, 0.3), 0.3),
    ):
        mine = IsotropicMixtureDenoiser(POINTS, width).mean(Y, s)
        np.testing.assert_allclose(mine, denoiser.mean(Y, s), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("s", [0.2, 1.0])
def test_log_density_is_brute_force_and_its_gradient_is_the_score(s):
    def brute(y):
        v = WIDTHS**2 + s**2
        squares = ((y[:, None] - POINTS) ** 2).sum(axis=2)
        return np.log((WEIGHTS * (2 * np.pi * v) ** -1.5 * np.exp(-squares / (2 * v))).sum(axis=1))

    near = POINTS[:7] + 0.3
    np.testing.assert_allclose(MODEL.log_density(near, s), brute(near), rtol=1e-10)
    step = 1e-5
    for j in range(3):
        shift = step * np.eye(3)[j]
        slope = (MODEL.log_density(near + shift, s) - MODEL.log_density(near - shift, s)) / (
            2 * step
        )
        # Tweedie: s^2 grad log rho_s = D - y. Central differences: h^2 f'''/6 + 1e-16/h < 1e-6.
        np.testing.assert_allclose(s**2 * slope, (MODEL.mean(near, s) - near)[:, j], atol=1e-6)


def test_guided_with_strength_one_is_the_conditional_mixture():
    for s in (0.1, 1.0, 10.0):
        for c in range(3):
            guided = GuidedDenoiser(MODEL, CLASSIFIER, c).mean(Y, s)
            # Exact in real numbers; rounding of the log weights as above.
            np.testing.assert_allclose(guided, PARTS[c].mean(Y, s), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("strength", [0.0, 0.5, 3.0])
def test_other_strengths_are_on_the_line_through_both(strength):
    labels = np.arange(7) % 3
    guided = GuidedDenoiser(MODEL, CLASSIFIER, labels, strength).mean(Y, 0.8)
    own = np.stack([PARTS[c].mean(Y[i : i + 1], 0.8)[0] for i, c in enumerate(labels)])
    line = (1 - strength) * MODEL.mean(Y, 0.8) + strength * own
    np.testing.assert_allclose(guided, line, rtol=1e-8, atol=1e-8)


def test_the_gradient_is_that_of_the_log_probability():
    s, step = 0.9, 1e-5
    probabilities = CLASSIFIER.log_probabilities(Y, s)
    np.testing.assert_allclose(np.exp(probabilities).sum(axis=1), 1, rtol=1e-12)
    gradient = CLASSIFIER.log_gradient(Y, s, 1)
    for j in range(3):
        shift = step * np.eye(3)[j]
        upper = CLASSIFIER.log_probabilities(Y + shift, s)[:, 1]
        lower = CLASSIFIER.log_probabilities(Y - shift, s)[:, 1]
        np.testing.assert_allclose(gradient[:, j], (upper - lower) / (2 * step), atol=1e-6)


def test_contracts():
    for denoiser in (MODEL, GuidedDenoiser(MODEL, CLASSIFIER, 2, 1.5)):
        rows_do_not_depend_on_each_other(denoiser, 0.6, 1e-9)
        does_not_change_its_argument(denoiser, 0.6)
        refuses_another_shape(denoiser, 0.6)
        refuses_another_noise_level(denoiser)


def test_sampled_points_have_the_law():
    x = MODEL.sample(20_000, np.random.default_rng(1))
    centre = WEIGHTS @ POINTS
    # Deviation of a coordinate about 1: the standard error is .007; 5 of them.
    np.testing.assert_allclose(x.mean(axis=0), centre, atol=0.04)


def test_refusals():
    with pytest.raises(UsageError, match="strength must be finite"):
        GuidedDenoiser(MODEL, CLASSIFIER, 0, -1.0)
    with pytest.raises(UsageError, match="strength must be finite"):
        GuidedDenoiser(MODEL, CLASSIFIER, 0, math.inf)
    with pytest.raises(UsageError, match="labels must be classes 0 to 2"):
        GuidedDenoiser(MODEL, CLASSIFIER, 3)
    with pytest.raises(UsageError, match="sample as many rows as labels"):
        GuidedDenoiser(MODEL, CLASSIFIER, [0, 1]).mean(Y, 1.0)
    with pytest.raises(UsageError, match="the classifier sees 3 coordinates"):
        GuidedDenoiser(EmpiricalDenoiser([[0.0]]), CLASSIFIER, 0)
    with pytest.raises(UsageError, match="priors must be above 0"):
        BayesClassifier(PARTS, [0.5, 0.5, 0.5])
    with pytest.raises(UsageError, match="bandwidths must be"):
        IsotropicMixtureDenoiser(POINTS, -0.1)
    with pytest.raises(UsageError, match=r"weights / weights\.sum"):
        IsotropicMixtureDenoiser(POINTS, 0.1, np.ones(12))
    with pytest.raises(InputError, match="weights: shape"):
        IsotropicMixtureDenoiser(POINTS, 0.1, np.ones(2) / 2)
    with pytest.raises(UsageError, match="bandwidth of 0 has no density"):
        MODEL.log_density(Y)
    with pytest.raises(UsageError, match="no row is chosen"):
        MODEL.restrict([])
