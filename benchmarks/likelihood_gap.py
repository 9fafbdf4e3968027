"""FLD's generalization gap, ours beside the authors' code.

    BYHEART_FLD=FOLDER python -m benchmarks.likelihood_gap

FOLDER holds the authors' package `fld` (github.com/marcojira/fld); it needs torch and tqdm. Without
it only our own figures are printed.
"""

from __future__ import annotations

import os
import sys
import time
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from byheart.auditing.metrics.likelihood_gap import likelihood_gap
from byheart.lab.sweeps.material import digits

ROWS = 500


def authors(folder: str):
    """Return the authors' FLD without what it imports for drawing and for feature extraction."""
    for name in ("seaborn", "matplotlib", "matplotlib.pyplot"):
        if name.partition(".")[0] in sys.modules or find_spec(name.partition(".")[0]) is None:
            sys.modules.setdefault(name, types.ModuleType(name))
    for name in ("fld", "fld.metrics"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(folder, *name.split(".")))]
        sys.modules[name] = package
    from fld.metrics.FLD import FLD

    return FLD


def sets() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return T, H and generated sets of known kinds."""
    rng = np.random.default_rng(0)
    rows = digits().reshape(-1, 64)
    rows = rows[rng.permutation(len(rows))] + 0.02 * rng.normal(size=rows.shape)
    train, heldout, fresh = (rows[i * ROWS : (i + 1) * ROWS] for i in range(3))
    few, some = ROWS // 20, ROWS // 10
    return (
        train,
        heldout,
        {
            "fresh digits": fresh,
            "fresh digits, noise .2": fresh + 0.2 * rng.normal(size=fresh.shape),
            "10% copies, noise .05": np.r_[
                train[:some] + 0.05 * rng.normal(size=(some, 64)), fresh[some:]
            ],
            "5% exact copies": np.r_[train[:few], fresh[few:]],
            "all exact copies": train.copy(),
        },
    )


def main() -> None:
    folder = os.environ.get("BYHEART_FLD")
    theirs = authors(folder) if folder else None
    train, heldout, generated = sets()
    print("| generated | byheart [interval] | s | authors' code | s |\n|---|---|---|---|---|")
    for name, made in generated.items():
        start = time.perf_counter()
        value, (low, high) = likelihood_gap(train, heldout, made)
        taken, other, longer = time.perf_counter() - start, "–", "–"
        if theirs is not None:
            import torch

            torch.manual_seed(0)
            np.random.seed(0)  # noqa: NPY002  their subsets are drawn so
            start = time.perf_counter()
            found = theirs("gap").compute_metric(
                *(torch.tensor(x, dtype=torch.float32) for x in (train, heldout, made))
            )
            other, longer = f"{found:,.3g}", f"{time.perf_counter() - start:.1f}"
        ours = f"{value:,.3g} [{low:,.3g}, {high:,.3g}]"
        print(f"| {name} | {ours} | {taken:.1f} | {other} | {longer} |", flush=True)


if __name__ == "__main__":
    main()
