"""What an audit was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The validated parameters of one audit."""

    seed: int
    level: float
    fdr: float
    tolerance: float
    resolution: float
    permutations: int
    engine: str
    approximate: bool
    metrics: str
