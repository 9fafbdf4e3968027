import numpy as np
import pytest
from scipy import stats

from byheart.auditing import controls
from byheart.auditing.permutation import Units
from byheart.auditing.pool import Sample
from byheart.auditing.search import ExactSearch
from byheart.distances.neighbours import two_way, within


def exchangeability(train, heldout, seed):
    rng = np.random.default_rng(seed)
    rows = np.concatenate([train, heldout])
    order = rng.permutation(len(rows))
    units = Units(np.arange(len(rows)), (np.arange(len(rows)) < len(train))[order])
    real = rows[order]
    return controls.exchangeability(real, within(real, 5), units, 99, 0.05, rng)


@pytest.mark.parametrize("dimension", [3, 50])
@pytest.mark.slow
def test_a_random_split_is_exchangeable(dimension):
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, dimension])
        train, heldout = rng.normal(size=(2, 40, dimension))
        rejected += not exchangeability(train, heldout, seed).passed
    assert rejected <= stats.binom(200, 0.05).ppf(0.999)


@pytest.mark.parametrize(("shift", "stretch"), [(0.5, 1.0), (0.0, 1.4)])
def test_drift_is_found(shift, stretch):
    rng = np.random.default_rng(0)
    train, heldout = rng.normal(size=(2, 300, 6))
    assert not exchangeability(train, shift + stretch * heldout, 0).passed


def test_neighbour_agreement_by_counting():
    rng = np.random.default_rng(0)
    indices = np.array([rng.permutation(30)[:5] for _ in range(30)])
    labels = rng.integers(0, 2, size=(30, 4)).astype(np.uint8)
    same = (labels[indices] == labels[:, None]).mean(axis=(0, 1))
    value = controls.NeighbourAgreement("a", indices).evaluate(labels)
    np.testing.assert_allclose(value, 2 * same - 1)


def test_mean_difference_by_definition():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4)) * [1, 10, 0, 0.1]
    labels = rng.integers(0, 2, size=(30, 3)).astype(np.uint8)
    spread = x.std(axis=0)[[0, 1, 3]]
    for column, value in enumerate(controls.MeanDifference("m", x).evaluate(labels)):
        gap = x[labels[:, column] == 1].mean(0) - x[labels[:, column] == 0].mean(0)
        assert value == pytest.approx(((gap[[0, 1, 3]] / spread) ** 2).sum(), rel=1e-9)


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


def blobs(rng, count):
    """Images of one bright spot each in the upper left, 6 x 6 x 3, values in [0, 1]."""
    images = 0.1 * rng.random((count, 6, 6, 3))
    images[np.arange(count), rng.integers(0, 2, count), rng.integers(2, 5, count), 0] += 0.9
    return images


SPOILED = {
    "0 to 255": lambda x: x * 255,
    "[-1, 1]": lambda x: 2 * x - 1,
    "inverted": lambda x: 1 - x,
    "transposed": lambda x: x.swapaxes(1, 2),
    "channel order": lambda x: x[..., ::-1],
    "channels first": lambda x: np.moveaxis(x, 3, 1),
    "upside down": lambda x: x[:, ::-1],
}


@pytest.mark.parametrize("cause", SPOILED)
def test_a_wrong_encoding_is_named(cause):
    rng = np.random.default_rng(0)
    real, generated = blobs(rng, 300), blobs(rng, 100)
    found = compare(real, SPOILED[cause](generated), rng)
    assert not found.passed
    assert found.cause is not None
    assert cause in found.cause


def compare(real, generated, rng):
    flat = real.reshape(len(real), -1)
    made = np.ascontiguousarray(generated.reshape(len(generated), -1))
    return controls.comparability(ExactSearch.run(made, flat, 8, 1 << 30), (6, 6, 3), rng)


@pytest.mark.parametrize("spoil", [lambda x: x, lambda x: x + 0.1, lambda x: x**1.2])
def test_a_poor_model_is_not_taken_for_a_wrong_encoding(spoil):
    rng = np.random.default_rng(0)
    assert compare(blobs(rng, 300), spoil(blobs(rng, 100)), rng).passed
