"""Features: a map from samples to vectors, applied to the three sets alike.

The raw values (the default), a callable, `MODULE:FUNCTION`, or a model in `FILE.onnx`.

A batch is what is stored, uncentred and unscaled: images of shape (batch, height, width[,
channels]) with the values of the files (0..255 for 8-bit images), vectors and encoded tables of
shape (batch, d). Scaling is the business of the function or of the model. All batches are full:
the last one is filled up by repeating its last row. Equal samples are mapped once, so that a copy
has exactly the features of its original whatever batch it falls into.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.distances.rows import Array, Rows, row_blocks
from byheart.errors import ByheartError, InputError, MissingExtraError, UsageError
from byheart.samples import Encoded
from byheart.samples.arrays import from_memory

Progress = Callable[[int, int], None]

# Features of a sample may depend on its batch by no more than this share of their largest value:
# far above rounding, far below what dropout or batch statistics do.
_STABLE = 1e-3

# ONNX element types that samples are cast to; scaling is the model's business.
_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class Extractor(ABC):
    """What turns encoded samples into the vectors whose distances are audited."""

    name: str

    @abstractmethod
    def apply(
        self, encoded: Encoded, *, batch: int = 256, progress: Progress | None = None
    ) -> Encoded:
        """Return `encoded` with the three sets replaced by their features, (rows, k).

        `progress` is called with the number of distinct samples done and their total. Raises
        InputError if the features are not k finite numbers for each sample, or depend on the
        other samples of a batch.
        """


@dataclass(frozen=True)
class Raw(Extractor):
    """The encoded values themselves."""

    name: str = "raw"

    def apply(
        self, encoded: Encoded, *, batch: int = 256, progress: Progress | None = None
    ) -> Encoded:
        """Return `encoded` as it is."""
        return encoded


@dataclass(frozen=True)
class Mapped(Extractor):
    """The values of a function from a batch of samples to vectors."""

    name: str
    function: Callable[[NDArray[Any]], Any]

    def apply(
        self, encoded: Encoded, *, batch: int = 256, progress: Progress | None = None
    ) -> Encoded:
        """Map the distinct samples of the three sets in full batches; see `Extractor.apply`."""
        size = _check.integer(batch, "batch", 1)
        roles = ("train", "heldout", "generated")
        sets = {role: x for role in roles if (x := getattr(encoded, role)) is not None}
        sources, places = _distinct(sets)
        total = len(sources)
        features = np.empty((total, 0))
        for start in range(0, total, size):
            stop = min(start + size, total)
            chosen = sources[start:stop] + [sources[stop - 1]] * (size - stop + start)
            values = self._batch(chosen, sets, encoded.sample_shape)
            if start == 0:
                features = np.empty((total, values.shape[1]), values.dtype)
                self._stable(values, sources, size, sets, encoded.sample_shape)
            elif values.shape[1] != features.shape[1]:
                raise InputError(
                    f"features {self.name}: a batch has vectors of {values.shape[1]} numbers and "
                    f"an earlier one of {features.shape[1]}; return the same number for all"
                )
            features[start:stop] = values[: stop - start]
            if progress is not None:
                progress(stop, total)
        return replace(
            encoded,
            train=features[places["train"]],
            heldout=features[places["heldout"]] if "heldout" in places else None,
            generated=features[places["generated"]],
        )

    def _batch(
        self, chosen: list[tuple[str, int]], sets: dict[str, Rows], shape: tuple[int, ...]
    ) -> Array:
        samples = np.stack([sets[role][row] for role, row in chosen]).reshape(-1, *shape)
        where = f"features {self.name}"
        try:
            result = self.function(samples)
        except ByheartError:
            raise
        except Exception as error:
            message = " ".join(str(error).split())[:200]
            raise InputError(
                f"{where}: failed on a batch of shape {samples.shape} and type {samples.dtype}, "
                f"{type(error).__name__}: {message}"
            ) from error
        values = from_memory(result, where)
        if values.ndim != 2 or len(values) != len(samples):
            raise InputError(
                f"{where}: a batch of {len(samples)} samples gave shape {values.shape}; "
                f"return ({len(samples)}, k), one vector for each sample"
            )
        return _check.matrix(values, where)

    def _stable(
        self,
        first: Array,
        sources: list[tuple[str, int]],
        size: int,
        sets: dict[str, Rows],
        shape: tuple[int, ...],
    ) -> None:
        """Refuse a function whose values change with the rest of the batch, or by chance.

        Dropout or batch statistics left on would make rows of one set resemble each other, which
        the audit would take for a difference between train and held-out.
        """
        half = min(max(1, size // 2), len(sources))
        others = (sources[: -size - 1 : -1] * size)[: size - half]  # the end of the generated set
        again = self._batch(sources[:half] + others, sets, shape)
        if again.shape[1] == first.shape[1]:
            change = float(np.abs(again[:half] - first[:half]).max())
            if change <= _STABLE * float(np.abs(first).max()):
                return
        raise InputError(
            f"features {self.name}: a sample's features change with the rest of the batch or from "
            f"call to call; switch the model to evaluation, such as model.eval()"
        )


def load_features(spec: str | Callable[[NDArray[Any]], Any] | None = None) -> Extractor:
    """Return the extractor for None or "raw", a callable, "MODULE:FUNCTION" or "FILE.onnx".

    A module is looked for in the current directory first. Raises UsageError for another
    specification, a module or function that is not there or does not import; InputError for a
    file that is no usable model; MissingExtraError without onnxruntime.

    >>> load_features(None).name
    'raw'
    >>> load_features("numpy:sort").name
    'numpy:sort'
    """
    if spec is None or spec == "raw":
        return Raw()
    if callable(spec):
        name = getattr(spec, "__qualname__", type(spec).__qualname__)
        return Mapped(f"{getattr(spec, '__module__', '?')}:{name}", spec)
    if isinstance(spec, str) and spec.lower().endswith(".onnx"):
        return Mapped(spec, _onnx(spec))
    module, colon, function = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if not (module and colon and function):
        raise UsageError(
            f"features must be raw, MODULE:FUNCTION, FILE.onnx or a callable, got {spec!r}"
        )
    return Mapped(spec, _imported(module, function, spec))


def _imported(module: str, function: str, spec: str) -> Callable[[NDArray[Any]], Any]:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise UsageError(
                f"features {spec}: there is no module {error.name!r} in the current directory or "
                f"among the installed ones"
            ) from error
        raise UsageError(f"features {spec}: {module} needs {error.name!r}; install it") from error
    except AttributeError as error:
        raise UsageError(f"features {spec}: {' '.join(str(error).split())[:200]}") from error
    except Exception as error:
        raise UsageError(
            f"features {spec}: importing {module} failed, {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    finally:
        if here in sys.path:
            sys.path.remove(here)
    if not callable(found):
        raise UsageError(
            f"features {spec}: {function} is no function, it is {type(found).__name__}"
        )
    return found  # type: ignore[no-any-return]


def _onnx(spec: str) -> Callable[[NDArray[Any]], Any]:
    """A function that runs the model of one input and one output on a batch.

    The declared shape of the input decides the layout, after the batch axis: two axes take flat
    vectors; four take images, channels first or last, whichever fits the declared sizes; three
    take grey images. If both layouts fit, the model is refused.
    """
    if not Path(spec).is_file():
        raise InputError(f"features {spec}: no such file")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f'features {spec}: onnxruntime is missing; pip install "byheart[onnx]"'
        ) from error
    try:
        session = onnxruntime.InferenceSession(spec, providers=["CPUExecutionProvider"])
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

    return run


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


def _distinct(
    sets: dict[str, Rows],
) -> tuple[list[tuple[str, int]], dict[str, NDArray[np.int64]]]:
    """The first place of each distinct sample, and for each row the number of its sample."""
    seen: dict[bytes, int] = {}
    sources: list[tuple[str, int]] = []
    places: dict[str, NDArray[np.int64]] = {}
    for role, rows in sets.items():
        place = np.empty(len(rows), dtype=np.int64)
        for block in row_blocks(*rows.shape):
            for i, row in enumerate(rows[block], block.start):
                key = hashlib.blake2b(row.data, digest_size=16).digest()
                place[i] = seen.setdefault(key, len(seen))
                if place[i] == len(sources):
                    sources.append((role, i))
        places[role] = place
    return sources, places
