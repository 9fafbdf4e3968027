"""A set without some rows: the same values and types in the same format, and nothing else lost."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy
from PIL import Image
from pyarrow import parquet
from safetensors import safe_open

from byheart.errors import InputError, UsageError
from byheart.samples.without import write_without

DROP, LEFT = {1, 4}, [0, 2, 3, 5]


def values():
    return np.random.default_rng(0).integers(0, 255, (6, 3, 4, 4), dtype=np.uint8)


def test_npy_keeps_shape_and_type(tmp_path):
    np.save(tmp_path / "a.npy", values())
    out = write_without(str(tmp_path / "a.npy"), DROP, 6, tmp_path / "b.npy")
    left = np.load(out)
    assert left.dtype == np.uint8
    np.testing.assert_array_equal(left, values()[LEFT])


def test_npz_drops_the_labels_of_the_rows_too(tmp_path):
    np.savez(tmp_path / "a.npz", x=values(), labels=np.arange(6), note=np.array([1.5]))
    out = write_without(f"{tmp_path / 'a.npz'}::x", DROP, 6, tmp_path / "b.npz")
    left = np.load(out)
    np.testing.assert_array_equal(left["x"], values()[LEFT])
    assert left["labels"].tolist() == LEFT
    assert left["note"].tolist() == [1.5]


def test_safetensors_keep_every_type(tmp_path):
    half = np.arange(12, dtype="<u2")  # the bits of bfloat16, which numpy has no type for
    header = {
        "__metadata__": {"made by": "a test"},
        "x": {"dtype": "BF16", "shape": [6, 2], "data_offsets": [0, 24]},
        "y": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]},
    }
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    data = half.tobytes() + np.ones(2, "<f4").tobytes()
    (tmp_path / "a.safetensors").write_bytes(len(told).to_bytes(8, "little") + told + data)
    source = f"{tmp_path / 'a.safetensors'}::x"
    out = write_without(source, DROP, 6, tmp_path / "b.safetensors")
    with safe_open(str(out), framework="np") as file:
        assert file.get_slice("x").get_dtype() == "BF16"
        assert file.get_slice("x").get_shape() == [4, 2]
        assert file.metadata() == {"made by": "a test"}
        assert file.get_tensor("y").tolist() == [1.0, 1.0]
    kept = half.reshape(6, 2)[LEFT].tobytes()
    assert kept in out.read_bytes()
    safetensors.numpy.save_file({"x": np.eye(6)}, tmp_path / "c.safetensors")
    out = write_without(str(tmp_path / "c.safetensors"), DROP, 6, tmp_path / "d.safetensors")
    np.testing.assert_array_equal(safetensors.numpy.load_file(out)["x"], np.eye(6)[LEFT])


def test_csv_keeps_its_text(tmp_path):
    rows = ["0,a", '01,"b, with ""quotes"""', '2,"c\nd"', "3,", "4,e", "5,ü"]
    (tmp_path / "a.csv").write_text("\r\n".join(["id,x", *rows[:3], "", *rows[3:]]), newline="")
    out = write_without(str(tmp_path / "a.csv"), DROP, 6, tmp_path / "b.csv")
    expected = "id,x\r\n" + "\r\n".join(rows[i] for i in LEFT)
    assert out.read_bytes().decode() == expected


def test_parquet_keeps_types_and_metadata(tmp_path):
    import datetime

    days = [datetime.date(2020, 1, d + 1) for d in range(6)]
    table = pa.table({"n": pa.array(range(6), pa.int8()), "day": days}).replace_schema_metadata(
        {"a": "b"}
    )
    parquet.write_table(table, tmp_path / "a.parquet", compression="gzip")
    out = write_without(str(tmp_path / "a.parquet"), DROP, 6, tmp_path / "b.parquet")
    left = parquet.read_table(out)
    assert left.schema.equals(table.schema, check_metadata=True)
    assert left.equals(table.take(LEFT))
    assert parquet.ParquetFile(out).metadata.row_group(0).column(0).compression == "GZIP"


def test_a_folder_keeps_the_bytes_of_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    for i, picture in enumerate(np.moveaxis(values(), 1, 3)):
        Image.fromarray(picture).save(tmp_path / "a" / f"{i}.png")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    out = write_without(str(tmp_path / "a"), DROP, 6, tmp_path / "new" / "b")
    assert sorted(p.name for p in out.iterdir()) == [f"{i}.png" for i in LEFT]
    for file in out.iterdir():
        assert file.read_bytes() == (tmp_path / "a" / file.name).read_bytes()


def test_mistakes_are_one_line_and_write_nothing(tmp_path):
    np.save(tmp_path / "a.npy", values())
    source = str(tmp_path / "a.npy")
    for out, rows, error, words in (
        ("a.npy", 6, UsageError, "exists"),
        ("b.npz", 6, UsageError, r"name a \.npy file"),
        ("b.npy", 7, InputError, "6 rows, and the report was made of 7"),
        ("none/b.npy", 6, UsageError, "cannot be written"),
    ):
        with pytest.raises(error, match=words):
            write_without(source, DROP, rows, tmp_path / out)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]
