"""Image encoders of transformers: the library called directly is the yardstick."""

import json
import shutil
import sys

import numpy as np
import pytest

from byheart import InputError, MissingExtraError, UsageError, audit
from byheart.cli import run
from byheart.features.extractors import load_features
from byheart.samples import encode, read

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 28,
    "patch_size": 14,
    "initializer_range": 0.5,  # large weights: different images get different vectors
}
TEXT = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "vocab_size": 50,
    "max_position_embeddings": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def dinov2():
    return transformers.Dinov2Model(transformers.Dinov2Config(**VISION, mlp_ratio=1))


def clip():
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=6)
    return transformers.CLIPModel(config)


def clip_vision():
    config = transformers.CLIPVisionConfig(**VISION, projection_dim=6)
    return transformers.CLIPVisionModelWithProjection(config)


def vit_without_pooler():
    return transformers.ViTModel(transformers.ViTConfig(**VISION), add_pooling_layer=False)


def resnet():
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic"
    )
    return transformers.ResNetModel(config)


def save(model, folder):
    """Save a model and its image processor, which resizes and crops, without a word on stderr."""
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    model().save_pretrained(folder)
    transformers.BitImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    return save(dinov2, tmp_path_factory.mktemp("dino"))


@pytest.fixture
def copy(dino, tmp_path):
    return shutil.copytree(dino, tmp_path / "copy")


def values(shape=(20, 24, 3), n=9, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (3 * n, *shape), dtype=np.uint8)


def sets(images):
    roles = ("train", "heldout", "generated")
    parts = np.split(images, 3) if isinstance(images, np.ndarray) else images
    return encode(*(read(x, role) for x, role in zip(parts, roles, strict=True)))


def features(folder, images, **options):
    return load_features(f"hf:{folder}", **options).apply(sets(images))


def all_rows(encoded):
    return np.concatenate([encoded.train, encoded.heldout, encoded.generated])


def directly(folder, images, loader, pooled):
    """The library by itself, image by image."""
    model = getattr(transformers, loader).from_pretrained(folder).eval()
    processor = transformers.BitImageProcessorPil.from_pretrained(folder)
    rows = []
    with torch.inference_mode():
        for image in images:
            pixels = processor(image, return_tensors="pt", input_data_format="channels_last")
            rows.append(pooled(model, pixels["pixel_values"])[0].numpy())
    rows = np.array(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("model", "loader", "output", "pooled"),
    [
        (dinov2, "Dinov2Model", "pooler_output", lambda m, x: m(x).pooler_output),
        (
            clip,
            "CLIPModel",
            "get_image_features",
            lambda m, x: m.visual_projection(m.vision_model(pixel_values=x).pooler_output),
        ),
        (
            clip_vision,
            "CLIPVisionModelWithProjection",
            "image_embeds",
            lambda m, x: m(pixel_values=x).image_embeds,
        ),
        (resnet, "ResNetModel", "pooler_output", lambda m, x: m(x).pooler_output.flatten(1)),
        (vit_without_pooler, "ViTModel", "class token", lambda m, x: m(x).last_hidden_state[:, 0]),
    ],
)
def test_the_vectors_are_those_of_the_library(tmp_path, model, loader, output, pooled):
    folder, images = save(model, tmp_path), values()
    found = load_features(f"hf:{folder}")
    assert found.description["output"] == f"{output}, scaled to length 1"
    rows = all_rows(found.apply(sets(images)))
    assert rows.dtype == np.float32
    # float32 sums in another order; the entries of a unit vector are at most 1
    np.testing.assert_allclose(rows, directly(folder, images, loader, pooled), atol=1e-5)
    distances = np.linalg.norm(rows[:, None] - rows, axis=2) + 3 * np.eye(len(rows))
    assert distances.min() > 1e-3  # the comparison can fail


def test_the_vectors_do_not_depend_on_the_batch(dino):
    extractor, encoded = load_features(f"hf:{dino}"), sets(values())
    expected = all_rows(extractor.apply(encoded))
    for batch in (1, 4, 27):
        rows = all_rows(extractor.apply(encoded, batch=batch))
        np.testing.assert_allclose(rows, expected, atol=1e-5)  # rounding of float32


