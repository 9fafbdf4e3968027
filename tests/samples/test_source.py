"""Every format round trip, fingerprints, and the errors of sources as a whole."""

import hashlib
import os

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from safetensors.numpy import save_file

from byheart import InputError, UsageError
from byheart.samples import TableSamples, fingerprint, read

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
torch = pytest.importorskip("torch")
save_tensors = pytest.importorskip("safetensors.torch").save_file

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) / 8


def written(path, form):
    """ROWS in a file of one of the array formats."""
    file = path / f"x.{form}"
    if form == "npy":
        np.save(file, ROWS)
    elif form == "npz":
        np.savez_compressed(file, x=ROWS)
    else:
        save_file({"x": ROWS}, file)
    return file


@pytest.mark.parametrize("form", ["npy", "npz", "safetensors"])
def test_an_array_file_gives_its_rows_and_its_hash(tmp_path, form):
    file = written(tmp_path, form)
    samples = read(str(file), "train")
    assert (samples.kind, samples.rows, samples.dtype) == ("vectors", 4, "float32")
    np.testing.assert_array_equal(samples.values, ROWS)
    assert samples.sha256 == hashlib.sha256(file.read_bytes()).hexdigest() == fingerprint(file)
    assert samples.path == str(file)


def test_npy_is_memory_mapped(tmp_path):
    assert isinstance(read(written(tmp_path, "npy"), "train").values, np.memmap)


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_one_array_of_several_is_named_by_its_key(tmp_path, form):
    file = tmp_path / f"x.{form}"
    arrays = {"images": ROWS, "labels": ROWS + 1}
    np.savez(file, **arrays) if form == "npz" else save_file(arrays, file)
    with pytest.raises(InputError, match=r"2 arrays \(images, labels\); name one as FILE::images"):
        read(file, "train")
    samples = read(f"{file}::labels", "train")
    assert samples.key == "labels"
    np.testing.assert_array_equal(samples.values, ROWS + 1)
    with pytest.raises(InputError, match="no array 'other'; it has images, labels"):
        read(f"{file}::other", "train")
    assert fingerprint(f"{file}::labels") == fingerprint(file)


@pytest.mark.parametrize(
    "source",
    [
        ROWS,
        torch.tensor(ROWS),
        torch.tensor(ROWS, requires_grad=True),
        ROWS[::-1][::-1],
        np.asfortranarray(ROWS),
    ],
    ids=["numpy", "torch", "torch with gradient", "view", "Fortran order"],
)
def test_arrays_in_memory_give_the_same_rows_and_hash(source):
    samples = read(source, "train")
    np.testing.assert_array_equal(samples.values, ROWS)
    expected = hashlib.sha256(b"<f4(4, 3)" + ROWS.tobytes()).hexdigest()
    assert samples.sha256 == expected == fingerprint(source)
    assert samples.path is None
    assert samples.row_name(3) == "row 3"


def test_the_hash_of_an_array_knows_type_and_shape():
    hashes = {fingerprint(x) for x in (ROWS, ROWS.reshape(3, 4), ROWS.view(np.int32), ROWS + 1)}
    assert len(hashes) == 4


def test_bfloat16_becomes_float32(tmp_path):
    tensor = torch.tensor(ROWS).bfloat16()
    np.testing.assert_array_equal(read(tensor, "train").values, ROWS)  # eighths: exact in 8 bits
    save_tensors({"x": tensor}, tmp_path / "x.safetensors")
    samples = read(tmp_path / "x.safetensors", "train")
    np.testing.assert_array_equal(samples.values, ROWS)
    assert samples.values.dtype == np.float32


def test_a_sparse_tensor_is_refused():
    with pytest.raises(InputError, match="not an array of equally long rows"):
        read(torch.eye(3).to_sparse(), "heldout")


FRAME = pd.DataFrame({"age": [31, 45, 27], "city": ["Bern", "Uri", "Bern"]})


@pytest.mark.parametrize(
    "source",
    [FRAME, pl.DataFrame(FRAME.to_dict("list")), pa.table(FRAME.to_dict("list"))],
    ids=["pandas", "polars", "pyarrow"],
)
def test_frames_become_tables(source):
    samples = read(source, "train")
    assert isinstance(samples, TableSamples)
    assert (samples.kind, samples.rows, samples.dtype) == ("table", 3, "typed")
    assert samples.table.to_pydict() == FRAME.to_dict("list")
    assert samples.sha256 == fingerprint(source)


