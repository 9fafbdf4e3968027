"""Shapes of arrays, what is no array of numbers, and archives that declare too much."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from byheart import InputError
from byheart.samples import read
from byheart.samples.record import MAX_UNPACKED


@pytest.mark.parametrize(
    ("shape", "kind", "stored"),
    [
        ((5, 7), "vectors", (5, 7)),
        ((5, 8, 6), "images", (5, 8, 6)),
        ((5, 8, 6, 3), "images", (5, 8, 6, 3)),
        ((5, 8, 6, 4), "images", (5, 8, 6, 4)),
        ((5, 8, 6, 1), "images", (5, 8, 6)),
        ((5, 3, 8, 6), "images", (5, 8, 6, 3)),
        ((5, 4, 8, 6), "images", (5, 8, 6, 4)),
        ((5, 1, 8, 6), "images", (5, 8, 6)),
        ((5, 3, 8, 3), "images", (5, 3, 8, 3)),  # both axes could be channels: the last one is
    ],
)
def test_channels_come_last(shape, kind, stored):
    samples = read(np.zeros(shape, np.uint8), "train")
    assert (samples.kind, samples.values.shape, samples.dtype) == (kind, stored, "uint8")


def test_channels_first_and_last_hold_the_same_pixels():
    last = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
    first = np.ascontiguousarray(np.moveaxis(last, 3, 1))
    np.testing.assert_array_equal(read(first, "train").values, last)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros(3), r"use x\.reshape\(-1, 1\)"),
        (np.float64(3.0), r"use x\.reshape\(-1, 1\)"),
        (np.zeros((2, 3, 4, 5, 6)), r"use x\.reshape\(len\(x\), -1\)"),
        (np.zeros((2, 16, 8, 8)), r"neither on its last nor on its second axis"),
        (np.zeros((0, 3)), "the set is empty"),
        (np.zeros((3, 0)), "the set is empty"),
        (np.array([[1, "a"]], object), "nothing is ever unpickled"),
        (np.array([["a", "b"]]), "are not numbers"),
        (np.zeros((2, 2), complex), "are not numbers"),
        (np.zeros((2, 2), "M8[s]"), "are not numbers"),
        (np.zeros(2, [("a", "f8")]), "are not numbers"),
        ([[1, 2], [3]], "not an array of equally long rows"),
        ([[1, 2], [3, "x"]], "are not numbers"),
        ({"a": 1}, "are not numbers"),
        (None, "are not numbers"),
        (np.ma.masked_equal([[1, 2], [3, 4]], 3), "masked values"),
    ],
)
def test_what_is_no_array_of_rows(source, message):
    with pytest.raises(InputError, match=message) as caught:
        read(source, "heldout")
    assert str(caught.value).startswith("heldout: ")
    assert "\n" not in str(caught.value)


class Bomb:
    """Unpickling this is an error that no reader may meet."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_nothing_is_unpickled(tmp_path):
    bomb = np.array([[Bomb()]], object)
    np.save(tmp_path / "x.npy", bomb, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=bomb)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("x.npy", "x.npz", "raw.npy"):
        with pytest.raises(InputError, match="nothing is ever unpickled"):
            read(tmp_path / name, "train")


def archive(path, header_shape, zeros):
    """A .npz whose array declares `header_shape` and whose data are compressed zeros."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": header_shape}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("x.npy", "w", force_zip64=True) as out,
    ):
        out.write(head.getvalue() + bytes(zeros))
    return path


def test_an_archive_that_unpacks_to_gigabytes_is_refused_unread(tmp_path, monkeypatch):
    # 4 GiB of zeros take seconds to write: a smaller bound stands for it
    monkeypatch.setattr("byheart.samples.arrays.MAX_UNPACKED", 2**20)
    file = archive(tmp_path / "x.npz", (2**14, 16), 2**21)
    assert file.stat().st_size < 2**13
    with pytest.raises(
        InputError, match=r"unpacks to 0\.0 GiB, more than the bound.*save it as \.npy"
    ):
        read(file, "train")
    assert MAX_UNPACKED == 4 * 2**30


def test_an_inner_header_that_declares_more_than_it_holds_is_refused(tmp_path):
    with pytest.raises(InputError, match="declares 8796093022208 bytes and holds fewer"):
        read(archive(tmp_path / "x.npz", (2**38, 4), 2**10), "train")


def test_an_archive_with_a_wrong_checksum_is_refused(tmp_path):
    file = tmp_path / "x.npz"
    np.savez(file, x=np.arange(100.0).reshape(10, 10))
    content = bytearray(file.read_bytes())
    content[400] ^= 1  # within the stored data
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as \.npz, Bad CRC-32"):
        read(file, "train")


def test_a_damaged_header_of_any_kind_is_refused(tmp_path):
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + b"{'descr': (" + b" " * 107
    (tmp_path / "x.npy").write_bytes(header)
    with pytest.raises(InputError, match=r"cannot be read as \.npy"):
        read(tmp_path / "x.npy", "train")
