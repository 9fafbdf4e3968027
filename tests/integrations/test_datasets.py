"""Columns and tables of Hugging Face's datasets."""

import numpy as np
import pytest
from PIL import Image

import byheart
from byheart.samples import fingerprint, read

pytestmark = pytest.mark.filterwarnings("ignore")  # of datasets' own
datasets = pytest.importorskip("datasets")

PIXELS = np.random.default_rng(0).integers(256, size=(60, 6, 5, 3), dtype=np.uint8)
TABLE = {"age": [k / 7 for k in range(60)], "job": ["a", "b", "c"] * 20}


def test_a_column_of_images():
    dataset = datasets.Dataset.from_dict({"image": [Image.fromarray(x) for x in PIXELS]})
    for column in (dataset["image"], dataset.with_format("numpy")["image"]):
        samples = read(column, "train")
        assert samples.kind == "images"
        np.testing.assert_array_equal(samples.values, PIXELS)


def test_a_column_of_vectors():
    rows = PIXELS[:, :, 0, 0] / 255
    dataset = datasets.Dataset.from_dict({"x": rows.tolist()}).shuffle(seed=1).select(range(20))
    samples = read(dataset["x"], "train")
    assert samples.values.shape == (20, 6)
    np.testing.assert_array_equal(samples.values[0], dataset[0]["x"])


def test_a_data_set_is_a_table_of_its_own_rows():
    dataset = datasets.Dataset.from_dict(TABLE)
    shuffled = dataset.shuffle(seed=0).select(range(20))  # keeps the table, changes the order
    assert read(shuffled, "train").table.to_pydict() == shuffled.to_dict()
    assert fingerprint(shuffled) == fingerprint(shuffled.with_format("arrow")[:])
    assert fingerprint(shuffled) != fingerprint(dataset)


def test_an_audit_of_tables():
    split = datasets.Dataset.from_dict(TABLE).train_test_split(test_size=20, seed=0)
    pair = split["train"].train_test_split(test_size=20, seed=0)
    result = byheart.audit(split["test"], pair["train"], pair["test"], permutations=99)
    assert [given.rows for given in result.inputs.values()] == [20, 20, 20]


def test_a_column_of_images_in_a_table_is_refused_by_name():
    data = {"image": [Image.fromarray(x) for x in PIXELS]}
    dataset = datasets.Dataset.from_dict(data)
    sets = [dataset.select(range(start, start + 20)) for start in (0, 20, 40)]
    with pytest.raises(byheart.InputError, match="column 'image'"):
        byheart.audit(*sets)
