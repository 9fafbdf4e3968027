"""The network approaches the exact classifier, and its gradient is its own."""

import numpy as np
import pytest

pytest.importorskip("torch")

from byheart.errors import InputError, UsageError
from byheart.lab.diffusion.guidance import BayesClassifier
from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser
from byheart.lab.diffusion.neural_classifier import train_classifier

CENTRES = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
LABELS = np.repeat(np.arange(3), 200)
POINTS = CENTRES[LABELS] + 0.5 * np.random.default_rng(0).normal(size=(600, 2))
EXACT = BayesClassifier([IsotropicMixtureDenoiser(c[None], 0.5) for c in CENTRES], np.ones(3) / 3)


@pytest.fixture(scope="module")
def classifier():
    return train_classifier(POINTS, LABELS, s_min=0.1, s_max=10.0, steps=600, width=64, seed=0)


@pytest.mark.parametrize("s", [0.3, 1.0, 5.0])
def test_it_is_near_the_exact_classifier(classifier, s):
    rng = np.random.default_rng(1)
    y = CENTRES[rng.integers(3, size=500)] + np.hypot(0.5, s) * rng.normal(size=(500, 2))
    p, q = (np.exp(c.log_probabilities(y, s)) for c in (EXACT, classifier))
    # 600 steps on 600 points: a mean total variation of a few percent, .09 at the most in trials.
    assert np.abs(p - q).sum(axis=1).mean() / 2 < 0.1
    exact, neural = (c.log_gradient(y, s, 1) for c in (EXACT, classifier))
    assert np.corrcoef(exact.ravel(), neural.ravel())[0, 1] > 0.8


def test_the_gradient_is_that_of_the_log_probability(classifier):
    y, s, step = np.array([[0.3, 0.2], [-1.0, 2.0]]), 0.7, 1e-2
    gradient = classifier.log_gradient(y, s, [0, 2])
    for j in range(2):
        shift = step * np.eye(2)[j]
        upper, lower = (classifier.log_probabilities(y + e, s) for e in (shift, -shift))
        slope = (upper - lower)[[0, 1], [0, 2]] / (2 * step)
        # Float32 logs, 1e-6/h = 1e-4; the curvature's h^2 f'''/6 is of the same order.
        np.testing.assert_allclose(gradient[:, j], slope, rtol=2e-2, atol=2e-3)


def test_the_same_seed_gives_the_same_network():
    a, b, other = (
        train_classifier(POINTS, LABELS, s_min=0.1, s_max=10.0, steps=5, width=8, seed=s)
        for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(
        a.log_probabilities(POINTS, 1.0), b.log_probabilities(POINTS, 1.0)
    )
    assert (a.log_probabilities(POINTS, 1.0) != other.log_probabilities(POINTS, 1.0)).any()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"labels": LABELS[:5]}, UsageError, "labels must be 600 whole numbers"),
        ({"labels": LABELS * 2}, UsageError, "each used"),
        ({"s_max": 0.01}, UsageError, "s_min must be below s_max"),
        ({"points": np.ones((600, 2))}, InputError, "all entries are equal"),
        ({"steps": 0}, UsageError, "steps must be at least 1"),
    ],
)
def test_refusals(changes, error, message):
    arguments = {"points": POINTS, "labels": LABELS, "s_min": 0.1, "s_max": 10.0} | changes
    with pytest.raises(error, match=message):
        train_classifier(**arguments, seed=0)
