"""What every denoiser promises, whatever its score, of a law or not: checks that tests share."""

import math

import numpy as np
import pytest

from byheart.errors import UsageError


def rows_do_not_depend_on_each_other(denoiser, s, tolerance):
    y = np.random.default_rng(5).normal(size=(23, denoiser.dimension))
    whole = denoiser.mean(y, s)
    alone = np.concatenate([denoiser.mean(row[None], s) for row in y])
    np.testing.assert_allclose(alone, whole, rtol=tolerance, atol=tolerance / 10)


def does_not_change_its_argument(denoiser, s):
    y = np.random.default_rng(6).normal(size=(4, denoiser.dimension))
    before = y.copy()
    result = denoiser.mean(y, s)
    assert result is not y
    assert result.shape == y.shape
    assert result.dtype == np.float64
    np.testing.assert_array_equal(y, before)


def refuses_another_shape(denoiser, s):
    d = denoiser.dimension
    for shape in [(d + 1,), (3, d + 1), (d, d, d)]:
        with pytest.raises(UsageError, match=rf"y must have shape \(m, {d}\)"):
            denoiser.mean(np.zeros(shape), s)


def refuses_another_noise_level(denoiser):
    for s in [0.0, -1.0, math.nan, math.inf, "1"]:
        with pytest.raises(UsageError, match="noise_level"):
            denoiser.mean(np.zeros((1, denoiser.dimension)), s)
