"""The three readings of isolation against what is known of planted and of honest models."""

import numpy as np

from byheart.lab.measures.coverage_score import Area, coverage_score
from byheart.lab.measures.isolation import isolation


def clustered(rng, n):
    """Half of the rows crowded in clusters, half isolated."""
    centres = 6 * np.random.default_rng(99).normal(size=(4, 3))
    crowded = centres[rng.integers(0, 4, size=n // 2)] + 0.3 * rng.normal(size=(n // 2, 3))
    return np.concatenate([crowded, 6 * rng.normal(size=(n - n // 2, 3))])


def test_a_model_that_copies_isolated_points_is_read_so():
    rng = np.random.default_rng(1)
    train, heldout = clustered(rng, 240), clustered(rng, 240)
    order = isolation(train).order
    fresh = clustered(rng, 200)
    copies = train[order[:60]] + 0.005 * rng.normal(size=(60, 3))
    found = coverage_score(train, heldout, np.concatenate([fresh, copies]))
    assert found.verdict == "memorizes"
    assert found.named.value > 0.8
    assert found.reproduced.value > 0.8
    crowded, _, isolated = found.thirds
    assert isolated.value - crowded.value > 0.1


def test_an_honest_model_has_one_half_in_every_third():
    """Fresh draws: each third's area lies in its 99.9% interval; 3 thirds miss with .003."""
    rng = np.random.default_rng(1)
    found = coverage_score(*(clustered(rng, 200) for _ in range(3)), level=0.001)
    for third in found.thirds:
        assert third.interval[0] <= 0.5 <= third.interval[1]
    assert sum(third.points for third in found.thirds) == 200
    assert found.named.value is None or found.named.points < 5


def test_an_empty_set_has_no_area():
    area = Area.of(np.ones(3), np.ones(0))
    assert (area.value, area.interval, area.points) == (None, None, 3)
