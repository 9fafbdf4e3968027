"""The learned score knows no labels, keeps the level, and sees what no distance sees."""

import numpy as np
import pytest
from bench import Bench
from scipy import stats

from byheart.auditing import family, learned
from byheart.auditing.learned import applies, learned_score
from byheart.auditing.membership import area_under_curve
from byheart.samples import Span, encode, read

SPANS = (Span(0, 1, False), Span(1, 1, False), Span(2, 3, True))


def rows(count, rng):
    """Two numbers and a category of three levels, encoded."""
    values = np.zeros((count, 5))
    values[:, :2] = rng.normal(size=(count, 2)).round(1)
    values[np.arange(count), rng.integers(2, 5, size=count)] = np.sqrt(0.5)
    return values


@pytest.fixture
def few_rounds(monkeypatch):
    monkeypatch.setattr(learned, "ROUNDS", 8)


@pytest.mark.usefixtures("few_rounds")
def test_the_score_is_the_same_whatever_rows_are_training_rows():
    """T and H are pooled in an order that knows no labels; which of them are T changes nothing."""
    rng = np.random.default_rng(0)
    real, made = rows(300, rng), rows(200, rng)
    pooled = []
    for train in (150, 90):  # the same pool cut elsewhere, and so labelled otherwise
        bench = Bench.of(real[:train], real[train:], made)
        pooled.append(learned_score(made, bench.pool.rows, SPANS, np.random.default_rng(1)))
    np.testing.assert_array_equal(*pooled)


@pytest.mark.usefixtures("few_rounds")
def test_threads_and_blocks_change_no_bit(monkeypatch):
    rng = np.random.default_rng(0)
    real, made = rows(300, rng), rows(200, rng)
    score = learned_score(made, real, SPANS, np.random.default_rng(1))
    monkeypatch.setattr(learned, "thread_count", lambda: 1)
    monkeypatch.setattr(
        learned, "row_blocks", lambda n, d: (slice(i, i + 7) for i in range(0, n, 7))
    )
    np.testing.assert_array_equal(learned_score(made, real, SPANS, np.random.default_rng(1)), score)


@pytest.mark.slow
@pytest.mark.usefixtures("few_rounds")
def test_the_level_is_kept():
    """Rows of one law: how often T scores as more like G is what chance makes it."""
    p_values = []
    for seed in range(40):
        rng = np.random.default_rng([seed, 3])
        bench = Bench.of(rows(120, rng), rows(120, rng), rows(150, rng), seed=seed)
        score = learned_score(bench.search.generated, bench.pool.rows, SPANS, rng)
        test = family.run(bench.pool, bench.distances, 99, rng, {"learned": score})
        own = {t.name: t.p_value for t in test.pooled.tests}
        p_values.append((test.pooled.p_value, own["membership_rank_learned"]))
    allowed = stats.binom(40, 0.05).ppf(1 - 1e-3)
    assert np.all(np.sum(np.array(p_values) <= 0.05, axis=0) <= allowed)


def test_a_preference_for_values_of_the_training_rows_is_seen(monkeypatch):
    """G draws a code of 200 levels from T's rows, and so as often as T happens to hold it."""
    monkeypatch.setattr(learned, "ROUNDS", 40)
    rng = np.random.default_rng(0)
    real = rng.integers(0, 200, size=(2000, 1)).astype(float)
    made = real[rng.integers(0, 1000, size=2000)]
    order = rng.permutation(2000)
    score = learned_score(made, real[order], [Span(0, 1, False)], rng)
    train = order < 1000
    # Standard error of an area over 1,000 and 1,000 rows without a trace: .013.
    assert area_under_curve(score[train], score[~train]) > 0.5 + 5 * 0.013


def test_columns_come_back_from_encoded_rows():
    table = {"a": [1.5, None, 2.5, 3.5], "b": ["x", "y", "y", "z"], "c": [1, 1, 1, 1]}
    pa = pytest.importorskip("pyarrow")
    encoded = encode(
        read(pa.table(table), "train"),
        read(pa.table({**table, "a": [0.5, 1.5, 2.5, 9.5]}), "heldout"),
        read(pa.table({**table, "b": ["x", "new", None, "z"]}), "generated"),
    )
    number, category = encoded.spans  # the constant column was left out
    assert (number.category, category.category) == (False, True)
    column = number.column(np.asarray(encoded.train))
    np.testing.assert_array_equal(np.isnan(column), [False, True, False, False])
    assert column[0] < column[2] < column[3]
    np.testing.assert_array_equal(category.column(np.asarray(encoded.train)), [0, 1, 1, 2])
    np.testing.assert_array_equal(category.column(np.asarray(encoded.generated)), [0, 3, 3, 2])


def test_few_rows_have_no_learned_score():
    assert applies(1000, 500)
    assert not applies(999, 500)
    assert not applies(1000, 499)