def test_copies_have_the_bits_of_their_originals(dino):
    train, heldout = values(n=12), values(n=12, seed=1)
    result = features(dino, (train, heldout, train[::-1].copy()))
    np.testing.assert_array_equal(result.generated, result.train[::-1])


def test_bytes_and_floats_and_grey_are_one_picture(dino):
    grey = values((20, 24))
    expected = all_rows(features(dino, np.repeat(grey[..., None], 3, axis=3)))
    same = [grey, (grey / 255), (grey / 255).astype(np.float32), np.float16(grey / 255)]
    for images in same:
        np.testing.assert_array_equal(all_rows(features(dino, images)), expected)
    mixed = [x[i * 9 : i * 9 + 9] for i, x in enumerate(same[:3])]
    np.testing.assert_array_equal(all_rows(features(dino, mixed)), expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (values() / 127.5 - 1, r"train set holds float64 values from -1 to 1; use \(x \+ 1\) / 2"),
        (values() / 1.0, "holds float64 values from 0 to 255; use x / 255 if 255"),
        (values() * 3.0, r"use uint8 0\.\.255, or floats in \[0, 1\]"),
        (values().astype(np.int64), r"holds int64 values from 0 to 255; use x\.astype\('uint8'\)"),
        (values() * np.uint16(257), r"use \(x // 257\)\.astype\('uint8'\) if 65535"),
        (values() // 128, r"train set is uint8 and holds only 0 and 1; use 255 \* x"),
        (values((20, 24, 4)), r"images have 4 channels; give grey or RGB, such as x\[\.\.\., :3\]"),
        (values((20,)), "the samples are no images"),
    ],
)
def test_values_that_are_no_pictures(dino, images, message):
    with pytest.raises(InputError, match=message) as caught:
        features(dino, images)
    assert "\n" not in str(caught.value)


class Calls:
    """Counts the forward passes of every encoder."""

    def __init__(self, monkeypatch):
        self.count, forward = 0, transformers.Dinov2Model.forward

        def counted(model, *args, **kwargs):
            self.count += 1
            return forward(model, *args, **kwargs)

        monkeypatch.setattr(transformers.Dinov2Model, "forward", counted)


def test_the_encoder_does_not_run_again(dino, tmp_path, monkeypatch):
    calls = Calls(monkeypatch)
    first = features(dino, values(), cache=tmp_path)
    assert calls.count == 1 + 1 + 1  # one image to see what comes out, the batch, the check of it
    second = features(dino, values() / 255, cache=tmp_path)
    assert calls.count == 4  # the one image
    np.testing.assert_array_equal(all_rows(second), all_rows(first))
    changed = values()
    changed[0, 10, 12] ^= 128  # in the middle: the processor crops
    third = features(dino, changed, cache=tmp_path)
    assert calls.count == 7
    assert (third.train[0] != first.train[0]).any()
    np.testing.assert_array_equal(all_rows(third)[1:], all_rows(first)[1:])
    assert len(list(tmp_path.rglob("*.npy"))) == 2


@pytest.mark.parametrize(
    ("name", "key"), [("config.json", "layer_norm_eps"), ("preprocessor_config.json", "do_resize")]
)
def test_another_model_finds_nothing(dino, copy, tmp_path, name, key):
    cache = tmp_path / "cache"
    features(dino, values((28, 28, 3)), cache=cache)
    content = json.loads((copy / name).read_text())
    content[key] = {"layer_norm_eps": 0.5, "do_resize": False}[key]
    (copy / name).write_text(json.dumps(content))
    found = features(copy, values((28, 28, 3)), cache=cache)
    fresh = features(copy, values((28, 28, 3)))
    np.testing.assert_array_equal(all_rows(found), all_rows(fresh))
    assert len(list(cache.iterdir())) == 2


def test_another_place_of_the_same_model_finds_it(dino, copy, tmp_path):
    cache = tmp_path / "cache"
    features(dino, values(), cache=cache)
    features(copy, values(), cache=cache)
    assert len(list(cache.rglob("*.npy"))) == 1


def test_a_damaged_cache_is_refused(dino, tmp_path):
    features(dino, values(), cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").rglob("*.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"feature cache .*: the file is damaged; delete it"):
        features(dino, values(), cache=tmp_path / "cache")
    with pytest.raises(UsageError, match="cannot be made a folder"):
        load_features(f"hf:{dino}", cache=file)


