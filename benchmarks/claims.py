"""A claim of performance, and the ratios that decide it.

Two calls are compared by times taken in turn: every round runs both, and the ratio is the median
over rounds of the ratio within a round, so that a busy machine disturbs both alike.
"""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_info

Call = Callable[[], object]


@dataclass(frozen=True)
class Claim:
    """What is claimed, against whom, what was measured; `met` is None where it could not be."""

    claim: str
    peer: str
    measured: str
    met: bool | None
    module: str

    @property
    def verdict(self) -> str:
        """The claim's outcome in words."""
        return {None: "not measured", True: "met", False: "missed"}[self.met]


@dataclass(frozen=True)
class Ratio:
    """A median over rounds, with the smallest and the largest."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, numerator: Sequence[float], denominator: Sequence[float]) -> Ratio:
        """Return the ratio of two lists of times taken in the same rounds."""
        each = np.asarray(numerator) / np.asarray(denominator)
        return cls(float(np.median(each)), float(each.min()), float(each.max()))

    def __str__(self) -> str:
        return f"{_short(self.value)} ({_short(self.low)} to {_short(self.high)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def seconds(call: Call) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turn(calls: Mapping[str, Call], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every call in every round, after one call of each that is not timed."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def exponent(sizes: Sequence[int], rounds: Sequence[Sequence[float]]) -> Ratio:
    """Return b of time ~ size^b, fitted to each round of times over all sizes."""
    logs = np.log(np.asarray(sizes, dtype=float))
    slopes = [float(np.polyfit(logs, np.log(times), 1)[0]) for times in rounds]
    return Ratio(float(np.median(slopes)), min(slopes), max(slopes))


def machine() -> str:
    """Return the BLAS kernels, their threads and the load, one line."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    kernels = sorted(
        {
            f"{p['internal_api']} {p['version']} {p.get('architecture', '')}, "
            f"{p['num_threads']} threads"
            for p in pools
        }
    )
    settings = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith(("OPENBLAS_", "OMP_", "MKL_"))
    ]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"BLAS: {'; '.join(kernels)}. Settings: {', '.join(settings) or 'none'}. "
        f"{os.cpu_count()} cores, load averages {load}."
    )


def show(claims: Sequence[Claim]) -> None:
    """Print the claims of one benchmark."""
    for claim in claims:
        print(f"{claim.verdict}: {claim.claim}\n    {claim.measured} against {claim.peer}")


def measure(name: str, quick: bool) -> list[Claim]:
    """Return the claims of one benchmark, by its module's name."""
    found: list[Claim] = importlib.import_module(f"benchmarks.{name}").claims(quick)
    return found


def extrapolated(times: Sequence[float], factor: float) -> list[float]:
    """Return times multiplied by `factor`, for work of known growth measured at a smaller size."""
    if not math.isfinite(factor) or factor < 1:
        raise ValueError(f"times are extrapolated to larger sizes only, got factor {factor}")
    return [factor * value for value in times]
