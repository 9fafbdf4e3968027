import numpy as np
import pytest
from scipy import stats

from byheart.auditing import controls
from byheart.auditing.pool import Sample
from byheart.distances.neighbours import two_way, within


def pooled(train, heldout, generated):
    real = np.concatenate([train, heldout])
    training = np.arange(len(real)) < len(train)
    table = two_way(generated, real, 8)
    return Sample(table.forward, table.backward, within(real, 8)), training


def test_a_model_trained_on_the_heldout_set_is_noticed():
    rng = np.random.default_rng(0)
    train, heldout = rng.normal(size=(2, 200, 6))
    both = np.concatenate([train, heldout])
    generated = both[rng.permutation(400)[:100]] + 0.01 * rng.normal(size=(100, 6))
    found = controls.independence(*pooled(train, heldout, generated), level=0.01)
    assert not found.passed
    assert found.generated_share > 0.3 > found.train_share


@pytest.mark.slow
def test_independence_seldom_alarms_on_honest_samples():
    """Data with chance twins: generated, training and held-out rows reproduce each other alike."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 4])
        train, heldout, generated = (
            np.round(rng.normal(size=(100, 2)), 1) + 0.001 * rng.normal(size=(100, 2))
            for _ in range(3)
        )
        alarms += not controls.independence(*pooled(train, heldout, generated), 0.05).passed
    # Counts of near pairs share points, so the test is approximate; twice the level is the limit.
    assert alarms <= stats.binom(200, 0.1).ppf(0.999)


def test_duplicates_are_counted_by_exact_equality():
    train = np.array([[0.0, 1.0], [2.0, 3.0], [-0.0, 1.0]])
    heldout = np.array([[2.0, 3.0], [0.0, 1.0], [2.0, 3.0 + 1e-12]])
    found = controls.duplicates(train, heldout)
    assert found.count == 2
    assert found.pairs == ((1, 0), (0, 1))
