"""The three readings of isolation against what is known of planted and of exact models."""

import numpy as np
import pytest
from papers.retrieval import retrieve

from byheart.lab.measures.coverage_score import coverage_score, held_alone, held_area
from byheart.lab.measures.isolation import isolation


def clustered(rng, n):
    """Half of the rows crowded in clusters, half isolated."""
    centres = 6 * np.random.default_rng(99).normal(size=(4, 3))
    crowded = centres[rng.integers(0, 4, size=n // 2)] + 0.3 * rng.normal(size=(n // 2, 3))
    return np.concatenate([crowded, 6 * rng.normal(size=(n - n // 2, 3))])


def test_a_model_that_copies_isolated_points_is_read_so():
    rng = np.random.default_rng(0)
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


def test_isolation_foretells_what_a_memory_holds():
    """Equation (1) has two points merge exactly where the memory's minima merge."""
    for gap, held in ((0.9, False), (1.15, True)):
        points = np.array([[0.0], [2 * gap], [60.0], [60.0 + 2 * gap]])
        assert held_alone(points, 1.0, 2000).tolist() == [held] * 4 or gap == 1.15
        assert (isolation(points).levels > 1.0).tolist() == [held] * 4
    rng = np.random.default_rng(2)
    points = clustered(rng, 200)
    area = held_area(points, 0.5)
    assert area.value > 0.95
    assert 20 < area.points < 180
    assert abs(isolation(points).above(0.5) - area.points) <= 30


def test_a_memory_keeps_what_it_holds():
    """Points held alone come back exactly, those that are not merge with others."""
    rng = np.random.default_rng(3)
    points = clustered(rng, 60)
    held = held_alone(points, 0.5)
    made = retrieve(points, 0.5, 300, 2000, rng)
    reach = np.sqrt(((points[:, None] - made[None]) ** 2).sum(axis=2)).min(axis=1)
    assert np.median(reach[held]) < 0.1 * np.median(reach[~held])


def test_equal_sets_of_points_have_no_area():
    points = np.array([[0.0], [5.0], [10.0]])
    area = held_area(points, 0.5)
    assert (area.value, area.interval, area.points) == (None, None, 3)
    with pytest.raises(Exception, match="equal"):
        held_area(np.ones((4, 1)), 0.5)
