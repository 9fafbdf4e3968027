"""Peak memory of `byheart audit --max-memory` on memory-mapped files of several sizes.

    python -m benchmarks.memory [--limit 256MiB] [--quick]

Prints, for inputs of growing size under one limit, the largest anonymous resident memory of the
audit's process, which leaves out the pages of mapped files (RssAnon of Linux). The limit holds when
the peak stays below it while the inputs outgrow it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.claims import Claim
from byheart._check import memory
from byheart.auditing.memory import Audit

MODULE = "memory"
ROLES = ("train", "heldout", "generated")


def write_sets(folder: Path, rows: tuple[int, int, int], dimension: int) -> int:
    """Write three sets of normal rows as .npy files, block by block; return their bytes."""
    rng, total = np.random.default_rng(0), 0
    for role, count in zip(ROLES, rows, strict=True):
        file = np.lib.format.open_memmap(
            folder / f"{role}.npy", mode="w+", dtype=np.float32, shape=(count, dimension)
        )
        for start in range(0, count, 1000):
            part = file[start : start + 1000]
            part[:] = rng.standard_normal(part.shape, dtype=np.float32)
        total += file.nbytes
    return total


def anonymous(pid: int) -> int:
    """Return the resident bytes of a process that are not pages of files.

    The peak that the system keeps (ru_maxrss, VmHWM) counts pages of mapped files too, which are
    given back as soon as somebody else needs them; RssAnon does not, but has to be polled.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def peak(folder: Path, limit: int, permutations: int = 999) -> tuple[int, float]:
    """Audit the sets in `folder` in a process of its own; return its peak bytes and seconds."""
    paths = ", ".join(repr(str(folder / f"{role}.npy")) for role in ROLES)
    code = (
        f"import byheart; byheart.audit({paths}, max_memory={limit}, permutations={permutations})"
    )
    start, highest = time.perf_counter(), 0
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while process.poll() is None:
            highest = max(highest, anonymous(process.pid))
            time.sleep(0.002)
    if process.returncode:
        raise SystemExit(f"the audit ended with status {process.returncode}")
    return highest, time.perf_counter() - start


def claims(quick: bool) -> list[Claim]:
    """Audit inputs that double and double again under one limit."""
    limit = 256 << 20
    sizes, dimension = ((2_000, 4_000), 8192) if quick else ((4_000, 8_000, 16_000), 4096)
    inputs, peaks, seconds = [], [], []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            inputs.append(write_sets(Path(name), (rows, rows, rows), dimension))
            highest, taken = peak(Path(name), limit)
        peaks.append(highest)
        seconds.append(taken)
    each = f"3 x {' / '.join(f'{rows:,}' for rows in sizes)} mapped rows of {dimension:,}"
    found = f"{' / '.join(str(highest >> 20) for highest in peaks)} MiB"
    against = f"the inputs, {' / '.join(f'{size >> 20:,}' for size in inputs)} MiB"
    return [
        Claim(
            f"peak memory stays below {limit >> 20} MiB, {each}",
            against,
            f"{found}, in {' / '.join(f'{taken:.0f}' for taken in seconds)} s",
            max(peaks) < limit < inputs[-1],
            MODULE,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", default="256MiB", help="of each audit")
    parser.add_argument("--quick", action="store_true", help="small sets, about a minute")
    options = parser.parse_args()
    limit = memory(options.limit)
    sizes = [(500, 2048), (1000, 2048), (2000, 2048), (4000, 2048)]
    if not options.quick:
        sizes = [(5000, 1024), (10_000, 1024), (20_000, 1024), (40_000, 1024)]
    print(f"limit {limit / 2**20:.0f} MiB; three sets of float32 rows; MiB")
    print(f"{'rows':>7} {'d':>6} {'inputs':>8} {'minimum':>8} {'peak':>8} {'seconds':>8}")
    for rows, dimension in sizes:
        least = Audit(rows, rows, rows, dimension, 4, 32, 999).minimum()
        with tempfile.TemporaryDirectory() as name:
            inputs = write_sets(Path(name), (rows, rows, rows), dimension)
            highest, seconds = peak(Path(name), limit)
        numbers = " ".join(f"{v / 2**20:>8.0f}" for v in (inputs, least, highest))
        print(f"{rows:>7} {dimension:>6} {numbers} {seconds:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
