"""Feature vectors kept in a folder, each under the SHA-256 of its sample and of its model.

DIR/<key of the model>/<sha256 of the file>.npy holds records (sample, vector); every audit that
maps new samples adds one file. The key of a model covers the bytes of its files, the version of
byheart's preprocessing, the device and the versions of the libraries: change one of them and
nothing is found. A sample is a hash of what the model is fed. So no entry can be stale; a file
whose name is not the hash of its bytes is damaged, and refused. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError, UsageError
from byheart.features.model import FeatureModel

# Raised when the same files and samples give other vectors, or when the records change.
VERSION = 1


@dataclass(frozen=True)
class FeatureCache:
    """The vectors of one model."""

    folder: Path

    @classmethod
    def of(cls, directory: str | os.PathLike[str], model: FeatureModel) -> FeatureCache:
        """Return the part of `directory` for `model`, made when missing.

        Raises UsageError if it cannot be made, or if other users can write to it.
        """
        identity = {"version": VERSION, **model.description, "versions": model.versions}
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        folder = Path(directory) / key
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
        except OSError as error:
            raise UsageError(
                f"feature cache {os.fspath(directory)}: cannot be made a folder "
                f"({error.strerror}); name another one"
            ) from None
        if hasattr(os, "getuid") and (
            found.st_mode & 0o022 or found.st_uid not in (0, os.getuid())
        ):
            raise UsageError(
                f"feature cache {folder}: others can write there, and could choose the vectors; "
                "name another folder"
            )
        return cls(folder)

    def load(self, wanted: Sequence[bytes]) -> dict[bytes, NDArray[Any]]:
        """Return the stored vectors, each (k,), of those `wanted` samples that are there.

        Raises InputError for a damaged file.
        """
        wanted_keys = set(wanted)
        found: dict[bytes, NDArray[Any]] = {}
        for file in sorted(self.folder.glob("*.npy")):
            content = _bytes(file)
            if hashlib.sha256(content).hexdigest() != file.stem:
                raise InputError(f"feature cache {file}: the file is damaged; delete it")
            records = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
            for sample, vector in zip(records["sample"], records["vector"], strict=True):
                if (key := sample.tobytes()) in wanted_keys:
                    found[key] = vector
        return found

    def save(self, keys: Sequence[bytes], vectors: NDArray[Any]) -> None:
        """Store the vectors (n, k) of n samples in one file, whole or not at all.

        Raises UsageError if it cannot be written.
        """
        record = np.dtype([("sample", "V32"), ("vector", vectors.dtype, vectors.shape[1:])])
        records = np.empty(len(keys), record)
        records["sample"] = np.frombuffer(b"".join(keys), "V32")
        records["vector"] = vectors
        stream = io.BytesIO()
        np.lib.format.write_array(stream, records, allow_pickle=False)
        content = stream.getvalue()
        name = hashlib.sha256(content).hexdigest()
        temporary = self.folder / f".{name}.{os.getpid()}.part"
        try:
            temporary.write_bytes(content)
            os.replace(temporary, self.folder / f"{name}.npy")
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise UsageError(
                f"feature cache {self.folder}: cannot be written ({error.strerror}); "
                f"name another folder"
            ) from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"feature cache {file}: cannot be read, {error.strerror}") from error
