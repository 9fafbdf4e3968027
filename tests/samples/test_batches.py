"""Batches give what their concatenation gives, and what is no batch is refused."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import byheart
from byheart import InputError, MemorizationMonitor, UsageError
from byheart.samples import joined, read

ROWS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
IMAGES = np.arange(20 * 3 * 8 * 6, dtype=np.uint8).reshape(20, 3, 8, 6)


def cut(rows, size=7):
    return (rows[start : start + size] for start in range(0, len(rows), size))


@pytest.mark.parametrize("form", [np.asarray, torch.from_numpy, np.ndarray.tolist])
@pytest.mark.parametrize("rows", [ROWS, IMAGES], ids=["vectors", "images"])
def test_batches_are_read_as_one_array(rows, form):
    samples, whole = read((form(part) for part in cut(rows)), "train"), read(form(rows), "train")
    np.testing.assert_array_equal(samples.values, whole.values)
    assert (samples.kind, samples.sha256, samples.dtype) == (whole.kind, whole.sha256, whole.dtype)
    # The array of the batches is byheart's own memory, a given one is not.
    assert samples.held == whole.values.nbytes
    assert whole.held == 0


def test_what_is_no_iterator_passes_through():
    for source in (ROWS, ROWS.tolist(), "folder", None):
        assert joined(source, "train") is source


def test_an_audit_and_a_monitor_take_iterators_everywhere():
    train, heldout, fresh = np.random.default_rng(1).normal(size=(3, 40, 3))
    given = byheart.audit(train, heldout, fresh, permutations=99)
    streamed = byheart.audit(cut(train), cut(heldout), cut(fresh), permutations=99)
    assert streamed.to_rows() == given.to_rows()
    assert streamed.inputs == given.inputs
    options = {"every": 10, "samples": 40, "permutations": 99}
    plain = MemorizationMonitor(train, heldout, **options)
    monitor = MemorizationMonitor(cut(train), cut(heldout), **options)
    assert monitor.observe(10, lambda count: cut(fresh[:count])) == plain.observe(10, fresh)
    # A checkpoint reads the samples twice, and the training rows a second time.
    assert monitor.checkpoint(20, cut(fresh)) == plain.checkpoint(20, fresh)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "yields no batch, or was used up before"),
        ([ROWS, ROWS[:, :2]], r"batch 1 has rows of float32 \(2,\), batch 0 of float32 \(4,\)"),
        ([ROWS, ROWS.astype(np.float64)], "batch 1 has rows of float64"),
        ([ROWS, ROWS[0]], r"train, batch 1: shape \(4,\) has no rows of values"),
        ([[torch.ones(3, 2), torch.ones(3)]], r"a list of parts.*\(batch\[0\] for batch in loader"),
        ([(torch.ones(3, 2),)], "a tuple of parts"),
        ([{"x": ROWS}], "a dict of parts"),
        ([pd.DataFrame(ROWS)], "a data frame; concatenate the frames"),
        ([[[1, 2], [3]]], "train, batch 0: not an array of equally long rows"),
        (["text\n"], r"shape \(\) has no rows"),
        ([np.array([["a"], ["b"]])], "are not numbers"),
    ],
)
def test_what_is_no_batch_is_refused(batches, message):
    with pytest.raises(InputError, match=message):
        read(iter(batches), "train")


def test_an_endless_iterator_ends_at_the_memory():
    with pytest.raises(UsageError, match="max_memory are left"):
        read(itertools.repeat(ROWS), "generated", max_memory=2**16)


def test_what_the_sampler_raises_passes_through():
    with pytest.raises(ZeroDivisionError):
        read((ROWS / (1 // k) for k in (1, 0)), "generated")


def test_a_torch_data_set_is_read_by_the_calls_that_its_refusal_names():
    x = torch.from_numpy(ROWS)
    dataset = TensorDataset(x, torch.zeros(len(ROWS)))
    with pytest.raises(InputError) as caught:
        read(dataset, "train")
    assert str(caught.value).endswith("with labels torch.stack([x for x, *_ in dataset])")
    stacked = read(torch.stack([x for x, *_ in dataset]), "train")
    np.testing.assert_array_equal(stacked.values, ROWS)
    loader = DataLoader(dataset, batch_size=8)
    with pytest.raises(InputError) as caught:
        read(loader, "train")
    assert str(caught.value).endswith("iter(loader), with labels (batch[0] for batch in loader)")
    np.testing.assert_array_equal(read((batch[0] for batch in loader), "train").values, ROWS)
    plain = DataLoader(x, batch_size=8)
    np.testing.assert_array_equal(read(iter(plain), "train").values, ROWS)
    with pytest.raises(InputError, match="batch 0: a list of parts"):
        read(iter(loader), "train")


def test_a_function_is_called_not_read():
    with pytest.raises(InputError, match="generated: function is called, not read"):
        read(lambda count: ROWS[:count], "generated")