def test_an_audit_names_the_model(dino, copy, tmp_path):
    images = values(n=20)
    options = {"features": f"hf:{copy}", "permutations": 99}
    stages = []
    first = audit(*np.split(images, 3), **options, progress=stages.append)
    assert "features: 60 of 60" in map(str, stages)
    assert first.parameters["features"] == f"hf:{copy}"
    model = first.parameters["feature_model"]
    assert model["architecture"] == "Dinov2Model"
    assert model["device"] == "cpu"
    assert first.environment["versions"]["transformers"] == transformers.__version__
    assert first.inputs["train"].dimension == 16
    cached = audit(*np.split(images, 3), **options, feature_cache=tmp_path / "cache")
    again = audit(*np.split(images, 3), **options, feature_cache=tmp_path / "cache")
    assert first.p_value == cached.p_value == again.p_value
    (copy / "preprocessor_config.json").write_text('{"image_processor_type": "BitImageProcessor"}')
    changed = load_features(f"hf:{copy}")
    assert changed.description["sha256"] != model["sha256"]


@pytest.mark.slow
def test_verify_repeats_an_audit_with_an_encoder(copy, tmp_path, capsys, monkeypatch):
    roles = ("train", "heldout", "generated")
    for role, images in zip(roles, np.split(values(n=20), 3), strict=True):
        np.save(tmp_path / f"{role}.npy", images)
    calls = Calls(monkeypatch)
    model = ["--features", f"hf:{copy}", "--feature-cache", str(tmp_path / "cache")]
    paths = [word for r in roles for word in (f"--{r}", str(tmp_path / f"{r}.npy"))]
    out = ["--permutations", "99", "--out", str(tmp_path)]
    assert run(["audit", *paths, *model, *out]) == 0
    report, ran = str(tmp_path / "report.json"), calls.count
    assert run(["verify", report]) == 2
    assert f"--features hf:{copy}" in capsys.readouterr().err
    assert run(["verify", report, *model]) == 0
    assert calls.count == ran + 1  # the one image that shows what comes out
    assert run(["verify", report, *model[:2]]) == 0  # the same batches, the same bits
    edited(copy, "config.json", layer_norm_eps=0.5)
    assert run(["verify", report, *model]) == 1
    assert "parameters.feature_model.sha256" in capsys.readouterr().out
    assert run(["verify", report, *model, "--device", "tpu"]) == 2


def emptied(folder, name):
    (folder / name).unlink()


def written(folder, name, content):
    (folder / name).write_text(content)


def pickled(folder, name):
    """Weights as pickle only, as older repositories hold them."""
    (folder / name).unlink()
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")


def edited(folder, name, **changes):
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **changes}))


def lacking(folder, name):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / name)
    del weights["layernorm.weight"]
    save_file(weights, folder / name, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "name", "message"),
    [
        (emptied, "config.json", r"there is no config\.json; give a folder of transformers"),
        (emptied, "preprocessor_config.json", "save the model's image processor beside it"),
        (emptied, "model.safetensors", "weights are read from safetensors only"),
        (pickled, "model.safetensors", "weights are read from safetensors only, nothing is unpi"),
        (lambda f, n: written(f, n, "{"), "config.json", r"config\.json cannot be read"),
        (lambda f, n: written(f, n, "[]"), "config.json", r"config\.json holds no object"),
        (lambda f, n: written(f, n, "{}"), "config.json", "is not a usable model"),
        (lambda f, n: written(f, n, "{"), "preprocessor_config.json", "is not a usable model"),
        (lambda f, n: written(f, n, "garbage"), "model.safetensors", "is not a usable model"),
        (lambda f, n: edited(f, n, hidden_size=32), "config.json", "is not a usable model"),
        (lacking, "model.safetensors", r"the weights lack layernorm\.weight and 0 more"),
        (lambda f, n: edited(f, n, transformers_weights="w.bin"), "config.json", "by reference"),
        (lambda f, n: written(f, n, "{}"), "adapter_config.json", "or adapters"),
    ],
)
def test_folders_that_are_refused(copy, damage, name, message):
    damage(copy, name)
    with pytest.raises(InputError, match=message) as caught:
        load_features(f"hf:{copy}")
    assert "\n" not in str(caught.value)


