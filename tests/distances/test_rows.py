"""Rows read on demand against the arrays that they stand for."""

import numpy as np
import pytest

from byheart.distances.neighbours import two_way, within
from byheart.distances.rows import Cast, Chosen, Source, Stacked, extent, held, row_blocks


def sources():
    """Pairs of a source and the array that it stands for."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, size=(50, 3, 4, 5), dtype=np.uint8)
    last = np.moveaxis(pixels, 1, 3)
    wide = rng.normal(size=(30, 60)) * 1e3
    swapped = np.asfortranarray(wide).astype(">f8")
    order = rng.permutation(80)
    flat = last.reshape(50, -1).astype(np.float32)
    rounded = wide.astype(np.float16).astype(np.float32)
    stacked = Stacked(Cast(last, np.float32), Cast(wide, np.float32, np.float16))
    both = np.concatenate([flat, rounded])
    return {
        "bytes": (Cast(last, np.float32), flat),
        "order of bytes": (Cast(swapped, np.float64), wide),
        "rounded": (Cast(wide, np.float32, np.float16), rounded),
        "stacked": (stacked, both),
        "shuffled": (Chosen(stacked, order), both[order]),
        "some, wider": (Chosen(stacked, order[:9], np.float64), both[order[:9]].astype(float)),
    }


@pytest.mark.parametrize("name", sources())
def test_a_source_reads_as_its_array_does(name):
    source, array = sources()[name]
    assert isinstance(source, Source)
    assert (source.shape, source.dtype, len(source)) == (array.shape, array.dtype, len(array))
    assert source.nbytes == array.nbytes
    some = np.random.default_rng(1).integers(0, len(array), size=40)
    for key in (slice(None), slice(3, 7), slice(5, 5), slice(7, 10**6), some, some[:0], 4, -0):
        found = source[key]
        np.testing.assert_array_equal(found, array[key])
        assert found.dtype == array.dtype
        assert found.flags.c_contiguous
    np.testing.assert_array_equal(np.asarray(source), array)
    assert extent(source) == (array.min(), array.max())


def test_rows_are_held_only_up_to_the_limit():
    source, array = sources()["shuffled"]
    assert held(source, array.nbytes - 1) is source
    assert isinstance(held(source, array.nbytes), np.ndarray)
    assert held(array, 0) is array


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_of_sources_are_those_of_arrays_bit_for_bit(dtype):
    rng = np.random.default_rng(2)
    first, second, made = (rng.normal(size=(n, 40)).astype(np.float32) for n in (700, 900, 1300))
    first[50:90] = first[:40]  # ties, and
    second[:60] = second[0]  # crowded lists
    made[:60] = second[0]
    order = rng.permutation(1600)
    pooled = np.concatenate([first, second]).astype(dtype)[order]
    lazy = Chosen(Stacked(first, second), order, dtype)
    one, two = two_way(made.astype(dtype), pooled), two_way(Cast(made, dtype), lazy)
    for a, b in (
        (one.forward, two.forward),
        (one.backward, two.backward),
        (within(pooled, 5), within(lazy, 5)),
    ):
        np.testing.assert_array_equal(a.distances, b.distances)
        np.testing.assert_array_equal(a.indices, b.indices)


def test_blocks_cover_all_rows_once():
    blocks = list(row_blocks(1000, 7, 100))
    assert [i for b in blocks for i in range(b.start, b.stop)] == list(range(1000))
    assert [b.stop - b.start for b in row_blocks(3, 10**6, 100)] == [1, 1, 1]
