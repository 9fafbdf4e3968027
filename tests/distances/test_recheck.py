"""Float64 distances of pairs, and groups of identical rows."""

import numpy as np
import pytest

from byheart.distances.recheck import Classes, squared_distances


@pytest.mark.parametrize("d", [1, 7, 64, 3072, 9000, 20001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_distance_does_not_depend_on_the_pairs_beside_it(d, dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(9, d)).astype(dtype) for _ in range(2))
    i, j = rng.integers(9, size=(2, 25))
    together = squared_distances(x, y, i, j)
    alone = [squared_distances(x, y, i[[pair]], j[[pair]])[0] for pair in range(25)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, squared_distances(y, x, j, i))
    expected = ((x[i].astype(float) - y[j].astype(float)) ** 2).sum(axis=1)
    # Two sums of d squares in different orders: relative difference below 2 (d + 2) 2^-53.
    np.testing.assert_allclose(together, expected, rtol=2 * (d + 2) * 2.0**-53)


def test_classes_gather_identical_rows():
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 3, size=(60, 2)).astype(float)
    classes = Classes(rows)
    _, first, of = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(classes.first, np.sort(first))
    np.testing.assert_array_equal(classes.first[classes.of], first[of.ravel()])
    for number in range(len(classes.first)):
        members = classes.members[classes.start[number] : classes.start[number + 1]]
        np.testing.assert_array_equal(members, np.flatnonzero(classes.of == number))


def test_classes_of_chosen_rows_count_by_place():
    rows = np.array([[1.0], [2.0], [1.0], [3.0]])
    classes = Classes(rows, np.array([3, 2, 0]))
    assert classes.first.tolist() == [0, 1]
    assert classes.of.tolist() == [0, 1, 1]
