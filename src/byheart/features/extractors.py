"""Features: a map from samples to vectors, applied to the three sets alike.

The raw values (the default), a callable, `MODULE:FUNCTION`, a model in `FILE.onnx`, or an image
encoder `hf:FOLDER_OR_NAME` (see `encoders` for what it is fed).

A batch is what is stored, uncentred and unscaled: images of shape (batch, height, width[,
channels]) with the values of the files (0..255 for 8-bit images), vectors and encoded tables of
shape (batch, d). Scaling is the business of the function or of the model. All batches are full:
the last one is filled up by repeating its last row. Equal samples are mapped once, so that a copy
has exactly the features of its original whatever batch it falls into.
"""

from __future__ import annotations

import importlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart import _check
from byheart.distances.rows import Array, row_blocks
from byheart.errors import ByheartError, InputError, UsageError
from byheart.features.cache import FeatureCache
from byheart.features.encoders import load_encoder
from byheart.features.model import FeatureModel, device_index, sample_key
from byheart.features.onnx import load_onnx
from byheart.samples import Encoded
from byheart.samples.arrays import from_memory
from byheart.samples.encoding import Role

Progress = Callable[[int, int], None]
Source = tuple[Role, int]  # a row of a set

# Features of a sample may depend on its batch by no more than this share of their largest value:
# far above rounding, far below what dropout or batch statistics do.
_STABLE = 1e-3


class Extractor(ABC):
    """What turns encoded samples into the vectors whose distances are audited."""

    name: str
    # Of a model in files: what the report says of it, and the versions of what runs it.
    description: dict[str, Any]
    versions: dict[str, str]

    @abstractmethod
    def apply(
        self, encoded: Encoded, *, batch: int | None = None, progress: Progress | None = None
    ) -> Encoded:
        """Return `encoded` with the three sets replaced by their features, (rows, k).

        batch: samples in one call; None is the extractor's own. `progress` is called with the
        number of new distinct samples done and their total. Raises InputError if the features are
        not k finite numbers for each sample, or depend on the other samples of a batch.
        """


@dataclass(frozen=True)
class Raw(Extractor):
    """The encoded values themselves."""

    name: str = "raw"
    description: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def apply(
        self, encoded: Encoded, *, batch: int | None = None, progress: Progress | None = None
    ) -> Encoded:
        """Return `encoded` as it is."""
        return encoded


@dataclass(frozen=True)
class Mapped(Extractor):
    """The values of a model, or of a function from a batch of samples to vectors."""

    name: str
    model: FeatureModel
    cache: FeatureCache | None = None

    @property
    def description(self) -> dict[str, Any]:  # type: ignore[override]
        """What the report says of the model; empty for a function."""
        return self.model.description

    @property
    def versions(self) -> dict[str, str]:  # type: ignore[override]
        """The versions of the libraries that run the model."""
        return self.model.versions

    def apply(
        self, encoded: Encoded, *, batch: int | None = None, progress: Progress | None = None
    ) -> Encoded:
        """Map the distinct samples of the three sets in full batches; see `Extractor.apply`.

        Samples that the cache has are not mapped again.
        """
        size = _check.integer(self.model.batch if batch is None else batch, "batch", 1)
        sets = self.model.prepare(encoded)
        keys, sources, places = _distinct(sets, encoded.sample_shape)
        known = {} if self.cache is None else self.cache.load(keys)
        new = [i for i, key in enumerate(keys) if key not in known]
        if new:
            chosen = [sources[i] for i in new]
            mapped = self._map(chosen, sets, encoded.sample_shape, size, progress)
            if self.cache is not None:
                self.cache.save([keys[i] for i in new], mapped)
            known |= {keys[i]: vector for i, vector in zip(new, mapped, strict=True)}
        features = np.stack([known[key] for key in keys])
        return replace(
            encoded,
            train=features[places["train"]],
            heldout=features[places["heldout"]] if "heldout" in places else None,
            generated=features[places["generated"]],
        )

    def _map(
        self,
        sources: list[Source],
        sets: Mapping[Role, Any],
        shape: tuple[int, ...],
        size: int,
        progress: Progress | None,
    ) -> Array:
        total = len(sources)
        features = np.empty((total, 0))
        for start in range(0, total, size):
            stop = min(start + size, total)
            chosen = sources[start:stop] + [sources[stop - 1]] * (size - stop + start)
            values = self._batch(chosen, sets, shape)
            if start == 0:
                features = np.empty((total, values.shape[1]), values.dtype)
                self._stable(values, sources, size, sets, shape)
            elif values.shape[1] != features.shape[1]:
                raise InputError(
                    f"features {self.name}: a batch has vectors of {values.shape[1]} numbers and "
                    f"an earlier one of {features.shape[1]}; return the same number for all"
                )
            features[start:stop] = values[: stop - start]
            if progress is not None:
                progress(stop, total)
        return features

    def _batch(
        self, chosen: list[Source], sets: Mapping[Role, Any], shape: tuple[int, ...]
    ) -> Array:
        samples = np.stack([sets[role][row] for role, row in chosen]).reshape(-1, *shape)
        where = f"features {self.name}"
        try:
            result = self.model.function(samples)
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
        sources: list[Source],
        size: int,
        sets: Mapping[Role, Any],
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


