"""Features: the same map for the three sets, in full batches, and what is refused."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from byheart import InputError, MissingExtraError, UsageError
from byheart.features.extractors import load_features
from byheart.samples import encode, read

onnx = pytest.importorskip("onnx")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper
torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(12, 5)).astype(np.float32)


def vectors(train=20, heldout=15, generated=9, d=12):
    rows = RNG.normal(size=(train + heldout + generated, d)).astype(np.float32)
    parts = np.split(rows, [train, train + heldout])
    sets = zip(parts, ("train", "heldout", "generated"), strict=True)
    return encode(*(read(x, role) for x, role in sets))


def images(shape, n=6):
    rows = RNG.integers(0, 256, (3 * n, *shape), dtype=np.uint8)
    sets = zip(np.split(rows, 3), ("train", "heldout", "generated"), strict=True)
    return encode(*(read(x, role) for x, role in sets))


def project(batch):
    return batch.reshape(len(batch), -1) @ WEIGHTS


@pytest.mark.parametrize("spec", [None, "raw"])
def test_raw_features_are_the_values(spec):
    encoded = vectors()
    extractor = load_features(spec)
    assert extractor.name == "raw"
    assert extractor.apply(encoded) is encoded


@pytest.mark.parametrize("batch", [1, 7, 44, 256])
def test_a_function_is_applied_to_every_row(batch):
    encoded = vectors()
    result = load_features(project).apply(encoded, batch=batch)
    for role in ("train", "heldout", "generated"):
        rows = getattr(result, role)
        # float32 sums of 12 products of order 1
        np.testing.assert_allclose(rows, project(getattr(encoded, role)), atol=1e-5)
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
    assert (result.kind, result.sample_shape) == (encoded.kind, encoded.sample_shape)
    np.testing.assert_array_equal(
        result.display_rows("train", [3]), encoded.display_rows("train", [3])
    )


def test_without_a_heldout_set():
    encoded = encode(read(np.eye(12), "train"), None, read(np.ones((3, 12)), "generated"))
    result = load_features(lambda batch: batch[:, :2]).apply(encoded)
    assert result.heldout is None
    assert result.generated.tolist() == [[1.0, 1.0]] * 3


def test_all_batches_are_full_and_progress_ends_at_the_total():
    sizes, steps = [], []

    def function(batch):
        sizes.append(len(batch))
        return batch

    load_features(function).apply(
        vectors(), batch=10, progress=lambda done, total: steps.append((done, total))
    )
    assert set(sizes) == {10}
    assert steps == [(10, 44), (20, 44), (30, 44), (40, 44), (44, 44)]


def test_a_copy_has_the_features_of_its_original_to_the_bit():
    train = RNG.normal(size=(300, 12))
    encoded = encode(read(train, "train"), None, read(train[[250, 3, 250]], "generated"))

    def rounding(batch):  # within what is taken for rounding, but different from place to place
        return batch + 1e-9 * np.arange(len(batch))[:, None]

    result = load_features(rounding).apply(encoded, batch=7)
    np.testing.assert_array_equal(result.generated, result.train[[250, 3, 250]])


def test_images_arrive_as_stored():
    seen = []

    def function(batch):
        seen.append(batch)
        return batch.reshape(len(batch), -1)

    encoded = images((4, 5, 3))
    load_features(function).apply(encoded, batch=4)
    assert seen[0].shape == (4, 4, 5, 3)
    assert seen[0].max() > 1
    np.testing.assert_array_equal(seen[0], encoded.display_rows("train", range(4)))


def test_a_torch_model_is_a_function():
    model = torch.nn.Linear(12, 3)
    encoded = vectors()
    result = load_features(lambda batch: model(torch.from_numpy(batch))).apply(encoded)
    expected = model(torch.from_numpy(encoded.train)).detach().numpy()
    np.testing.assert_allclose(result.train, expected, atol=1e-5)


def test_a_model_left_in_training_is_refused():
    torch.manual_seed(0)
    for layer in (torch.nn.Dropout(), torch.nn.BatchNorm1d(12)):
        extractor = load_features(lambda batch, layer=layer: layer(torch.from_numpy(batch)))
        with pytest.raises(InputError, match=r"change with the rest of the batch.*model\.eval\(\)"):
            extractor.apply(vectors(), batch=8)
        layer.eval()
        extractor.apply(vectors(), batch=8)


def growing():
    """A function whose vectors get longer from call to call, after the check of the first."""
    calls = []

    def function(batch):
        calls.append(1)
        return batch[:, : 2 if len(calls) <= 2 else 3]

    return function


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[:-1], r"a batch of 8 samples gave shape \(7, 12\); return \(8, k\)"),
        (lambda x: x.mean(axis=1), r"gave shape \(8,\)"),
        (lambda x: x.mean(), r"gave shape \(\)"),
        (lambda x: None, r"gave shape \(\)"),
        (lambda x: x[:, :0], "is empty"),
        (lambda x: x / 0.0 if len(x) else x, "row 0, column 0 is"),
        (lambda x: np.full(x.shape, "a"), "are not numbers"),
        (lambda x: [[1], [1, 2]], "not an array of equally long rows"),
        (lambda x: x @ np.ones((3, 3)), r"failed on a batch of shape \(8, 12\) and type float32"),
        (growing(), "a batch has vectors of 3 numbers and an earlier one of 2"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_what_is_no_map_to_vectors(function, message):
    with pytest.raises(InputError, match=message) as caught:
        load_features(function).apply(vectors(), batch=8)
    assert "\n" not in str(caught.value)
    assert "features " in str(caught.value)


def test_a_batch_size_is_a_whole_number():
    with pytest.raises(UsageError, match="batch must be at least 1"):
        load_features(project).apply(vectors(), batch=0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current directory, with modules that no other test sees."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("byheart_test_"):
            del sys.modules[name]


def test_a_function_of_a_module_in_the_current_directory(here):
    (here / "byheart_test_a.py").write_text(
        "class Model:\n    @staticmethod\n    def half(x):\n        return x / 2\n"
    )
    path = list(sys.path)
    extractor = load_features("byheart_test_a:Model.half")
    assert extractor.name == "byheart_test_a:Model.half"
    assert sys.path == path
    encoded = vectors()
    np.testing.assert_array_equal(extractor.apply(encoded).train, encoded.train / 2)


def test_a_callable_is_named_by_its_home():
    assert load_features(project).name.endswith("test_features:project")
    assert load_features(torch.nn.Linear(2, 2)).name == "torch.nn.modules.linear:Linear"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nothing", "raw, MODULE:FUNCTION, FILE.onnx, hf:FOLDER_OR_NAME or a callable"),
        ("", "features must be raw"),
        (":f", "features must be raw"),
        ("byheart_test_b:", "features must be raw"),
        (3, "features must be raw"),
        ("byheart_test_absent:f", "there is no module 'byheart_test_absent'"),
        ("byheart_test_absent.part:f", "there is no module 'byheart_test_absent'"),
        ("byheart_test_b:f", "has no attribute 'f'"),
        ("byheart_test_b:number", "number is no function, it is int"),
        ("byheart_test_c:f", "byheart_test_c needs 'byheart_test_missing'; install it"),
        ("byheart_test_d:f", "importing byheart_test_d failed, SyntaxError"),
        ("byheart_test_e:f", "importing byheart_test_e failed, ZeroDivisionError"),
    ],
)
def test_specifications_that_are_refused(here, spec, message):
    (here / "byheart_test_b.py").write_text("number = 3\n")
    (here / "byheart_test_c.py").write_text("import byheart_test_missing\n")
    (here / "byheart_test_d.py").write_text("def f(:\n")
    (here / "byheart_test_e.py").write_text("1 / 0\n")
    with pytest.raises(UsageError, match=message) as caught:
        load_features(spec)
    assert "\n" not in str(caught.value)


def model(path, shape, *, element=TensorProto.FLOAT, outputs=1, batch="n"):
    """An ONNX model that casts its input to float32 and flattens it."""
    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT),
        *(helper.make_node("Flatten", ["c"], [f"y{i}"], axis=1) for i in range(outputs)),
    ]
    made = helper.make_graph(
        nodes,
        "flatten",
        [helper.make_tensor_value_info("x", element, [batch, *shape])],
        [
            helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, [None, None])
            for i in range(outputs)
        ],
    )
    file = path / "model.onnx"
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file
    )
    return str(file)


def first_last(values):
    """Features of images whose model takes channels first."""
    return np.moveaxis(values, 3, 1).reshape(len(values), -1)


def flat(values):
    return values.reshape(len(values), -1)


@pytest.mark.parametrize(
    ("declared", "stored", "expected"),
    [
        ([60], (4, 5, 3), flat),
        (["d"], (4, 5, 3), flat),
        ([3, 4, 5], (4, 5, 3), first_last),
        ([3, "h", "w"], (4, 5, 3), first_last),
        ([4, 5, 3], (4, 5, 3), flat),
        (["h", "w", 3], (4, 5, 3), flat),
        ([1, 4, 5], (4, 5), flat),
        ([4, 5, 1], (4, 5), flat),
        ([4, 5], (4, 5), flat),
    ],
)
def test_the_layout_follows_the_declared_shape(tmp_path, declared, stored, expected):
    encoded = images(stored)
    extractor = load_features(model(tmp_path, declared))
    assert extractor.name == str(tmp_path / "model.onnx")
    result = extractor.apply(encoded, batch=4)
    for role in ("train", "heldout", "generated"):
        values = encoded.display_rows(role, range(6))
        np.testing.assert_array_equal(getattr(result, role), expected(values))


@pytest.mark.parametrize(
    "element",
    [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8],
)
def test_types_of_input(tmp_path, element):
    encoded = images((4, 5, 3))
    result = load_features(model(tmp_path, [60], element=element)).apply(encoded)
    np.testing.assert_array_equal(result.train, encoded.train)


@pytest.mark.parametrize("size", [1, 4, 7])
def test_a_fixed_batch_is_filled_up(tmp_path, size):
    encoded = images((4, 5, 3))
    result = load_features(model(tmp_path, [60], batch=size)).apply(encoded, batch=5)
    np.testing.assert_array_equal(result.generated, encoded.generated)


@pytest.mark.parametrize(
    ("declared", "stored", "message"),
    [
        ([3, 8, 8], (4, 5, 3), r"takes n × 3 × 8 × 8 \(batch first\), and a sample has shape"),
        ([7], (4, 5, 3), "the model takes n × 7"),
        (["c", "h", "w"], (4, 5, 3), "fits images with channels first and last"),
        (["a", "b", "c", "d"], (4, 5, 3), "and a sample has shape"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path, declared, stored, message):
    extractor = load_features(model(tmp_path, declared))
    with pytest.raises(InputError, match=message):
        extractor.apply(images(stored))


def test_bytes_are_not_made_of_fractions(tmp_path):
    extractor = load_features(model(tmp_path, [12], element=TensorProto.UINT8))
    with pytest.raises(InputError, match=r"the samples are not whole numbers in 0\.\.255"):
        extractor.apply(vectors())


def test_a_learned_model(tmp_path):
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 5])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "m.onnx",
    )
    encoded = vectors()
    result = load_features(str(tmp_path / "m.onnx")).apply(encoded, batch=8)
    np.testing.assert_allclose(result.train, project(encoded.train), atol=1e-5)


def test_vectors_of_a_file_are_kept(tmp_path):
    encoded, file, cache = images((4, 5, 3)), model(tmp_path, [60]), tmp_path / "cache"
    first = load_features(file, cache=cache)
    assert len(first.description["sha256"]) == 64
    expected = first.apply(encoded)
    again = load_features(file, cache=cache)
    refuse = replace(again.model, function=lambda batch: pytest.fail("the model ran"))
    result = replace(again, model=refuse).apply(encoded)
    np.testing.assert_array_equal(result.train, expected.train)
    np.testing.assert_array_equal(result.generated, expected.generated)


@pytest.mark.parametrize("name", ["weights.bin", "w" * 200 + ".bin"])
def test_weights_beside_a_file_are_part_of_it(tmp_path, name):
    (tmp_path / "one").mkdir()
    made = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 5])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    file = tmp_path / "one" / "m.onnx"
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        file,
        save_as_external_data=True,
        location=name,
        size_threshold=0,
    )
    before = load_features(str(file)).description["sha256"]
    np.save(tmp_path / "other.npy", np.zeros(3))
    assert load_features(str(file)).description["sha256"] == before
    (tmp_path / "one" / name).write_bytes((2 * WEIGHTS).tobytes())
    assert load_features(str(file)).description["sha256"] != before


def test_a_device_that_onnxruntime_lacks(tmp_path):
    with pytest.raises(UsageError, match="device cuda:0 is not there for onnxruntime"):
        load_features(model(tmp_path, [60]), device="cuda:0")


def test_models_that_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"(?i)no such file"):
        load_features("absent.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"garbage")
    with pytest.raises(InputError, match="is not a usable ONNX model") as caught:
        load_features(str(tmp_path / "bad.onnx"))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="1 inputs and 2 outputs; export it with one of each"):
        load_features(model(tmp_path, [12], outputs=2))
    with pytest.raises(InputError, match=r"the input is tensor\(int64\)"):
        load_features(model(tmp_path, [12], element=TensorProto.INT64))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r'pip install "byheart\[onnx\]"'):
        load_features(model(tmp_path, [12]))
