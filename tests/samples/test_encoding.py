"""The three sets together: agreement, exchangeability of the encoding, errors."""

import numpy as np
import pytest
from PIL import Image

from byheart import InputError, UsageError
from byheart.samples import encode, encode_alone, read

pd = pytest.importorskip("pandas")


def three(train, heldout, generated, **options):
    sets = zip((train, heldout, generated), ("train", "heldout", "generated"), strict=True)
    return encode(*(None if x is None else read(x, role) for x, role in sets), **options)


def frame(rows, seed):
    """A table with every kind of column, missing cells and a heavy tail."""
    rng = np.random.default_rng(seed)
    result = pd.DataFrame(
        {
            "city": rng.choice(["Bern", "Uri", "Zug"], rows),
            "age": rng.integers(18, 60, rows),
            "price": np.exp(2 * rng.normal(size=rows)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, rows), "D"),
            "member": rng.random(rows) < 0.5,
            "zip": rng.choice(["01234", "94110", "10001"], rows),
        }
    )
    result.loc[rng.random(rows) < 0.1, "city"] = None
    result.loc[rng.random(rows) < 0.1, "price"] = np.nan
    return result


A, B, G = frame(60, 0), frame(40, 1), frame(50, 2)


def csv(path, table, name):
    file = path / f"{name}.csv"
    table.to_csv(file, index=False)
    return file


@pytest.fixture(params=["frame", "csv", "parquet"])
def stored(request, tmp_path):
    def store(table, name):
        if request.param == "frame":
            return table
        if request.param == "csv":
            return csv(tmp_path, table, name)
        table.to_parquet(tmp_path / f"{name}.parquet")
        return tmp_path / f"{name}.parquet"

    return store


def test_the_encoding_does_not_see_which_rows_are_held_out(stored):
    a, b, g = stored(A, "a"), stored(B, "b"), stored(G, "g")
    one, two = three(a, b, g), three(b, a, g)
    np.testing.assert_array_equal(one.train, two.heldout)
    np.testing.assert_array_equal(one.heldout, two.train)
    np.testing.assert_array_equal(one.generated, two.generated)


def test_another_split_and_another_order_give_the_same_rows(stored):
    pooled = pd.concat([A, B], ignore_index=True)
    order = np.random.default_rng(3).permutation(100)
    mixed = pooled.iloc[order]
    one = three(stored(A, "a"), stored(B, "b"), stored(G, "g"))
    two = three(stored(mixed[:30], "c"), stored(mixed[30:], "d"), stored(G[::-1], "h"))
    expected = np.concatenate([one.train, one.heldout])[order]
    np.testing.assert_array_equal(np.concatenate([two.train, two.heldout]), expected)
    np.testing.assert_array_equal(two.generated, one.generated[::-1])


def test_the_order_of_columns_does_not_matter(stored):
    one = three(stored(A, "a"), stored(B, "b"), stored(G, "g"))
    two = three(stored(A[A.columns[::-1]], "c"), stored(B, "d"), stored(G, "h"))
    np.testing.assert_array_equal(one.train, two.train)
    assert two.columns == one.columns[::-1]


def test_generated_rows_do_not_change_the_real_ones(stored):
    one = three(stored(A, "a"), stored(B, "b"), stored(G, "g"))
    two = three(stored(A, "c"), stored(B, "d"), stored(G.assign(age=G["age"] * 1000), "h"))
    np.testing.assert_array_equal(one.train, two.train)


def test_equal_rows_have_equal_bits(stored):
    copies = A.iloc[[5, 17, 5]]
    result = three(stored(A, "a"), stored(B, "b"), stored(copies, "g"))
    np.testing.assert_array_equal(result.generated, result.train[[5, 17, 5]])


def test_formats_agree(tmp_path):
    one = three(A.drop(columns="zip"), B.drop(columns="zip"), G.drop(columns="zip"))
    files = [csv(tmp_path, t.drop(columns="zip"), n) for t, n in ((A, "a"), (B, "b"), (G, "g"))]
    two = three(*files)
    mixed = three(files[0], B.drop(columns="zip"), files[2])
    np.testing.assert_array_equal(one.train, two.train)
    np.testing.assert_array_equal(one.generated, two.generated)
    np.testing.assert_array_equal(mixed.heldout, one.heldout)