def test_no_code_of_a_repository_runs(copy, tmp_path):
    trap = tmp_path / "ran"
    written(copy, "modeling.py", f"open({str(trap)!r}, 'w').close()\nclass M: pass\nclass C: pass")
    remote = {"AutoConfig": "modeling.C", "AutoModel": "modeling.M"}
    edited(copy, "config.json", auto_map=remote, model_type="unheard-of")
    with pytest.raises(InputError, match="is not a usable model"):
        load_features(f"hf:{copy}")
    edited(copy, "config.json", model_type="dinov2")
    edited(copy, "preprocessor_config.json", auto_map={"AutoImageProcessor": "modeling.P"})
    load_features(f"hf:{copy}")
    assert not trap.exists()


@pytest.mark.parametrize("model", [dinov2, clip])
def test_a_config_names_no_kernel(tmp_path, model, monkeypatch):
    """Attention by name on the hub is code; it is overruled, and no name is asked for."""
    folder, images = save(model, tmp_path), values()
    expected = all_rows(features(folder, images))
    kernel = {"_attn_implementation": "someone/kernel", "attn_implementation": "someone/kernel"}
    parts = {"vision_config": {**VISION, **kernel}} if model is clip else {}
    edited(folder, "config.json", **kernel, **parts)
    monkeypatch.setattr("socket.socket.connect", lambda *a: pytest.fail("asks the network"))
    np.testing.assert_array_equal(all_rows(features(folder, images)), expected)


def test_weights_in_parts(dino, tmp_path):
    from safetensors.torch import load_file, save_file

    weights, folder = load_file(dino / "model.safetensors"), tmp_path / "parts"
    shutil.copytree(dino, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    names = sorted(weights)
    where = {n: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, n in enumerate(names)}
    for part in sorted(set(where.values())):
        inside = {n: weights[n] for n in names if where[n] == part}
        save_file(inside, folder / part, metadata={"format": "pt"})
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    found = all_rows(features(folder, values()))
    np.testing.assert_array_equal(found, all_rows(features(dino, values())))
    index.write_text(json.dumps({"metadata": {}, "weight_map": {**where, names[0]: "../a.bin"}}))
    with pytest.raises(InputError, match="names more than safetensors beside it"):
        load_features(f"hf:{folder}")


@pytest.mark.parametrize("name", ["no/such/folder", "./absent", "/absent", "a b", ""])
def test_what_can_be_no_name_is_not_asked_for(name):
    with pytest.raises(InputError, match="no such folder; give a folder with"):
        load_features(f"hf:{name}")


def test_names_on_the_hub(dino, monkeypatch):
    import huggingface_hub

    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        if "absent" in name:
            raise OSError("no\nnetwork")
        return str(dino)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert features("someone/dino", values()).train.shape == (9, 16)
    assert asked[0][0] == "someone/dino"
    assert all(p.endswith((".json", ".safetensors")) for p in asked[0][1])
    with pytest.raises(InputError, match="not fetched from the Hugging Face hub, OSError: no netw"):
        load_features("hf:someone/absent")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cuda:1000", "", "mps", None, 0])
def test_unknown_devices(dino, device):
    for spec in (f"hf:{dino}", None):
        with pytest.raises(UsageError, match="device must be cpu, cuda or cuda:N"):
            load_features(spec, device=device)


def test_a_device_that_is_not_there(dino):
    there = torch.cuda.device_count()
    with pytest.raises(UsageError, match=rf"torch sees {there} CUDA devices; use --device cpu"):
        load_features(f"hf:{dino}", device=f"cuda:{there}")


@pytest.mark.parametrize("option", [{"device": "cuda"}, {"cache": "folder"}])
@pytest.mark.parametrize(
    ("spec", "name"), [(None, "raw"), ("raw", "raw"), (len, "a function"), ("numpy:sort", "numpy")]
)
def test_options_of_models_in_files(spec, name, option):
    with pytest.raises(UsageError, match=f"and these are {name}.*; leave it out"):
        load_features(spec, **option)


@pytest.mark.parametrize("module", ["torch", "transformers"])
def test_without_the_extra(dino, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r'pip install "byheart\[encoders\]"') as caught:
        load_features(f"hf:{dino}")
    assert "\n" not in str(caught.value)


def test_loading_is_quiet(dino, capfd):
    load_features(f"hf:{dino}").apply(sets(values()))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
