"""Retrieval from an associative memory: its phases on the circle, and where recall begins."""

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.measures.coverage_score import Area
from byheart.lab.measures.isolation import isolation
from byheart.lab.theory.associative_memory import circle_slope, collapse_level, ring_radius
from byheart.lab.transition.phase_curve import phase_curve
from papers.retrieval import circle, held_alone, recall_level, retrieval_records, retrieve


def test_recall_follows_the_formula():
    """A trend: the measured level falls with n and rises with d, by more than 5 in all."""
    rng = np.random.default_rng(0)
    sizes, dimensions = (30, 100, 300), (8, 32, 128)
    found = {(n, d): recall_level(n, d, rng) for n in sizes for d in dimensions}
    for d in dimensions:
        assert found[30, d] > found[100, d] > found[300, d]
    for n in sizes:
        assert found[n, 8] < found[n, 32] < found[n, 128]
    assert found[30, 128] > 5 * found[300, 8]
    # Half of an error is not the balance of two terms: finite d leaves up to a quarter.
    for (n, d), level in found.items():
        assert level == pytest.approx(collapse_level(n, d), rel=0.25), (n, d)


def test_isolated_points_are_retrieved_and_crowded_ones_merge():
    """Two points at distance a: one minimum between them if a < 2 s, else two near them."""
    rng = np.random.default_rng(1)
    for a, s, ends in ((1.0, 0.6, [0.5]), (1.0, 0.1, [0.0, 1.0])):
        found = retrieve(np.array([[0.0], [a]]), s, 400, 60, rng)
        assert sorted(set(found.ravel().round(5).tolist())) == ends


@pytest.mark.parametrize("noise_level", [0.3, 0.6, 0.8])
def test_a_dense_circle_retrieves_its_ring(noise_level):
    """Stored densely, the circle's fixed points are those of the energy in closed form."""
    beta = 1 / (2 * noise_level**2)
    angle = 2 * np.pi * np.arange(1000) / 1000
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    found = retrieve(points, noise_level, 200, 40, np.random.default_rng(2))
    radius = np.linalg.norm(found, axis=1)
    # |slope of the map at the fixed point|^200 is below 1e-9 for these levels.
    assert radius == pytest.approx(ring_radius(beta), abs=1e-6)
    assert circle_slope(radius, beta) == pytest.approx(0, abs=1e-6)


def test_the_circle_passes_through_all_phases():
    made = retrieval_records(
        circle, (2, 8, 64, 512, 2048), noise_level=0.15, steps=15, repeats=4, count=200
    )
    curve = phase_curve(made)
    assert curve.points[0].memorized.value > 0.5
    assert curve.points[-1].generalized.value > 0.5
    assert curve.found
    assert 8 <= curve.peak.estimate <= 512
    # Every repeat stands for itself: fewer of them give the same records.
    fewer = retrieval_records(circle, (8,), noise_level=0.15, steps=15, repeats=2, count=200)
    assert fewer == [record for record in made if record.n == 8][:2]


def test_arguments_out_of_range():
    with pytest.raises(UsageError, match="noise_level"):
        retrieve(np.zeros((2, 1)), 0.0, 1, 1, np.random.default_rng(0))


def half_crowded(rng, n):
    """Half of the rows crowded in clusters, half isolated."""
    centres = 6 * np.random.default_rng(99).normal(size=(4, 3))
    crowded = centres[rng.integers(0, 4, size=n // 2)] + 0.3 * rng.normal(size=(n // 2, 3))
    return np.concatenate([crowded, 6 * rng.normal(size=(n - n // 2, 3))])


def test_isolation_foretells_what_a_memory_holds():
    """Equation (1) has two points merge exactly where the memory's minima merge."""
    for gap, held in ((0.9, False), (1.15, True)):
        points = np.array([[0.0], [2 * gap], [60.0], [60.0 + 2 * gap]])
        assert held_alone(points, 1.0, 2000).tolist() == [held] * 4 or gap == 1.15
        assert (isolation(points).levels > 1.0).tolist() == [held] * 4
    rng = np.random.default_rng(2)
    points = half_crowded(rng, 200)
    held, levels = held_alone(points, 0.5), isolation(points).levels
    area = Area.of(levels[held], levels[~held])
    assert area.value > 0.95
    assert 20 < area.points < 180
    assert abs(isolation(points).above(0.5) - area.points) <= 30


def test_a_memory_keeps_what_it_holds():
    """Points held alone come back exactly, those that are not merge with others."""
    rng = np.random.default_rng(3)
    points = half_crowded(rng, 60)
    held = held_alone(points, 0.5)
    made = retrieve(points, 0.5, 300, 2000, rng)
    reach = np.sqrt(((points[:, None] - made[None]) ** 2).sum(axis=2)).min(axis=1)
    assert np.median(reach[held]) < 0.1 * np.median(reach[~held])
