"""Scores by equal cells against their definitions, pair by pair."""

import numpy as np
import pytest
from bench import Bench
from scipy import stats

from byheart.auditing import cells, family
from byheart.auditing.cells import cells_score, coded, matches_score
from byheart.auditing.membership import area_under_curve
from byheart.auditing.table_scores import table_scores
from byheart.samples import Span


@pytest.fixture
def codes():
    rng = np.random.default_rng(5)
    return coded(*(rng.integers(0, 4, size=(rows, 3)).astype(float) for rows in (30, 50)))


def test_cells_equal_their_definition(codes, monkeypatch):
    monkeypatch.setattr(cells, "_TOGETHER", 7)
    monkeypatch.setattr(cells, "_ROWS", 11)
    made, real = codes
    share = np.array([[np.mean(real[:, j] == row[j]) for j in range(3)] for row in real])

    def likelihood(other, i):
        return np.prod(np.where(other == real[i], 1 / share[i], 1))

    expected = [
        np.log(np.mean([likelihood(r, i) for k, r in enumerate(real) if k != i]))
        - np.log(np.mean([likelihood(g, i) for g in made]))
        for i in range(50)
    ]
    # Weights and agreements of float32, three terms of at most 4: 2^-23 of 12, twice.
    found = cells_score(made, real, np.random.default_rng(0))
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_matches_equal_their_definition(codes):
    made, real = codes
    copies = np.array([np.all(made == row, axis=1).sum() for row in real])
    others = np.array([np.all(real == row, axis=1).sum() - 1 for row in real])
    expected = np.log((others + 1.5) / (copies + 0.5))
    np.testing.assert_allclose(matches_score(made, real), expected, rtol=1e-12)


def test_thinning_keeps_every_row_a_score(codes, monkeypatch):
    monkeypatch.setattr(cells, "PAIR_CELLS", 2 * 150 * 20)  # 20 of 30 and of 50 rows
    made, real = codes
    assert np.isfinite(cells_score(made, real, np.random.default_rng(0))).all()


def test_scores_know_no_labels():
    rng = np.random.default_rng(0)
    real, made = (rng.integers(0, 4, size=(rows, 3)).astype(float) for rows in (60, 40))
    spans = [Span(j, 1, False) for j in range(3)]
    cut = [Bench.of(real[:n], real[n:], made).pool.rows for n in (30, 20)]
    one, other = (table_scores(made, rows, spans, np.random.default_rng(1)) for rows in cut)
    assert one.keys() == other.keys() == {"cells", "matches"}
    for name, score in one.items():
        np.testing.assert_array_equal(score, other[name])
    assert table_scores(made, real, (), np.random.default_rng(1)) == {}
    assert table_scores(0 * made, 0 * real, spans, np.random.default_rng(1)) == {}


def test_half_a_row_that_came_back_is_seen():
    """In three rows of ten, 4 of 8 cells of a training row."""
    rng = np.random.default_rng(0)
    train, heldout, made = (rng.integers(0, 12, size=(300, 8)).astype(float) for _ in range(3))
    for row in made[:90]:
        copied = rng.permutation(8)[:4]
        row[copied] = train[rng.integers(300), copied]
    pool = Bench.of(train, heldout, made).pool
    score = cells_score(*coded(made, np.asarray(pool.rows)), rng)
    # Standard error of an area over 300 and 300 rows without a trace: .024.
    area = area_under_curve(score[pool.training], score[~pool.training])
    assert area > 0.5 + 3 * 0.024


@pytest.mark.slow
def test_the_level_is_kept():
    spans = [Span(j, 1, False) for j in range(4)]
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 4])
        sets = [rng.integers(0, 3, size=(n, 4)).astype(float) for n in (50, 40, 60)]
        bench = Bench.of(*sets, seed=seed)
        further = table_scores(sets[2], bench.pool.rows, spans, rng)
        test = family.run(bench.pool, bench.distances, 99, rng, further)
        rejected += test.pooled.p_value <= 0.05
    assert rejected <= stats.binom(200, 0.05).ppf(1 - 1e-3)
