"""Random streams: those of `SeedSequence.spawn`, by name, each once."""

import numpy as np
import pytest

from byheart.auditing.streams import PURPOSES, Streams


def test_names_stand_for_the_children_of_one_seed_in_any_order():
    children = np.random.SeedSequence(7).spawn(len(PURPOSES))
    streams = Streams(7)
    for purpose, child in reversed(list(zip(PURPOSES, children, strict=True))):
        expected = np.random.default_rng(child).integers(2**62, size=4)
        np.testing.assert_array_equal(streams.take(purpose).integers(2**62, size=4), expected)


def test_a_stream_is_given_out_once():
    streams = Streams(0)
    streams.take("shuffle")
    with pytest.raises(RuntimeError, match="'shuffle' is taken"):
        streams.take("shuffle")