def test_the_hash_of_a_frame_knows_its_cells_types_and_names():
    frames = [
        FRAME,
        FRAME.assign(age=[31, 45, 28]),
        FRAME.astype({"age": "float64"}),
        FRAME.rename(columns={"age": "years"}),
        FRAME.assign(city=["Bern", None, "Bern"]),
        FRAME.assign(city=["Bern", "", "Bern"]),
        FRAME.astype({"city": "category"}),
    ]
    assert len({fingerprint(f) for f in frames}) == len(frames)
    assert fingerprint(FRAME.copy()) == fingerprint(FRAME)


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
def test_table_files(tmp_path, form):
    file = tmp_path / f"x.{form}"
    if form == "parquet":
        FRAME.to_parquet(file)
    else:
        FRAME.to_csv(file, index=False, sep="\t" if form == "tsv" else ",")
    samples = read(file, "train")
    assert samples.kind == "table"
    assert samples.dtype == ("typed" if form == "parquet" else "text")
    assert samples.table["city"].to_pylist() == ["Bern", "Uri", "Bern"]
    assert samples.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["x.pkl", "x.pt", "x.gif", "x", "x.csv.gz"])
def test_unknown_kinds_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match="unknown kind of file"):
        read(tmp_path / name, "train")


@pytest.mark.parametrize("name", ["", "absent.npy", "absent.npz::key", "a\nb.npy"])
def test_a_missing_file_is_named(name):
    with pytest.raises(InputError, match="no such file or folder"):
        read(name, "train")
    with pytest.raises(InputError, match="no such file or folder"):
        fingerprint(name)


@pytest.mark.parametrize("form", ["npy", "npz", "safetensors", "csv", "parquet"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "cut"])
def test_damaged_files_are_refused_in_one_line(tmp_path, form, damage):
    file = tmp_path / f"x.{form}"
    if form in ("csv", "parquet"):
        parquet.write_table(pa.Table.from_pandas(FRAME), file)
    else:
        file = written(tmp_path, form)
    whole = file.read_bytes()
    content = {"empty": b"", "garbage": b"\xff\xfe\x00garbage" * 9, "cut": whole[:-40]}[damage]
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"^train \(.*x\.") as caught:
        read(file, "train")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_refused(tmp_path):
    file = written(tmp_path, "npy")
    file.chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        read(file, "train")


@pytest.mark.parametrize("size", [0, -3, 2.5, True, (3,), (3, 4, 5), "64", (3, "4")])
def test_impossible_image_sizes(size):
    with pytest.raises(UsageError, match="image_size must be"):
        read(np.zeros((2, 4, 4)), "train", image_size=size)


def test_image_size_is_for_folders():
    images = np.zeros((2, 4, 6))
    assert read(images, "train", image_size=(4, 6)).rows == 2
    with pytest.raises(InputError, match=r"resize it to 6 × 6 pixels first"):
        read(images, "train", image_size=6)
    with pytest.raises(InputError, match="folders of images only"):
        read(ROWS, "train", image_size=6)
    with pytest.raises(InputError, match="this is a table; leave it out"):
        read(FRAME, "train", image_size=6)


def test_a_key_is_for_files_of_several_arrays(tmp_path):
    file = written(tmp_path, "npy")
    with pytest.raises(InputError, match=r"FILE::KEY is for \.npz and \.safetensors"):
        read(f"{file}::x", "train")


def test_what_cannot_be_mapped_has_to_fit_into_the_limit(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, size=(40, 6, 5), dtype=np.uint8)
    flat = values.reshape(40, -1).astype(np.float32)
    np.save(tmp_path / "a.npy", flat)
    np.savez(tmp_path / "a.npz", flat)
    save_file({"a": flat}, tmp_path / "a.safetensors")
    table = pd.DataFrame(flat, columns=[f"c{i}" for i in range(30)])
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet", row_group_size=7)
    (tmp_path / "a").mkdir()
    for i, image in enumerate(values):
        Image.fromarray(image).save(tmp_path / "a" / f"{i}.png")
    assert read(tmp_path / "a.npy", "train", max_memory=1).held == 0
    assert read(flat, "train", max_memory=1).held == 0
    for name in ("a.npz", "a.safetensors", "a.csv", "a.parquet", "a"):
        with pytest.raises(
            UsageError, match=r"^train .*raise --max-memory by 1 MiB or more, or save .* as \.npy"
        ) as e:
            read(tmp_path / name, "train", max_memory=1000)
        assert "\n" not in str(e.value)
        samples = read(tmp_path / name, "train", max_memory=10**6)
        assert samples.rows == 40
        assert samples.held >= 40 * 30 * (1 if name == "a" else 4)
    groups = read(tmp_path / "a.parquet", "train").table
    assert groups.num_rows == 40
    assert groups.to_pandas().equals(table)
