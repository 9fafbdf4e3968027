"""A model in an ONNX file as a map from a batch of samples to vectors.

The declared shape of the input decides the layout, after the batch axis: two axes take flat
vectors; four take images, channels first or last, whichever fits the declared sizes; three take
grey images. If both layouts fit, the model is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError, MissingExtraError, UsageError
from byheart.features.model import FeatureModel, device_index, hash_files
from byheart.files import regular

# ONNX element types that samples are cast to; scaling is the model's business.
_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


def load_onnx(spec: str, device: str) -> FeatureModel:
    """Return the model of one input and one output in the file `spec`; see the module.

    Raises InputError for a file that is no usable model, UsageError for a device that is not
    there, MissingExtraError without onnxruntime.
    """
    number = device_index(device)
    regular(Path(spec), f"features {spec}")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f'features {spec}: onnxruntime is missing; pip install "byheart[onnx]"'
        ) from error
    providers: list[Any] = ["CPUExecutionProvider"]
    if number is not None:
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise UsageError(
                f"features {spec}: device {device} is not there for onnxruntime; use --device cpu, "
                f"or install onnxruntime-gpu"
            )
        providers = [("CUDAExecutionProvider", {"device_id": number})]
    try:
        session = onnxruntime.InferenceSession(spec, providers=providers)
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        raise InputError(f"features {spec}: is not a usable ONNX model, {message}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(
            f"features {spec}: the model has {len(inputs)} inputs and {len(outputs)} outputs; "
            f"export it with one of each"
        )
    declared, element = inputs[0].shape, inputs[0].type
    if element not in _ONNX_TYPES:
        raise InputError(
            f"features {spec}: the input is {element}; export the model with one of "
            f"{', '.join(_ONNX_TYPES)}"
        )

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        if element == "tensor(uint8)" and not np.array_equal(batch, batch.astype(np.uint8)):
            raise InputError(
                f"features {spec}: the input is {element}, and the samples are not whole numbers "
                f"in 0..255"
            )
        fed = _layout(batch, declared, spec).astype(_ONNX_TYPES[element])
        step = declared[0] if isinstance(declared[0], int) else len(fed)
        parts = []
        for start in range(0, len(fed), step):
            part = fed[start : start + step]
            filled = np.concatenate([part, np.repeat(part[-1:], step - len(part), axis=0)])
            parts.append(session.run(None, {inputs[0].name: filled})[0][: len(part)])
        return np.concatenate(parts)

    files = [Path(spec), *_beside(Path(spec))]
    return FeatureModel(
        function=run,
        description={"sha256": hash_files(files, f"features {spec}"), "device": device},
        versions={"onnxruntime": onnxruntime.__version__},
    )


def _beside(model: Path) -> Iterator[Path]:
    """The files with weights that a model refers to.

    Found as the protobuf entry {key: "location", value: PATH} of external data: field 1, 8 bytes,
    then field 2 with its length, of one byte below 128 and of two above.
    """
    content = model.read_bytes()
    found = set()
    for match in re.finditer(rb"\x0a\x08location\x12([\x80-\xff]?[\x00-\x7f])", content):
        low, high = (*match[1], 0)[:2]
        length = (low & 127) + (high << 7)
        found.add(content[match.end() : match.end() + length])
    for name in sorted(found):
        file = model.parent / name.decode("utf-8", "replace")
        if b"\0" not in name and file.is_file():
            yield file


def _layout(batch: NDArray[Any], declared: list[Any], spec: str) -> NDArray[Any]:
    """Bring a batch into the layout that the model declares; InputError if none or several fit."""
    layouts = {"flat": batch.reshape(len(batch), -1)}
    if batch.ndim == 3:
        layouts = {"grey": batch, **layouts}
    if batch.ndim > 2:
        image = batch[..., None] if batch.ndim == 3 else batch
        layouts |= {"channels last": image, "channels first": np.moveaxis(image, 3, 1)}
    fits = {
        name: x
        for name, x in layouts.items()
        if x.ndim == len(declared)
        and all(
            not isinstance(d, int) or d == n for d, n in zip(declared[1:], x.shape[1:], strict=True)
        )
    }
    wanted = " × ".join("any" if d is None else str(d) for d in declared)
    if not fits:
        raise InputError(
            f"features {spec}: the model takes {wanted} (batch first), and a sample has shape "
            f"{batch.shape[1:]}; resize the samples or export the model for them"
        )
    if len(fits) > 1:
        raise InputError(
            f"features {spec}: the model takes {wanted}, which fits images with channels first and "
            f"last; export it with a fixed number of channels"
        )
    return np.ascontiguousarray(next(iter(fits.values())))
