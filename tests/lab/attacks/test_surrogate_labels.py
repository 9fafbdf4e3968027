"""Clusters of samples: what is kept is coherent."""

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.attacks.surrogate_labels import centred, surrogate_labels

RNG = np.random.default_rng(0)
# Two tight bundles far out along the first two axes, and noise without a direction.
TIGHT = np.repeat(10 * np.eye(20)[:2], 100, axis=0) + 0.1 * RNG.normal(size=(200, 20))
NOISE = RNG.normal(size=(100, 20))
SAMPLES = np.concatenate([TIGHT, NOISE])


def test_noise_is_dropped_and_bundles_are_kept():
    found = surrogate_labels(SAMPLES, clusters=6, seed=0)
    assert found.kept < found.found == 6
    assert set(found.rows) == set(range(200))
    # A bundle may be cut, but no cluster holds rows of both.
    assert not set(found.labels[:100]) & set(found.labels[100:])
    assert sorted(set(found.labels)) == list(range(found.kept))
    assert found.cohesion.min() > 0.9


def test_the_most_coherent_come_first():
    found = surrogate_labels(SAMPLES, clusters=6, most=1, cohesion=-1, seed=0)
    everything = surrogate_labels(SAMPLES, clusters=6, cohesion=-1, seed=0)
    assert found.kept == 1
    assert found.cohesion[0] == everything.cohesion.max()


def test_orthogonal_samples_have_no_cohesion():
    # 100 orthogonal rows in 2 clusters: with their own share in the centroid, 1/sqrt(50) and more.
    found = surrogate_labels(np.eye(100), clusters=2, cohesion=-1, needed=1, seed=0)
    np.testing.assert_allclose(found.cohesion, 0, atol=1e-12)


def test_few_samples_have_few_clusters():
    assert surrogate_labels(SAMPLES[:200], clusters=100, seed=0).found == 4


def test_the_origin_matters():
    positive = 5 + RNG.normal(size=(200, 20))
    assert surrogate_labels(positive, clusters=2, seed=0).kept == 2
    with pytest.raises(UsageError, match=r"0 of 2 clusters have a mean cosine of 0\.5"):
        surrogate_labels(positive, clusters=2, features=centred, seed=0)


def test_refusals():
    with pytest.raises(UsageError, match="cohesion must be a cosine"):
        surrogate_labels(SAMPLES, cohesion=2.0, seed=0)
    with pytest.raises(UsageError, match="clusters must be at least 2"):
        surrogate_labels(SAMPLES, clusters=1, seed=0)
    with pytest.raises(UsageError, match="too few to cluster"):
        surrogate_labels(SAMPLES[:3], seed=0)
    with pytest.raises(InputError, match="features: 2 rows for 300 samples"):
        surrogate_labels(SAMPLES, features=lambda x: x[:2], seed=0)
