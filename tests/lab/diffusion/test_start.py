import math

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.diffusion import Start


def test_the_start_law():
    mean, count = np.array([5.0, -1.0]), 40_000
    y = Start(mean, 3.0).draw(count, 2, 4.0, np.random.default_rng(3))
    # N(mean, 25 I); z = 4.5 on two means and two deviations: false alarms below 3e-5.
    assert (np.abs(y.mean(axis=0) - mean) < 4.5 * 5 / math.sqrt(count)).all()
    np.testing.assert_allclose(y.std(axis=0), 5.0, rtol=4.5 / math.sqrt(2 * count))
    noise = np.random.default_rng(4).standard_normal((3, 2))
    np.testing.assert_array_equal(Start().draw(3, 2, 4.0, np.random.default_rng(4)), 4.0 * noise)


@pytest.mark.parametrize(
    "use",
    [
        lambda: Start(spread=-1.0),
        lambda: Start(spread=math.nan),
        lambda: Start(math.inf),
        lambda: Start(np.zeros((2, 2))),
        lambda: Start(np.zeros(3)).draw(1, 2, 1.0, np.random.default_rng(0)),
    ],
)
def test_refuses_a_start_that_is_no_law(use):
    with pytest.raises(UsageError, match="start: ") as caught:
        use()
    assert "\n" not in str(caught.value)
