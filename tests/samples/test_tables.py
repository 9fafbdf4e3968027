"""CSV and Parquet files: nothing is guessed while reading, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from byheart import InputError
from byheart.samples import read

pd = pytest.importorskip("pandas")


def csv(path, text, name="x.csv"):
    file = path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_every_cell_of_a_csv_is_text(tmp_path):
    text = 'a,b,c,d\n01234,1e5,NA,"x, ""y"""\n-,nan,"",é\n'
    table = read(csv(tmp_path, text), "train").table
    assert table.to_pylist() == [
        {"a": "01234", "b": "1e5", "c": "NA", "d": 'x, "y"'},
        {"a": "-", "b": "nan", "c": "", "d": "é"},
    ]


def test_a_byte_order_mark_and_line_breaks_in_cells(tmp_path):
    table = read(csv(tmp_path, b'\xef\xbb\xbfa,b\r\n"1\n2",3\r\n4,5\r\n'), "train").table
    assert table.to_pydict() == {"a": ["1\n2", "4"], "b": ["3", "5"]}


def test_a_table_of_many_blocks_stays_whole(tmp_path):
    rows = 150_000  # over a megabyte, the block of pyarrow
    lines = "\n".join(f'{i},"a\nb"' for i in range(rows))
    table = read(csv(tmp_path, f"i,t\n{lines}\n"), "train").table
    assert table.num_rows == rows
    assert table["i"][rows - 1].as_py() == str(rows - 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n", r"the set is empty \(0 rows, 2 columns\)"),
        ("a,b,a\n1,2,3\n", "column 'a' stands 2 times"),
        ("a,b\n1,2\n3\n", r"cannot be read as \.csv.*Expected 2 columns, got 1"),
        ("a;b\n1;2\n", "seem to be separated by ';'"),
        ("a\tb\n1\t2\n", "seem to be separated by"),
        ("0.5,1.5\n0.1,0.2\n", "first line holds numbers only"),
        (b"a,b\n1,\xff\n", r"cannot be read as \.csv"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00", r"cannot be read as \.csv"),
    ],
)
def test_csv_files_that_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(csv(tmp_path, text), "generated")
    assert str(caught.value).startswith("generated (")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", ["0,1,2", "1,2,3"])
def test_numbered_columns_are_names(tmp_path, header):
    table = read(csv(tmp_path, f"{header}\n.1,.2,.3\n"), "train").table
    assert table.column_names == header.split(",")


def test_parquet_with_a_repeated_name(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match="column 'a' stands 2 times"):
        read(tmp_path / "x.parquet", "train")
    with pytest.raises(InputError, match="column 'a' stands 2 times"):
        read(table, "train")


def test_parquet_beyond_the_bound_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("byheart.samples.parquet.MAX_UNPACKED", 2**20)
    parquet.write_table(pa.table({"a": [0] * 200_000}), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 2**13
    with pytest.raises(InputError, match="more than the bound"):
        read(tmp_path / "x.parquet", "train")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1, "x"]}), "a column mixes types"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column 'a' stands 2 times"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "column '1' stands 2 times"),
        (pd.DataFrame({"a": []}), "the set is empty"),
        (pd.DataFrame(index=[0, 1]), "the set is empty"),
    ],
)
def test_frames_that_are_refused(frame, message):
    with pytest.raises(InputError, match=message):
        read(frame, "train")


def test_the_index_of_a_frame_is_no_column():
    frame = pd.DataFrame({"a": [1, 2]}, index=[7, 9])
    assert read(frame, "train").table.column_names == ["a"]


def test_the_row_labels_that_pandas_writes_are_no_column(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5]}, index=[7, 9])
    frame.to_parquet(tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet", "train").table.column_names == ["a"]


def test_text_that_is_no_utf8_is_refused(tmp_path):
    damaged = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], "i4")), pa.py_buffer(b"\xff")]
    )
    parquet.write_table(pa.table({"a": damaged}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"the table is damaged, .*UTF8"):
        read(tmp_path / "x.parquet", "train")
