import numpy as np
import pytest
from bench import Bench

from byheart.auditing import planted
from byheart.auditing.family import family, over_generated
from byheart.auditing.permutation import evaluate, pool_p_values
from byheart.auditing.result import Planted
from byheart.distances.neighbours import two_way


def planting(bench: Bench) -> Planted:
    rng = np.random.default_rng(1)
    return planted.planted(bench.search, bench.substitution, bench.pool.units, 0.05, rng)


def test_planting_equals_an_audit_of_the_longer_set(normal_sets):
    """Scores after planting against a fresh search over G and the planted rows."""
    train, heldout, generated = normal_sets
    bench = Bench.of(train, heldout, generated, k=110)  # all neighbours: nothing is cut
    copies = bench.pool.rows[:9] + 0.05
    near = two_way(copies, bench.pool.rows, 110).forward
    longer = Bench.of(train, heldout, np.concatenate([generated, copies]), k=110)
    scores = planted._beside(bench.scores, near)
    for name in ("distance", "ratio", "negative_margin"):
        np.testing.assert_array_equal(getattr(scores, name), getattr(longer.scores, name))


@pytest.mark.parametrize("seed", range(8))
def test_the_light_group_decides_nothing(seed):
    """At the planted number of relabellings the whole family rejects when the heavy groups do."""
    rng = np.random.default_rng(seed)
    sets = [rng.normal(size=(100, 6)) for _ in range(3)]
    sets[2][: 2 * seed] = sets[0][: 2 * seed] + 0.05  # from clean to plain
    bench = Bench.of(*sets)
    sums = over_generated(bench.distances.table.forward, bench.distances.bandwidths, 200)
    whole = family(bench.scores, 100, sums)
    values, _ = evaluate(
        whole, bench.pool.units.relabellings(planted.RELABELLINGS, np.random.default_rng(0))
    )
    heavy = pool_p_values(whole[:2], values[:2]).p_value <= 0.05
    assert (pool_p_values(whole, values).p_value <= 0.05) == heavy


def test_power_grows_with_copies_and_falls_with_noise():
    rng = np.random.default_rng(0)
    bench = Bench.of(*(rng.normal(size=(size, 6)) for size in (200, 200, 150)))
    found = planting(bench)
    assert found.noise == planted.NOISES
    smallest = found.minimum_detectable_share
    assert smallest[0] is not None
    assert smallest[1] is not None
    # |T| = |H|: four copies cannot be found at 5% (p ≥ 1/16), and thirty are plain.
    assert 4 / 200 < smallest[0] <= smallest[1] <= 30 / 200
    for row, share in zip(found.power, smallest, strict=True):
        tried = [(s, p) for s, p in zip(found.training_share, row, strict=True) if p is not None]
        assert all(p >= planted.REQUIRED_POWER for s, p in tried if share and s == share)
        assert all(p < planted.REQUIRED_POWER for s, p in tried if share and s < share)


def test_a_larger_heldout_set_sees_fewer_copies():
    rng = np.random.default_rng(0)

    def smallest(heldout_rows: int) -> float:
        sets = (rng.normal(size=(size, 6)) for size in (100, heldout_rows, 100))
        found = planting(Bench.of(*sets))
        share = found.minimum_detectable_share[found.noise.index(planted.GATE_NOISE)]
        assert share is not None
        return share

    assert smallest(900) < smallest(100)


def test_equal_rows_can_be_planted_without_a_scale():
    bench = Bench.of(np.ones((20, 2)), np.ones((20, 2)), np.ones((20, 2)))
    found = planting(bench)
    assert found.minimum_detectable_share == (None,) * len(planted.NOISES)


def test_a_collapsed_set_has_no_detectable_share():
    """One row 300 times: it cannot hold copies of three rows, however plain each would be."""
    rng = np.random.default_rng(0)
    train, heldout = rng.normal(size=(2, 60, 6))
    one, twenty = np.zeros((300, 6)), np.repeat(rng.normal(size=(20, 6)), 15, axis=0)
    found = planting(Bench.of(train, heldout, one))
    assert found.minimum_detectable_share == (None,) * len(planted.NOISES)
    assert found.training_share == ()
    found = planting(Bench.of(train, heldout, twenty))
    assert max(found.training_share) <= 20 / 60
    assert max(found.generated_share) <= 1


@pytest.mark.parametrize("top", [0, 3, 10, 5000])
def test_the_grid_of_copies_is_increasing(top):
    grid = planted._grid(top)
    assert grid[0] == 3
    assert grid == sorted(set(grid))
    assert grid[-1] == max(3, top)
