"""All claims of performance, measured; writes docs/explanation/benchmarks.md.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks [--quick] [--output FILE]
        [--only NAME ...]

Peers that are not installed here are named by BYHEART_REFERENCE (a checkout of the paper's code)
and BYHEART_PEER_PYTHON (an interpreter with SDMetrics); without them their claims are "not
measured". Every benchmark runs in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.claims import Claim, machine, measure, show

NAMES = ("neighbours", "audit", "permutations", "coordinates", "trial", "nearest_record", "memory")
DOCUMENT = Path(__file__).parents[1] / "docs" / "explanation" / "benchmarks.md"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def document(claims: Sequence[Claim], before: str, after: str, quick: bool) -> str:
    """Return the page as Markdown."""
    option = " --quick" if quick else ""
    shared = max(os.getloadavg()) > (os.cpu_count() or 1)
    rows = [
        f"| {c.claim} | {c.peer} | {c.measured} | {c.verdict} | "
        f"`python -m benchmarks.{c.module}{option}` |"
        for c in claims
    ]
    lines = [
        "# Benchmarks",
        "",
        "Each claim of speed or memory beside the peer that it was measured against, in the same",
        "run. Written by",
        "",
        "```text",
        f"env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python -m benchmarks{option}",
        "```",
        "",
        "A ratio is the median over rounds in which both ran in turn, with the smallest and the",
        "largest round. Seconds are those of this machine and this run.",
        "",
        f"* Processor: {processor()}; Python {platform.python_version()}.",
        f"* Before: {before}",
        f"* After: {after}",
    ]
    if shared:
        lines += [
            "* More was running than there are cores: the machine was shared. Ratios carry noise,",
            "  and seconds are longer than they would be on an idle machine.",
        ]
    lines += [
        "",
        "| Claim | Peer | Measured | Outcome | Command |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--output", type=Path, default=DOCUMENT, help="the page to write")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="not all of them")
    options = parser.parse_args()
    before, claims = machine(), []
    print(before, flush=True)
    for name in options.only:
        with ProcessPoolExecutor(1, get_context("spawn")) as worker:
            found = worker.submit(measure, name, options.quick).result()
        show(found)
        claims += found
        page = document(claims, before, machine(), options.quick)
        options.output.write_text(page, encoding="utf-8")  # after each: a long run may be ended


if __name__ == "__main__":
    main()
