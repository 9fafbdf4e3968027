"""Files that mean harm, or merely surprise: little memory, one line, and never a hang."""

import os
import struct
import zlib
from contextlib import contextmanager, suppress

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from byheart import InputError, UsageError
from byheart.samples import encode, read
from byheart.samples.tables import MAX_COLUMNS

LONG = "x" * 300_000
ROOM = 2**26
POOLS = []  # they have to outlive what was taken from them


@contextmanager
def watched():
    """Give what pyarrow has held at most since the block began, in bytes, by a call."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    POOLS.append(pool)
    pa.set_memory_pool(pool)
    try:
        yield pool.max_memory
    finally:
        pa.set_memory_pool(before)


def table_of(folder, column, name="x.parquet", **options):
    parquet.write_table(pa.table({"a": column}), folder / name, compression="zstd", **options)
    return folder / name


def repeated(rows, *cells):
    return pa.DictionaryArray.from_arrays(np.arange(rows, dtype="i4") % len(cells), [*cells])


def test_a_text_repeated_by_a_dictionary_is_never_written_out(tmp_path):
    files = {
        role: table_of(tmp_path, repeated(4000, LONG, role), f"{role}.parquet", store_schema=False)
        for role in ("train", "heldout", "generated")
    }
    assert all(file.stat().st_size < 1000 for file in files.values())  # and 600 MB of cells each
    with watched() as peak:
        encoded = encode(*(read(file, role, max_memory=ROOM) for role, file in files.items()))
    assert encoded.train.shape == (4000, 4)
    assert peak() < 50 * len(LONG)


def test_lists_are_not_decoded_and_can_be_ignored(tmp_path):
    many = 5_000_000
    lists = pa.ListArray.from_arrays(
        np.r_[0, np.full(60, many)].astype("i4"), pa.array(np.zeros(many))
    )
    table = pa.table({"lists": lists, "b": np.arange(60) / 7})
    parquet.write_table(table, tmp_path / "x.parquet", compression="zstd")
    assert (tmp_path / "x.parquet").stat().st_size < 5000
    with watched() as peak:
        sets = [read(tmp_path / "x.parquet", "train", max_memory=ROOM)]
    assert peak() < 2**20
    sets += [read(pa.table({"lists": [[1.0], [2.0]], "b": [0.5, b]}), "generated") for b in (1, 2)]
    with pytest.raises(InputError, match=r"'lists' holds values of type list<.*--ignore lists"):
        encode(*sets)
    assert encode(*sets, ignore=("lists",)).columns == ("b",)


@pytest.mark.parametrize(
    "options",
    [
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}},
    ],
)
def test_pages_that_unpack_beyond_the_limit(tmp_path, options):
    file = table_of(tmp_path, [LONG] * 1000, **options)
    assert file.stat().st_size < 2**15
    with watched() as peak, pytest.raises(UsageError, match="MiB of memory"):
        read(file, "train", max_memory=ROOM)
    assert peak() < 4 * ROOM


@pytest.mark.parametrize(
    "encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "dictionary"]
)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_is_the_same_in_every_encoding(tmp_path, encoding, version, kind):
    cells = [None, "b", "a", "b", *(f"c{i}" for i in range(5000))]
    options = {"use_dictionary": True}
    if encoding != "dictionary":
        options = {"use_dictionary": False, "column_encoding": {"a": encoding}}
    file = table_of(tmp_path, pa.array(cells, kind), data_page_version=version, **options)
    samples = read(file, "train")
    assert samples.table["a"].to_pylist() == cells
    assert list(samples.shown(np.array([0, 2]), ("a",))[:, 0]) == ["", "a"]


def test_a_page_header_that_lies_is_damage(tmp_path):
    file = table_of(tmp_path, np.arange(100) / 7)
    whole = file.read_bytes()
    for at in range(4, 30):
        file.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        with suppress(InputError, UsageError):
            read(file, "train", max_memory=ROOM)


TIMES = [
    pa.array([2**60, 5, 2**59 + 1]).cast(pa.timestamp("ns")),
    pa.array([10**13, 5, 7]).cast(pa.time64("ns")),
    pa.array([2**31 - 1, -(2**31), 0], pa.int32()).cast(pa.date32()),
    pa.array([2**62, -(2**62), 1]).cast(pa.duration("s")),
    pa.array([0, 1, 2**40]).cast(pa.timestamp("us", "Mars/Base")),
    pa.array([0, 1, 2**52]).cast(pa.timestamp("s")),
    pa.array(["a", "b", "a"], pa.string_view()),
]


@pytest.mark.parametrize("values", TIMES, ids=lambda v: str(v.type))
def test_every_time_is_encoded_and_shown(tmp_path, values):
    sets = []
    for i, role in enumerate(("train", "heldout", "generated")):
        parquet.write_table(pa.table({"a": values, "b": [0.1, i, i]}), tmp_path / f"{i}.parquet")
        sets.append(read(tmp_path / f"{i}.parquet", role))
    encoded = encode(*sets)
    assert np.isfinite(encoded.train).all()
    assert (encoded.train[0] != encoded.train[1]).any()
    shown = encoded.display_rows("train", [0, 1])
    assert shown.shape == (2, 2)
    assert shown[0, 0] != shown[1, 0]


def test_times_beyond_pythons_are_numbers_of_their_unit():
    samples = read(pa.table({"a": TIMES[2]}), "train")
    assert list(samples.shown(np.array([0]), ("a",))[0]) == ["2147483647 (date32[day])"]


def test_a_dictionary_of_bytes_has_no_meaning(tmp_path):
    sets = []
    for role, rows in (("train", 20), ("generated", 18)):
        file = table_of(tmp_path, repeated(rows, b"\xff", b"a"), f"{role}.parquet")
        sets.append(read(file, role))
    with pytest.raises(InputError, match=r"type dictionary<values=binary"):
        encode(sets[0], None, sets[1])


def test_tables_of_very_many_columns(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text(",".join(f"c{i}" for i in range(5000)) + "\n" + "1," * 4999 + "2\n")
    with pytest.raises(UsageError, match=r"takes 47\.7 MiB"):
        read(file, "train", max_memory=2**22)
    file.write_text(",".join(f"c{i}" for i in range(MAX_COLUMNS + 1)) + "\n")
    with pytest.raises(InputError, match=r"65,537 columns, more than the bound.*\.npy"):
        read(file, "train")


def test_the_rest_of_the_limit_is_never_negative():
    with pytest.raises(UsageError, match=r"and 0\.0 MiB of max_memory are left; raise --max-m"):
        read(iter([np.zeros((10, 3))]), "train", max_memory=-(2**20))


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 89_478_485, 1, 8, 6, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"0")), chunk(b"IEND", b"")]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(InputError, match=r"x\.png takes more memory to decode than there is"):
        read(tmp_path, "train", image_size=8)


def test_decoding_one_image_has_to_fit_into_the_limit(tmp_path):
    Image.new("RGBA", (600, 500)).save(tmp_path / "x.png")
    assert read(tmp_path, "train", image_size=8, max_memory=5 * 2**20).rows == 1
    with pytest.raises(UsageError, match=r"x\.png: takes 4\.6 MiB"):
        read(tmp_path, "train", image_size=8, max_memory=4 * 2**20)


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors", "csv", "parquet"])
@pytest.mark.parametrize("kind", ["a pipe", "a device"])
def test_pipes_and_devices_are_refused_unopened(tmp_path, suffix, kind):
    file = tmp_path / f"x.{suffix}"
    if kind == "a pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=f"is {kind}, not a file; save its content"):
        read(file, "train")


@pytest.mark.parametrize("name", ["x" * 300 + ".npy", "x\0.npy"], ids=["long", "NUL"])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(InputError, match=r"cannot be read|no such file"):
        read(str(tmp_path / name), "train")


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "parquet", "folder"])
def test_names_that_are_not_utf8(tmp_path, suffix):
    values = np.arange(12).reshape(6, 2) / 7
    name = os.fsdecode(b"a\xff\xfe")
    if suffix == "folder":
        Image.new("L", (2, 2)).save(tmp_path / f"{name}.png")
        assert read(tmp_path, "train").row_name(0) == f"{name}.png"
        return
    file = tmp_path / f"{name}.{suffix}"
    with file.open("wb") as stream:
        if suffix == "npy":
            np.save(stream, values)
        elif suffix == "npz":
            np.savez(stream, a=values)
        elif suffix == "csv":
            stream.write(b"a,b\n" + b"1.5,2\n" * 6)
        else:
            parquet.write_table(pa.table({"a": values[:, 0]}), stream)
    assert read(file, "train").rows == 6
