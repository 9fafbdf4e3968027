import numpy as np
import pytest

from byheart.auditing.scores import localise, relative_scores
from byheart.distances.neighbours import Neighbours


def test_scores_equal_their_definition(bench, normal_sets):
    train, heldout, generated = normal_sets
    real = np.concatenate([train, heldout])[bench.pool.order]
    between = np.linalg.norm(generated[:, None] - real[None], axis=2)
    among = np.linalg.norm(real[:, None] - real[None], axis=2)
    np.fill_diagonal(among, np.inf)
    near = bench.distances.table.forward.indices
    for i in range(len(real)):
        rival = np.delete(between, i, axis=1).min(axis=1)
        seen = (near == i).any(axis=1)  # generated points that have i among their k nearest
        expected = {
            "distance": between[:, i].min(),
            "local": between[:, i].min() / among[i].min(),
            "ratio": (between[:, i] / rival)[seen].min(initial=np.inf),
            "negative_margin": (between[:, i] ** 2 - rival**2)[seen].min(initial=np.inf),
        }
        for name, value in expected.items():
            # float64 distances by direct subtraction: a few rounding errors of 2^-53 each; ranks
            # beyond the second may come from the float32 product, good to about 1e-5 here.
            assert getattr(bench.scores, name)[i] == pytest.approx(value, rel=1e-4, abs=1e-4), name


def test_duplicated_rows_neither_divide_by_zero_nor_look_suspicious():
    assert localise(np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.0, 0.0])).tolist() == [1, 0, np.inf]
    table = Neighbours(np.array([[0.0, 0.0, 1.0]]), np.array([[2, 0, 1]]))
    ratio, negative_margin = relative_scores(table, 4)
    assert ratio.tolist() == [1, np.inf, 1, np.inf]
    assert negative_margin.tolist() == [0, 1, 0, np.inf]