def load_features(
    spec: str | Callable[[NDArray[Any]], Any] | None = None,
    *,
    device: str = "cpu",
    cache: str | os.PathLike[str] | None = None,
) -> Extractor:
    """Return the extractor for None or "raw", a callable, or text.

    spec: "MODULE:FUNCTION", looked for in the current directory first; "FILE.onnx"; or
    "hf:FOLDER_OR_NAME", a folder of `transformers` or a name on the Hugging Face hub. device, of a
    model in files: "cpu", "cuda" or "cuda:N". cache: folder that keeps the vectors of a model in
    files; None keeps none.

    Raises UsageError for another specification, a module or function that is not there or does not
    import, a device that is not there, and a device or cache for raw values or a function, whose
    vectors may change without a trace; InputError for files that are no usable model;
    MissingExtraError without onnxruntime, or torch and transformers.

    >>> load_features(None).name
    'raw'
    >>> load_features("numpy:sort").name
    'numpy:sort'
    """
    if isinstance(spec, str) and (spec.lower().endswith(".onnx") or spec.startswith("hf:")):
        model = (
            load_encoder(spec.removeprefix("hf:"), spec, device)
            if spec.startswith("hf:")
            else load_onnx(spec, device)
        )
        return Mapped(spec, model, None if cache is None else FeatureCache.of(cache, model))
    device_index(device)
    for option, given in (("device", device != "cpu"), ("feature-cache", cache is not None)):
        if given:
            raise UsageError(
                f"--{option} is for the features hf:FOLDER_OR_NAME and FILE.onnx, and these are "
                f"{spec if isinstance(spec, str) else 'raw' if spec is None else 'a function'}; "
                f"leave it out"
            )
    if spec is None or spec == "raw":
        return Raw()
    if callable(spec):
        name = getattr(spec, "__qualname__", type(spec).__qualname__)
        return Mapped(f"{getattr(spec, '__module__', '?')}:{name}", FeatureModel(spec))
    module, colon, function = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if not (module and colon and function):
        raise UsageError(
            f"features must be raw, MODULE:FUNCTION, FILE.onnx, hf:FOLDER_OR_NAME or a callable, "
            f"got {spec!r}"
        )
    return Mapped(spec, FeatureModel(_imported(module, function, spec)))


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


def _distinct(
    sets: Mapping[Role, Any], shape: tuple[int, ...]
) -> tuple[list[bytes], list[Source], dict[str, NDArray[np.int64]]]:
    """Key and first place of each distinct sample, and for each row the number of its sample."""
    seen: dict[bytes, int] = {}
    sources: list[Source] = []
    places: dict[str, NDArray[np.int64]] = {}
    for role, rows in sets.items():
        place = np.empty(len(rows), dtype=np.int64)
        for block in row_blocks(*rows.shape):
            for i, row in enumerate(rows[block], block.start):
                key = sample_key(row, shape)
                place[i] = seen.setdefault(key, len(seen))
                if place[i] == len(sources):
                    sources.append((role, i))
        places[role] = place
    return list(seen), sources, places
