"""Image encoders of Hugging Face `transformers`: a local folder, or a name on the hub.

Loaded are config.json, preprocessor_config.json and weights in safetensors. No code from a
repository runs and nothing is unpickled: unknown architectures, adapters, and attention kernels
that a config names are refused or overruled.

What a model sees: 8-bit RGB images. uint8 images are taken as they are; floats have to lie in
[0, 1] and are rounded to the 256 levels, as a saved file would be; grey images get three equal
channels. Then the model's own image processor resizes, crops, rescales and normalises, in its
Pillow version even where there is torchvision, which gives other pixels.

What comes out, first that there is: `get_image_features` (CLIP, SigLIP), `image_embeds` (CLIP's
vision part with projection), `pooler_output` (DINOv2: the class token behind the last layer norm;
ResNet, ConvNeXt, Swin: the average), the class token of the last layer. Vectors are scaled to
length 1, so that a distance D means a cosine similarity of 1 - D²/2: these encoders are trained
and used with directions, and a norm varies with contrast more than with what is seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import ByheartError, InputError, MissingExtraError, UsageError
from byheart.features.model import FeatureModel, device_index, encoded_values, hash_files
from byheart.files import content
from byheart.samples import Encoded
from byheart.samples.encoding import Role

# Images in one call: a ViT-S at 224 pixels (DINOv2 small) then takes .35 GB beyond its weights.
BATCH = 32

_CONFIG = "config.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)

Tensor = Any


def load_encoder(source: str, spec: str, device: str) -> FeatureModel:
    """Return the encoder in the folder `source`, or of that name on the hub; see the module.

    spec: opens error messages. Raises InputError for a folder or name that holds no usable model,
    UsageError for a device that is not there, MissingExtraError without torch and transformers.
    """
    where = f"features {spec}"
    number = device_index(device)
    import PIL

    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            f'{where}: torch and transformers are needed; pip install "byheart[encoders]"'
        ) from error
    if number is not None and number >= torch.cuda.device_count():
        raise UsageError(
            f"{where}: device {device} is not there, torch sees {torch.cuda.device_count()} CUDA "
            f"devices; use --device cpu"
        )
    folder = _folder(source, where)
    files = _files(folder, where)
    with _quiet(transformers), _one_line(where), torch.inference_mode():
        processor = transformers.AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, backend="pil"
        )

        def pixels(batch: NDArray[Any]) -> Tensor:
            colour = batch if batch.ndim == 4 else np.repeat(batch[..., None], 3, axis=3)
            made = processor(
                images=list(colour), return_tensors="pt", input_data_format="channels_last"
            )
            return made["pixel_values"].to(device)

        model, missing = _model(transformers, torch, folder)
        model.eval().to(device)
        black = pixels(np.zeros((1, 64, 64, 3), np.uint8))
        output, pooled = _pooled(model, missing, black, where)

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            found = pooled(pixels(batch))
        vectors = found.flatten(1).cpu().numpy().astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if (lengths == 0).any():
            raise InputError(f"{where}: the model gives a vector of zeros; use another model")
        return np.asarray(vectors / lengths, dtype=np.float32)

    return FeatureModel(
        function=run,
        description={
            "architecture": type(model).__name__,
            "sha256": hash_files(files, where),
            "output": f"{output}, scaled to length 1",
            "device": device,
        },
        versions={
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
            "pillow": PIL.__version__,
        },
        prepare=lambda encoded: eight_bit(encoded, where),
        batch=BATCH,
    )


def eight_bit(encoded: Encoded, where: str) -> dict[Role, NDArray[Any]]:
    """Return the sets' images in 8 bits, each (rows, d); floats in [0, 1] are rounded.

    Raises InputError for anything but grey or RGB images in uint8 0..255 or floats in [0, 1].
    """
    if encoded.kind != "images":
        raise InputError(f"{where}: the samples are no images; leave --features out, or map them")
    if encoded.sample_shape[2:] not in ((), (3,)):
        raise InputError(
            f"{where}: images have {encoded.sample_shape[2]} channels; give grey or RGB, such as "
            f"x[..., :3]"
        )
    return {
        role: _levels(rows[:], encoded.display_rows(role, [0]).dtype, f"{where}: the {role} set")
        for role, rows in encoded_values(encoded).items()
    }


def _levels(rows: NDArray[Any], stored: np.dtype[Any], where: str) -> NDArray[np.uint8]:
    low, high = float(rows.min()), float(rows.max())
    if stored == np.uint8:
        if high == 1:
            raise InputError(
                f"{where} is uint8 and holds only 0 and 1; use 255 * x if 1 stands for white"
            )
        return rows.astype(np.uint8)
    if stored.kind == "f" and low >= 0 and high <= 1:
        levels: NDArray[np.uint8] = np.rint(rows * 255).astype(np.uint8)
        return levels
    advice = "use uint8 0..255, or floats in [0, 1]"
    if stored == np.uint16:
        advice = "use (x // 257).astype('uint8') if 65535 stands for white"
    elif stored.kind in "iu" and low >= 0 and high <= 255:
        advice = "use x.astype('uint8') if 255 stands for white"
    elif low < 0 and low >= -1 and high <= 1:
        advice = "use (x + 1) / 2 if they were scaled to [-1, 1]"
    elif low >= 0 and high <= 255:
        advice = "use x / 255 if 255 stands for white"
    raise InputError(f"{where} holds {stored} values from {low:g} to {high:g}; {advice}")


def _folder(source: str, where: str) -> Path:
    path = Path(source)
    if source and path.is_dir():
        return path
    if path.exists() or not _HUB_NAME.fullmatch(source):
        raise InputError(
            f"{where}: no such folder; give a folder with {_CONFIG} and {_WEIGHTS}, or a name on "
            f"the hub such as hf:facebook/dinov2-small"
        )
    import huggingface_hub

    patterns = [_CONFIG, *_PROCESSORS, _WEIGHTS, _INDEX, "model-*-of-*.safetensors"]
    try:
        return Path(huggingface_hub.snapshot_download(source, allow_patterns=patterns))
    except Exception as error:  # of the network, of the hub, of the disk
        raise InputError(
            f"{where}: no such folder, and not fetched from the Hugging Face hub, "
            f"{type(error).__name__}: {_short(error)}"
        ) from error


def _files(folder: Path, where: str) -> list[Path]:
    """The files that decide the vectors; InputError if one is missing or not to be trusted."""
    if not (folder / _CONFIG).is_file():
        raise InputError(f"{where}: there is no {_CONFIG}; give a folder of transformers")
    config = _json(folder / _CONFIG, where)
    if "transformers_weights" in config or (folder / "adapter_config.json").exists():
        raise InputError(f"{where}: weights by reference or adapters; save the merged model")
    processors = [folder / name for name in _PROCESSORS if (folder / name).is_file()]
    if not processors:
        raise InputError(
            f"{where}: there is no {_PROCESSORS[0]}; save the model's image processor beside it"
        )
    weights = [folder / _WEIGHTS]
    if not weights[0].is_file() and (folder / _INDEX).is_file():
        index = _json(folder / _INDEX, where).get("weight_map")
        names = sorted({str(n) for n in index.values()}) if isinstance(index, dict) else []
        if any(Path(n).name != n or not n.endswith(".safetensors") for n in names):
            raise InputError(f"{where}: {_INDEX} names more than safetensors beside it")
        weights = [folder / _INDEX, *(folder / n for n in names)]
    absent = next((w.name for w in weights if not w.is_file()), None)
    if absent is not None:
        raise InputError(
            f"{where}: there is no {absent}; weights are read from safetensors only, nothing is "
            f"unpickled: save them with model.save_pretrained(FOLDER)"
        )
    return [folder / _CONFIG, *processors, *weights]


def _json(file: Path, where: str) -> dict[str, Any]:
    try:
        stated = json.loads(content(file, f"{where}: {file.name}"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: {file.name} cannot be read, {_short(error)}") from error
    if not isinstance(stated, dict):
        raise InputError(f"{where}: {file.name} holds no object; give a folder of transformers")
    return stated


def _model(transformers: Any, torch: Any, folder: Path) -> tuple[Any, set[str]]:
    """The model in float32, and the names of the weights that its file lacks."""
    config = transformers.AutoConfig.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True
    )
    loader = transformers.AutoModel
    if "CLIPVisionModelWithProjection" in (config.architectures or ()):
        loader = transformers.CLIPVisionModelWithProjection
    model, info = loader.from_pretrained(
        folder,
        config=config,
        trust_remote_code=False,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        dtype=torch.float32,
        attn_implementation="eager",  # a config could name a kernel on the hub, which is code
    )
    return model, {str(name) for name in info["missing_keys"]}


def _pooled(
    model: Any, missing: set[str], pixels: Tensor, where: str
) -> tuple[str, Callable[[Tensor], Tensor]]:
    """The name of the output and the map from pixels to it, chosen on one image, `pixels`."""
    random = sorted(name for name in missing if not name.startswith("pooler."))
    if random:
        raise InputError(
            f"{where}: the weights lack {random[0]} and {len(random) - 1} more of "
            f"{type(model).__name__}, which would be random; save the whole model"
        )
    if hasattr(model, "get_image_features"):

        def image_features(pixels: Tensor) -> Tensor:
            found = model.get_image_features(pixel_values=pixels)
            return getattr(found, "pooler_output", found)

        return "get_image_features", image_features
    found = model(pixel_values=pixels)
    if getattr(found, "image_embeds", None) is not None:
        return "image_embeds", lambda pixels: model(pixel_values=pixels).image_embeds
    # A checkpoint may come without its pooler, which then is random.
    if getattr(found, "pooler_output", None) is not None and not missing:
        return "pooler_output", lambda pixels: model(pixel_values=pixels).pooler_output
    if any(n.endswith(("cls_token", "class_embedding")) for n, _ in model.named_parameters()):
        return "class token", lambda pixels: model(pixel_values=pixels).last_hidden_state[:, 0]
    raise InputError(
        f"{where}: {type(model).__name__} has neither a pooled output nor a class token; use one "
        f"that has, such as DINOv2 or CLIP"
    )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library's notes and bars off stderr; what matters is checked here."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    try:
        yield
    except ByheartError:
        raise
    except Exception as error:  # a damaged file meets all kinds of parsers
        raise InputError(
            f"{where}: is not a usable model, {type(error).__name__}: {_short(error)}"
        ) from error


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
