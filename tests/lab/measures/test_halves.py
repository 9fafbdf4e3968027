"""The two-network test: copies and fresh draws, symmetry, invariance, the linear oracle."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.diffusion import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    HeunSampler,
    LinearDenoiser,
    Start,
    VarianceExploding,
)
from byheart.lab.measures.halves import compare_halves, train_halves
from byheart.lab.theory.agreement import isotropic_agreement


def four(seed=0, m=300, n=80, d=10):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(m, d))
    b = 0.8 * a + 0.6 * rng.normal(size=(m, d))
    return a, b, rng.normal(size=(n, d)), rng.normal(size=(n, d))


def close(found, other, tolerance):
    for name, value in asdict(found).items():
        expected = asdict(other)[name]
        if isinstance(value, dict):
            assert value["value"] == pytest.approx(expected["value"], abs=tolerance), name
            assert value["interval"] == pytest.approx(expected["interval"], abs=tolerance), name
        else:
            assert value == pytest.approx(expected, abs=tolerance), name


def test_every_figure_is_its_definition():
    a, b, t, u = four(m=40, n=15)
    found = compare_halves(a, b, t, u)
    p = (a - a.mean(axis=0)) / np.linalg.norm(a - a.mean(axis=0), axis=1)[:, None]
    q = (b - b.mean(axis=0)) / np.linalg.norm(b - b.mean(axis=0), axis=1)[:, None]
    cosines = p @ q.T
    wrong = ~np.eye(40, dtype=bool)
    squares = ((a[:, None] - b) ** 2).sum(axis=2)
    assert found.agreement.value == pytest.approx(np.diag(cosines).mean())
    assert found.chance == pytest.approx(cosines[wrong].mean())
    assert found.difference.value == pytest.approx(np.diag(squares).mean() / squares[wrong].mean())

    def distances(x, y):
        return np.sqrt(((x[:, None] - y) ** 2).sum(axis=2)).min(axis=1)

    unit = (distances(t, u).mean() + distances(u, t).mean()) / 2
    own, other = ((distances(a, t), distances(b, u)), (distances(a, u), distances(b, t)))
    assert found.own_distance.value == pytest.approx(np.mean(own) / unit)
    assert found.other_distance.value == pytest.approx(np.mean(other) / unit)
    assert found.nearer_own.value == np.mean(np.array(own) < np.array(other))
    centre = (t.mean(axis=0) + u.mean(axis=0)) / 2

    def similarity(x, y):
        x, y = x - centre, y - centre
        x, y = (z / np.linalg.norm(z, axis=1)[:, None] for z in (x, y))
        return (x @ y.T).max(axis=1).mean()

    assert found.own_similarity.value == pytest.approx((similarity(a, t) + similarity(b, u)) / 2)
    assert found.other_similarity.value == pytest.approx((similarity(a, u) + similarity(b, t)) / 2)


def test_the_halves_may_be_exchanged():
    a, b, t, u = four()
    # the same sums in another order: rounding only
    close(compare_halves(a, b, t, u), compare_halves(b, a, u, t), 1e-12)


def test_rotation_translation_and_scale_change_nothing():
    sets = four()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))[0]
    moved = [5 * (x @ rotation) + 3 for x in sets]
    # entries of size 15 in float64: rounding stays below 1e-12 of a distance
    close(compare_halves(*sets), compare_halves(*moved), 1e-10)


def test_the_order_of_pairs_and_of_points_is_free():
    a, b, t, u = four()
    order = np.random.default_rng(2).permutation(len(a))
    close(compare_halves(a, b, t, u), compare_halves(a[order], b[order], t[::-1], u), 1e-12)


def test_equal_samples_agree_and_independent_ones_are_at_chance():
    a, _, t, u = four(m=2000)
    same = compare_halves(a, a, t, u)
    assert same.agreement.value == pytest.approx(1)
    assert same.difference.value == pytest.approx(0, abs=1e-12)
    fresh = compare_halves(a, four(seed=9, m=2000)[0], t, u)
    # four standard errors: cosines of ten dimensions have deviation 1/sqrt(10), 2,000 pairs
    assert abs(fresh.agreement.value) < 4 / math.sqrt(20_000)
    assert fresh.agreement.value - fresh.chance == pytest.approx(0, abs=4 / math.sqrt(20_000))
    # |a − b|² over its mean has deviation sqrt(2/d) = .45; four of .01
    assert fresh.difference.value == pytest.approx(1, abs=0.04)


def test_copies_and_fresh_draws_are_told_apart():
    rng = np.random.default_rng(0)
    t, u = rng.normal(size=(2, 100, 10))
    picks = rng.integers(100, size=400)
    copies = compare_halves(t[picks], u[picks], t, u)
    assert copies.own_distance.value == 0
    assert copies.own_similarity.value == pytest.approx(1)
    assert copies.nearer_own.value == 1
    a = rng.normal(size=(400, 10))
    fresh = compare_halves(a, a + 0.01 * rng.normal(size=a.shape), t, u)
    # Each sample is as near to either half: 1/2 with deviation .025 (one trial a pair), 4 of them.
    assert fresh.nearer_own.value == pytest.approx(0.5, abs=0.1)
    assert fresh.own_distance.value == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_the_intervals_cover():
    # q = .8 in law: cosines of pairs with correlation .8; the mean cosine of a large sample stands
    # for the truth. 200 runs at level .1: 20 ± 4.2 misses; beyond 37 has a chance below 1e-4.
    truth = compare_halves(*four(seed=1000, m=20_000))
    misses = {"agreement": 0, "difference": 0}
    for seed in range(200):
        found = compare_halves(*four(seed=seed, m=60, n=5), level=0.1)
        for name in misses:
            low, high = getattr(found, name).interval
            misses[name] += not low <= getattr(truth, name).value <= high
    assert max(misses.values()) <= 37


def linear(half, seed):
    schedule = VarianceExploding(0.003, 100.0)
    start = Start(half.mean(axis=0))
    return HeunSampler(LinearDenoiser.fit(half), schedule, 60, "noise_floor", start)


@pytest.mark.parametrize("n", [50, 100, 300])
def test_linear_models_meet_the_oracle(n):
    d = 100
    rng = np.random.default_rng(n)
    found = [train_halves(rng.normal(size=(2 * n, d)), linear, pairs=200) for _ in range(4)]
    values = [f.agreement.value for f in found]
    # A pair's cosine has deviation about 1/sqrt(d), so 800 pairs .004; halves add less; 4.5 of
    # both, and the mean of cosines is not the cosine of the means: order 1/d, below .5/d.
    tolerance = 4.5 * 0.0045 + 0.5 / d
    assert np.mean(values) == pytest.approx(isotropic_agreement((n - 1) / d, d), abs=tolerance)


def test_a_copier_and_a_model_of_the_law_at_the_two_ends():
    def empirical(half, seed):
        start = Start(half.mean(axis=0))
        schedule = VarianceExploding(0.05, 50.0)
        return HeunSampler(EmpiricalDenoiser(half), schedule, 30, "posterior_mean", start)

    def true(half, seed):
        law = GaussianDenoiser(np.zeros(8), np.eye(8))
        return HeunSampler(law, VarianceExploding(0.05, 50.0), 30, "noise_floor")

    data = np.random.default_rng(0).normal(size=(201, 8))
    copier, model = (train_halves(data, fit, pairs=200) for fit in (empirical, true))
    assert copier.points == model.points == (100, 100)
    assert copier.nearer_own.value == 1
    assert copier.agreement.value < 0.9
    assert model.agreement.value == pytest.approx(1)
    assert model.nearer_own.interval[0] < 0.5 < model.nearer_own.interval[1]


def test_the_same_seed_gives_the_same_result_and_models_have_seeds_of_their_own():
    seeds = []

    def fit(half, seed):
        seeds.append(seed)
        return linear(half, seed)

    data = np.random.default_rng(0).normal(size=(60, 5))
    first = train_halves(data, fit, pairs=20, seed=4)
    assert train_halves(data, fit, pairs=20, seed=4) == first
    assert seeds[:2] == seeds[2:]
    assert seeds[0] != seeds[1]
    assert train_halves(data, fit, pairs=20, seed=5) != first


A, B, T, U = four(m=10, n=6, d=3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: compare_halves(A, B[:9], T, U), InputError),
        (lambda: compare_halves(A[:1], B[:1], T, U), InputError),
        (lambda: compare_halves(A, B, T[:, :2], U), InputError),
        (lambda: compare_halves(A, B, T, T), InputError),
        (lambda: compare_halves(A * 0 + 1, B, T, U), InputError),
        (lambda: compare_halves(A, B, T, U, level=0), UsageError),
        (lambda: train_halves(T[:3], linear), InputError),
        (lambda: train_halves(T, linear, pairs=1), UsageError),
        (lambda: train_halves(T, linear, seed=-1), UsageError),
    ],
)
def test_what_makes_no_sense_is_refused(call, error):
    with pytest.raises(error):
        call()
