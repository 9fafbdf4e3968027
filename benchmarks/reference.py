"""The paper's own code, run from a checkout that BYHEART_REFERENCE names.

    git clone https://github.com/I-Halder/a-solvable-generative-model-with-a-linear-one-step-denoiser
    export BYHEART_REFERENCE=$PWD/a-solvable-generative-model-with-a-linear-one-step-denoiser

Its scripts run their whole experiment when imported. Here only their imports, constants and
functions are run; imports of packages that are not installed (logging, training) are passed over.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

VARIABLE = "BYHEART_REFERENCE"


def reference(script: str) -> dict[str, Any] | None:
    """Return the functions and constants of a script of the checkout, or None without one."""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return None
    path = Path(folder) / script
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    names: dict[str, Any] = {"__name__": path.stem}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for node in tree.body:
            if not isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.FunctionDef):
                continue
            code = compile(ast.Module([node], []), str(path), "exec")
            with contextlib.suppress(ImportError):
                exec(code, names)  # noqa: S102 - the user names the checkout to be measured
    return names