def test_the_arrays_are_contiguous_and_finite(stored):
    result = three(stored(A, "a"), stored(B, "b"), stored(G, "g"))
    for rows, n in ((result.train, 60), (result.heldout, 40), (result.generated, 50)):
        assert rows.shape == (n, result.train.shape[1])
        assert rows.dtype == np.float64
        assert rows.flags.c_contiguous
        assert np.isfinite(rows).all()
    assert result.kind == "table"
    assert result.sample_shape == (result.train.shape[1],)


def test_without_a_heldout_set():
    result = three(A, None, G)
    assert result.heldout is None
    with pytest.raises(UsageError, match="there is no heldout set; the sets are train, generated"):
        result.display_rows("heldout", [0])


def test_display_rows_are_the_stored_cells(tmp_path):
    text = "b,a,c\n01,x,2.50\n02,,3\n"
    for name in ("a", "b", "g"):
        (tmp_path / f"{name}.csv").write_text(text + f"03,{name},4\n")
    result = three(*(tmp_path / f"{n}.csv" for n in ("a", "b", "g")), ignore=["c"])
    assert result.columns == ("b", "a")
    assert result.display_rows("train", [1, 0]).tolist() == [["02", ""], ["01", "x"]]
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    shown = three(images, None, images[:2]).display_rows("generated", [1])
    np.testing.assert_array_equal(shown, images[1:2])
    assert shown.dtype == np.uint8


def test_columns_are_named_when_they_differ():
    with pytest.raises(InputError, match=r"^heldout: lacks column 'age' of train; .*--ignore age"):
        three(A, B.drop(columns="age"), G)
    with pytest.raises(InputError, match=r"^generated: has column 'new', not in train;"):
        three(A, B, G.assign(new=1))
    with pytest.raises(InputError, match=r"\(1 more columns differ\)"):
        three(A, B, G.rename(columns={"age": "Age"}))


def test_ignored_columns(tmp_path):
    marked = [t.assign(id=np.arange(len(t)) + 100 * i) for i, t in enumerate((A, B))]
    with pytest.raises(InputError, match=r"column 'id' differs in every row.*--ignore id"):
        three(*marked, G.assign(id=0))
    result = three(*marked, G, ignore=["id"])  # one set lacks it: it is not needed
    np.testing.assert_array_equal(result.train, three(A, B, G).train)
    with pytest.raises(UsageError, match="there is no column 'agee'; did you mean 'age'"):
        three(A, B, G, ignore=["agee"])
    with pytest.raises(InputError, match="every column is ignored"):
        three(A, B, G, ignore=list(A.columns))
    with pytest.raises(UsageError, match="leave it out"):
        three(np.zeros((2, 2)), None, np.ones((2, 2)), ignore=["age"])


def test_a_cell_is_named_with_file_row_and_column(tmp_path):
    files = [csv(tmp_path, t, n) for t, n in ((A, "a"), (B, "b"))]
    bad = csv(tmp_path, G.astype({"age": object}).assign(age=[*G["age"][:-1], "old"]), "g")
    with pytest.raises(InputError, match=r"generated \(.*g\.csv\): row 49, column 'age': 'old' is"):
        three(*files, bad)


@pytest.mark.parametrize("size", [1, 3])
def test_tiny_tables_do_not_crash(size):
    result = three(A[:size], B[:size], G[:size])
    assert result.train.shape[0] == size


def test_identical_rows_do_not_crash():
    same = A.iloc[[0] * 5]
    result = three(same, same.iloc[:3], same.iloc[:4])
    assert (result.generated == result.train[0]).all()


