"""The verdict per point: each kind, what "less" and "low" mean, and how often they are wrong."""

import numpy as np
import pytest

from byheart.auditing.metrics.geometry import around_training, judge
from byheart.auditing.metrics.neighbour_tables import NeighbourTables
from byheart.distances.dimension import LocalDimension, from_distances
from byheart.distances.neighbours import two_way, within
from byheart.errors import InputError


def dimension(*triples):
    values = np.array(triples, dtype=float)
    return LocalDimension(values[:, 1], values[:, [0, 2]])


PEOPLE = dimension((8, 9, 10), (9, 10, 11), (1, 2, 3))


@pytest.mark.parametrize(
    ("model", "data", "kind"),
    [
        ((0, 0, 0), (4, 5, 6), "overfitting-driven"),
        ((3, 3.5, 3.9), (4, 5, 6), "overfitting-driven"),
        ((0, 0, 0), (0, 0, 0), "data-driven"),
        ((1, 2, 3), (1, 2, 3), "data-driven"),
        ((0.1, 0.1, 0.1), (0, 0, 0), "data-driven"),
        ((7, 8, 9.5), (8, 9, 10), "not memorized"),
        ((40, 50, 60), (8, 9, 10), "not memorized"),
        ((40, 50, 60), (0, 0, 0), "not memorized"),
    ],
)
def test_kinds(model, data, kind):
    (found,) = judge(dimension(model), dimension(data), PEOPLE)
    assert found.kind == kind
    assert found.typical == 9
    assert found.data_interval == (data[0], data[2])


def test_without_the_datas_dimension_nothing_can_be_told():
    (found,) = judge(dimension((0, 0, 0)))
    assert (found.kind, found.data, found.typical) == ("cannot tell", None, None)
    assert "not known" in found.reason


def test_a_diverging_value_is_not_read():
    found = judge(PEOPLE, PEOPLE, diverging=np.array([True, False, False]))
    assert [one.kind for one in found] == ["cannot tell", "not memorized", "data-driven"]


def test_equal_dimensions_seldom_look_memorized():
    rng = np.random.default_rng(0)
    n, k, own = 20_000, 20, 6
    model, data = (from_distances(np.sort(rng.random((n, k)), axis=1) ** (1 / own)) for _ in "ab")
    kinds = [one.kind for one in judge(model, data)]
    # .00307 in 2 million draws of the gamma law: 4 standard errors of .0004.
    assert kinds.count("overfitting-driven") / n == pytest.approx(0.0031, abs=0.0016)
    # An interval lies below the median of all with probability near 2.5% (half of 5%).
    assert kinds.count("data-driven") / n < 0.04


def test_copies_lower_the_dimension_around_training_rows():
    rng = np.random.default_rng(1)
    real, training = rng.normal(size=(1200, 4)), np.arange(1200) < 600
    honest = rng.normal(size=(1200, 4))
    copier = np.concatenate([real[:60], real[60:120] + 1e-6, honest[:600]])

    def tables(made):
        return NeighbourTables(made, real, training, two_way(made, real), within(real))

    for made, share in ((honest, 0.0), (copier, 120 / 600)):
        found = around_training(tables(made), 0.05, rng)
        kinds = [one.kind for one in judge(*found)]
        less = kinds.count("overfitting-driven") / len(kinds)
        # Exact copies have dimension 0, those at 1e-6 about 18/13; by chance .3% of 600 rows.
        assert share - 0.02 <= less <= share + 0.02
    assert around_training(tables(made[:2]), 0.05, rng) is None


def test_other_numbers_of_points_are_refused():
    with pytest.raises(InputError, match="data: 3 points, and model has 1"):
        judge(dimension((0, 1, 2)), PEOPLE)
