"""Short lists against a full sort."""

import numpy as np
import pytest

from byheart.distances.shortlists import EMPTY, Shortlists, bounds, indices


@pytest.mark.parametrize("size", [1, 5, 60])
@pytest.mark.parametrize("values", ["normal", "few", "negative"])
def test_lists_hold_the_smallest_bounds_with_the_lowest_indices(size, values):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 700)).astype(np.float32)
    table = {"normal": abs(table), "few": np.round(abs(table)), "negative": table - 1}[values]
    lists = Shortlists(30, size)
    for start in range(0, 700, 70):
        tile = table[:, start : start + 70]
        lists.prime(tile, 1)
        row, place = np.nonzero(tile < lists.thresholds[:, None])
        lists.offer(row, tile[row, place], place + start)
    keys = np.sort(lists.keys(), axis=1)
    expected = np.argsort(np.maximum(table, 0), axis=1, kind="stable")[:, :size]
    np.testing.assert_array_equal(indices(keys), expected)
    np.testing.assert_array_equal(
        bounds(keys), np.maximum(np.take_along_axis(table, expected, axis=1), 0)
    )


def test_missing_candidates_are_empty():
    lists = Shortlists(2, 3)
    lists.offer(np.array([1]), np.array([2.0], np.float32), np.array([7]))
    keys = lists.keys()
    assert np.count_nonzero(keys == EMPTY) == 5
    assert np.isinf(lists.thresholds).all()
