import math

import numpy as np
import pytest

from byheart import UsageError
from byheart.lab.measures.relative import relative_distance
from byheart.lab.theory.solvable_model import LinearOneStep
from byheart.lab.theory.transition import Transition, limiting_ratio, resolvent


@pytest.mark.parametrize(("k", "r", "e"), [(2.0, 0.5, 0.8), (1.2, 0.3, 1.0), (5.0, 0.7, 0.3)])
def test_the_fixed_point_against_simulated_fits(k, r, e):
    """Trace, log determinant and in-sample lengths of S + e at d = 150."""
    d = 150
    n = round(k * d) + 1
    model = LinearOneStep(d, 20.0, 1 / r - 1)  # T large: 1/r = 1 + lambda
    traces, logs, lengths = [], [], []
    for seed in range(12):
        rng = np.random.default_rng([seed, d])
        x = rng.normal(size=(n, d))
        law = model.fit(x, rng)
        smooth = law.smoothed(e)
        spread = law.values + e
        traces.append(np.mean(1 / spread))
        logs.append(np.mean(np.log(spread)))
        offset = (x - law.mean) @ law.basis
        lengths.append(np.mean(np.sum(offset**2 / spread, axis=1)) / d)
        assert smooth.dimension == d
    point = resolvent(e, (n - 1) / d, r)
    q = (1 - 1 / n) * point.mahalanobis + (1 - r) * (1 - e * point.trace) / n
    # Finite-size corrections are of order 1/d, below 1%.
    assert np.mean(traces) == pytest.approx(point.trace, rel=0.01)
    assert np.mean(logs) == pytest.approx(point.log_determinant, abs=0.01)
    assert np.mean(lengths) == pytest.approx(q, rel=0.01)


@pytest.mark.parametrize(
    ("d", "ratio", "simulated"),
    # Simulated with fresh="exact", T = 2, lambda = 1 (python -m benchmarks.transition_table).
    [(100, 2, 0.03), (100, 3, 0.43), (100, 4, 0.60), (100, 6, 0.83), (200, 3, 0.25), (400, 3, 0.5)],
)
def test_the_probability_against_simulation(d, ratio, simulated):
    r = LinearOneStep(d, 2.0, 1.0).correlation
    # The simulations' standard error is .05, the prediction's .025, its bias about .05.
    assert Transition(d, r).probability(ratio * d) == pytest.approx(simulated, abs=0.15)


@pytest.mark.parametrize(
    ("r", "expected"),
    [(0.1, 1.57), (0.2, 1.58), (0.3, 1.57), (0.505, 1.47), (0.7, 1.21), (0.9, 1.0)],
)
def test_the_limiting_ratio(r, expected):
    assert limiting_ratio(r) == pytest.approx(expected, abs=0.006)


def test_the_ratio_rises_and_falls_to_its_limit():
    r = LinearOneStep(100, 2.0, 1.0).correlation
    ratios = {d: Transition(d, r).memorization_scale() / d for d in (25, 150, 1000)}
    assert ratios[25] < ratios[1000] < ratios[150]
    assert limiting_ratio(r) < ratios[1000]


def test_probability_falls_again_near_the_fresh_set():
    model = Transition(8, LinearOneStep(8, 2.0, 1.0).correlation, fresh_rows=1000)
    assert model.probability(100) > model.probability(950)
    with pytest.raises(UsageError):
        model.probability(1000)


def test_simulated_transition_at_small_dimension():
    """P(Delta > 0) at d = 16: 0 at n/d = 1, near 1 at n/d = 4 (100 training sets each)."""
    model = LinearOneStep(16, 2.0, 1.0)
    for ratio, low, high in ((1, 0, 0.08), (4, 0.9, 1)):
        hits = 0
        for seed in range(100):
            rng = np.random.default_rng([seed, ratio])
            x = rng.normal(size=(16 * ratio, 16))
            hits += relative_distance(x, model.fit(x, rng)).positive
        assert low <= hits / 100 <= high


def test_out_of_range_is_refused():
    with pytest.raises(UsageError):
        resolvent(1.0, 0.9, 0.5)
    with pytest.raises(UsageError):
        Transition(10, 1.5)
    assert math.isinf(Transition(100, 0.505, fresh_rows=200).memorization_scale())
