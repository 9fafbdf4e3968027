"""Scores of moved images and of parts against brute force, and what they find."""

import numpy as np
import pytest
from bench import Bench
from scipy import stats

from byheart.auditing import family
from byheart.auditing.membership import area_under_curve
from byheart.auditing.pictures import PRODUCTS, applies, moves, patches, picture_scores

SHAPE = (6, 6)


def own(bench):
    return bench.distances.among_real.distances[:, 0]


def scores(bench, shape=SHAPE):
    return picture_scores(bench.search.generated, bench.pool.rows, shape, own(bench), 2**30)


@pytest.mark.parametrize("shape", [(4, 5), (4, 4, 3)])
def test_scores_equal_their_definition(shape):
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(n, *shape)) for n in (12, 9, 15)]
    bench = Bench.of(*(x.reshape(len(x), -1) for x in sets))
    real = np.asarray(bench.pool.rows).reshape(-1, *shape)
    made = sets[2]
    pad = [(1, 1), (1, 1)] + [(0, 0)] * (len(shape) - 2)
    h, w = shape[:2]

    def nearest(x, others):
        return min(np.linalg.norm(x - y) for y in others)

    def moved(x):
        wide = np.pad(x, pad, mode="edge")
        shifts = [
            wide[1 + y : 1 + y + h, 1 + z : 1 + z + w]
            for y, z in ((-1, 0), (1, 0), (0, -1), (0, 1))
        ]
        turned = [x.swapaxes(0, 1)] if h == w else []
        return [x[:, ::-1], x[::-1], x[::-1, ::-1], *turned, *shifts]

    everywhere = [y for x in made for y in moved(x)]
    cut = [
        (slice(y, y + h // 2), slice(x, x + w // 2))
        for y, x in (
            (0, 0),
            (0, w - w // 2),
            (h - h // 2, 0),
            (h - h // 2, w - w // 2),
            (h // 4, w // 2 // 2),
        )
    ]
    found = scores(bench, shape)
    for i, x in enumerate(real):
        others = np.delete(real, i, axis=0)
        assert found["moved"][i] == pytest.approx(nearest(x, everywhere) / nearest(x, others))
        parts = [
            nearest(x[q], [y[q] for y in made]) / nearest(x[q], [y[q] for y in others]) for q in cut
        ]
        assert found["parts"][i] == pytest.approx(min(parts))


def test_scores_know_no_labels():
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(40, 36)), rng.normal(size=(30, 36))
    one, other = (scores(Bench.of(real[:n], real[n:], made)) for n in (20, 13))
    for name in ("moved", "parts"):
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("kind", ["moved", "parts"])
def test_what_whole_images_hide_is_found(kind):
    rng = np.random.default_rng(0)
    train, heldout, made = (rng.normal(size=(60, *SHAPE)) for _ in range(3))
    if kind == "moved":
        made[:20] = train[:20, :, ::-1]
    else:
        made[:20, :3, :3] = train[:20, :3, :3]
    bench = Bench.of(*(x.reshape(60, -1) for x in (train, heldout, made)))
    found, known = scores(bench), bench.pool.training
    # A third of T stands before all else: the area is 1/2 + 1/6, its standard error .053.
    assert area_under_curve(found[kind][known], found[kind][~known]) > 0.5 + 2 * 0.053
    p_values = [
        family.run(bench.pool, bench.distances, 999, np.random.default_rng(0), further)
        for further in (found, {})
    ]
    assert p_values[0].pooled.p_value <= 0.01 < 0.05 < p_values[1].pooled.p_value


def test_moves_are_permutations_or_shifts_and_patches_tile():
    for shape in ((6, 6), (5, 4, 3)):
        size = int(np.prod(shape))
        turned = moves(shape)[: 4 if shape[0] == shape[1] else 3]
        assert all(sorted(move) == list(range(size)) for move in turned)
    assert sorted(np.concatenate(patches(SHAPE)[:4])) == list(range(36))


def test_vectors_small_images_and_too_many_have_none():
    assert applies((8, 8), 900, 900)
    assert not applies((64,), 900, 900)
    assert not applies((3, 8), 900, 900)
    assert not applies((1000, 1000), 2**10, PRODUCTS // 10**9)


@pytest.mark.slow
def test_the_level_is_kept():
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 5])
        bench = Bench.of(*(rng.integers(0, 2, size=(n, 36)).astype(float) for n in (30, 40, 25)))
        rejected += (
            family.run(bench.pool, bench.distances, 99, rng, scores(bench)).pooled.p_value <= 0.05
        )
    assert rejected <= stats.binom(200, 0.05).ppf(1 - 1e-3)