@pytest.mark.parametrize(
    ("stored", "encoded"),
    [
        ("uint8", "float32"),
        ("bool", "float32"),
        ("int16", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("int32", "float64"),
        ("float64", "float64"),
        ("longdouble", "float64"),
        (">f4", "float32"),
    ],
)
def test_every_stored_value_is_kept(stored, encoded):
    values = np.random.default_rng(0).integers(0, 2 if stored == "bool" else 99, (6, 4))
    values = values.astype(stored)
    result = three(values[:2], values[2:4], values[4:])
    assert result.train.dtype == result.heldout.dtype == result.generated.dtype == encoded
    assert result.train.dtype.isnative
    np.testing.assert_array_equal(result.generated, values[4:])
    assert result.warnings == ()


def test_images_are_not_rescaled():
    images = np.full((4, 8, 6, 3), 200, np.uint8)
    images[0, 0, 0] = 255
    result = three(images[:2], images[1:3], images[2:] / 255)
    assert result.train.shape == (2, 8 * 6 * 3)
    assert result.train.max() == 255
    assert result.generated.max() < 1
    assert result.sample_shape == (8, 6, 3)


def test_different_precision_is_rounded_to_the_lowest():
    train = np.random.default_rng(0).normal(size=(5, 3))
    single = train.astype(np.float32)
    result = three(single[:3], train[3:], train[:2])
    np.testing.assert_array_equal(result.generated, result.train[:2])
    assert result.train.dtype == np.float32
    assert "different precision; all were rounded to float32" in result.warnings[0]
    assert three(single[:3], single[3:].astype(">f4"), single[:2]).warnings == ()
    kept = three(single[:3], train[3:], train[:2] * 1e200)  # does not fit float32
    assert kept.train.dtype == np.float64
    assert np.isfinite(kept.generated).all()
    assert kept.warnings == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_that_are_not_finite_are_named(tmp_path, bad, dtype):
    values = np.ones((5, 3), dtype)
    values[3, 2] = values[4, 0] = bad
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match=r"generated \(.*x\.npy\): row 3, column 2 is (nan|-?inf)"):
        three(values[:2], values[:1], tmp_path / "x.npy")
    images = np.ones((2, 4, 5, 3), dtype)
    images[1, 2, 3, 1] = bad
    with pytest.raises(InputError, match=r"train: row 1, pixel \(2, 3, 1\) is"):
        three(images, None, images[:1])


def test_infinities_of_both_signs_are_found():
    with pytest.raises(InputError, match="row 0, column 0 is inf"):
        three(np.array([[np.inf, -np.inf]]), None, np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.zeros((2, 5)), "a row has shape 5, and one of train 4; give rows of one length"),
        (np.zeros((2, 2, 2)), "generated: holds images, and train vectors"),
        (A, "generated: holds a table, and train vectors"),
    ],
)
def test_sets_that_do_not_fit(other, message):
    with pytest.raises(InputError, match=message):
        three(np.ones((3, 4)), None, other)


def test_images_of_different_sizes_name_the_option():
    with pytest.raises(InputError, match=r"shape 4 × 4, and one of train 4 × 5;.*--image-size"):
        three(np.ones((3, 4, 5)), None, np.ones((3, 4, 4)))


def test_the_same_data_in_two_roles_are_refused(tmp_path):
    rows = np.random.default_rng(0).normal(size=(4, 3))
    np.savez(tmp_path / "x.npz", a=rows, b=rows + 1)
    with pytest.raises(InputError, match=r"^heldout: the same data as train;"):
        three(rows, rows.copy(), rows + 1)
    with pytest.raises(InputError, match=r"^generated \(.*\): the same data as train \("):
        three(f"{tmp_path}/x.npz::a", None, f"{tmp_path}/x.npz::a")
    assert three(f"{tmp_path}/x.npz::a", None, f"{tmp_path}/x.npz::b").train.shape == (4, 3)
    with pytest.raises(InputError, match="the same data as heldout"):
        three(A, B, B.copy())


def test_a_grey_folder_beside_a_colour_folder_becomes_rgb(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (2, 4, 5), dtype=np.uint8)
    for name, mode, shift in (("a", "L", 0), ("b", "L", 1), ("g", "RGB", 0)):
        (tmp_path / name).mkdir()
        for i, image in enumerate(grey ^ shift):
            Image.fromarray(image).convert(mode).save(tmp_path / name / f"{i}.png")
    result = three(tmp_path / "a", tmp_path / "b", tmp_path / "g")
    assert result.sample_shape == (4, 5, 3)
    np.testing.assert_array_equal(result.generated, result.train)
    assert len(result.warnings) == 2
    assert result.display_rows("train", [0]).shape == (1, 4, 5, 3)


def test_one_set_is_encoded_as_the_train_set_of_an_audit_would_be():
    table = frame(80, 0)
    rows, notes = encode_alone(read(table, "data"))
    both = three(table, None, frame(50, 1))
    # the generated set may add an indicator of unseen levels to a column, never change the others
    assert rows.shape[0] == 80
    assert rows.shape[1] <= both.train.shape[1]
    assert {tuple(c) for c in rows.T} <= {tuple(c) for c in both.train.T}
    assert sum("missing cells" in note for note in notes) > 0


def test_one_set_of_images_is_flattened_and_keeps_its_values():
    images = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    rows, notes = encode_alone(read(images, "data"))
    assert (rows == images.reshape(3, 16)).all()
    assert notes == ()
    with pytest.raises(UsageError, match="leave it out"):
        encode_alone(read(images, "data"), ignore=("a",))
