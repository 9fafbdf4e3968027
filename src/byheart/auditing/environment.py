"""What the figures were computed with: versions, BLAS kernels, threads."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any


def describe(versions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the environment as plain data, without paths or names of the machine.

    versions: of libraries beyond the usual ones, such as those that ran an encoder.
    """
    from threadpoolctl import threadpool_info

    packages = ("byheart", "numpy", "scipy", "scikit-learn", "pyarrow", "pillow")
    blas = [
        {key: info[key] for key in ("internal_api", "version", "architecture") if key in info}
        for info in threadpool_info()
        if info.get("user_api") == "blas"
    ]
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
            **(versions or {}),
        },
        "blas": sorted(blas, key=str),  # the order of loading is no part of the result
        "threads": max((info["num_threads"] for info in threadpool_info()), default=1),
    }
