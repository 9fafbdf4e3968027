import math
import subprocess
import sys

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.demo import GENERATED, NOISE_FLOOR, ROWS, demo_samples


@pytest.fixture(scope="module")
def samples():
    return demo_samples(3)


def distances(a, b):
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))


def test_shapes_and_range(samples):
    assert samples.train.shape == samples.heldout.shape == (ROWS, 64)
    assert samples.memorizing.shape == samples.generalizing.shape == (GENERATED, 64)
    assert math.prod(samples.image_shape) == 64
    for images in (samples.train, samples.heldout, samples.memorizing, samples.generalizing):
        assert images.dtype == np.float64
        assert images.min() >= 0
        assert images.max() <= 1


def test_split_takes_every_row_once(samples):
    from sklearn.datasets import load_digits

    def rows(images):
        return sorted(map(tuple, (images * 16).astype(int).tolist()))

    everything = rows(load_digits().data / 16)
    for row in rows(np.concatenate([samples.train, samples.heldout])):
        everything.remove(row)
    assert len(everything) == 1797 - 2 * ROWS


def test_memorizing_model_returns_training_digits(samples):
    nearest = distances(samples.memorizing[:200], samples.train).min(axis=1)
    # At s = .05 another digit at distance D weighs exp(-D^2/.005): below e^-8 beyond .2, and
    # no two of these digits are closer than that.
    assert nearest.max() < 1e-3
    assert distances(samples.memorizing[:200], samples.heldout).min() > 0.2


def test_memorizing_model_returns_many_of_them(samples):
    copied = {
        int(i)
        for i in (
            samples.memorizing @ samples.train.T - 0.5 * (samples.train**2).sum(axis=1)
        ).argmax(axis=1)
    }
    # 400 balls into 850 cells fill 850 (1 - e^-.471) = 319 on average, deviation about 8;
    # 5 deviations: false alarms below 1e-6 (the seed is fixed).
    assert 279 < len(copied) < 359


def test_generalizing_model_keeps_its_distance(samples):
    # A copy would lie within the noise's length of its digit; another sample of a Gaussian of
    # total variance 4.7 + 64 c lies further from every one.
    nearest = distances(samples.generalizing[:200], samples.train).min(axis=1)
    assert nearest.min() > math.sqrt(NOISE_FLOOR)


def test_same_seed_same_samples(samples):
    again, other = demo_samples(3), demo_samples(4)
    for name in ("train", "heldout", "memorizing", "generalizing"):
        np.testing.assert_array_equal(getattr(again, name), getattr(samples, name))
        assert not np.array_equal(getattr(other, name), getattr(samples, name))


@pytest.mark.parametrize("seed", [-1, 1.5, None, True])
def test_refuses_a_seed(seed):
    with pytest.raises(UsageError, match="seed"):
        demo_samples(seed)


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys, byheart.lab.demo; "
        "print([m for m in ('sklearn', 'scipy.stats', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
