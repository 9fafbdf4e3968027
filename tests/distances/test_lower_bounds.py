"""The band of the float32 bounds, against distances in float64."""

import numpy as np
import pytest

from byheart.distances.lower_bounds import Frame
from byheart.distances.recheck import squared_distances


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 3, 64, 3072])
@pytest.mark.parametrize(("mean", "scale"), [(0, 1), (1e4, 1), (0, 1e-35), (1e30, 1e27), (127, 73)])
def test_bounds_hold_and_are_no_looser_than_stated(mean, scale, d, dtype):
    rng = np.random.default_rng(0)
    x, y = ((mean + scale * rng.normal(size=(40, d))).astype(dtype) for _ in range(2))
    y[:10] = x[:10]
    x[20] = mean + 1e6 * scale
    frame = Frame.of(x, y)
    left, left_norms = frame.left(x)
    right, right_norms = frame.right(y)
    bounds = left @ right.T
    i, j = np.divmod(np.arange(1600), 40)
    squared = squared_distances(x, y, i, j).reshape(40, 40)
    assert np.all(bounds <= frame.reach(squared))
    norms = left_norms[:, None].astype(float) + right_norms
    # The float32 norms round by 2^-24, the float64 distances by (d + 2) 2^-53: 1e-6 covers both.
    limit = frame.theta * norms * (1 + 1e-6) + frame.underflow
    error = (frame.estimate(bounds, norms) - squared) * frame.scale * frame.scale
    assert np.all(np.abs(error) <= limit + 1e-12 * squared * frame.scale * frame.scale)
