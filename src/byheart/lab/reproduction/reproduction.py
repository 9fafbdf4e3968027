"""What a reproduction of a paper's experiment found: claims beside measurements."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from byheart.lab.sweeps.engines import Engine
from byheart.lab.sweeps.plan import Measure, Plan
from byheart.lab.sweeps.record import Record
from byheart.lab.sweeps.sweep import sweep
from byheart.lab.transition.result import TransitionResult, transition
from byheart.plotting.graph import Graph
from byheart.plotting.table import Table
from byheart.progress import Progress, Watcher


@dataclass(frozen=True)
class Claim:
    """A statement of the paper (or of this project's theory), what was measured, and whether
    they agree."""

    statement: str
    measured: str
    agrees: Literal["yes", "partly", "no"]


@dataclass(frozen=True)
class Curve:
    """A sweep's transition and its records, with the words for what was measured."""

    title: str
    measure: Measure
    result: TransitionResult
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Reproduction:
    """Everything one command has measured.

    curves: transitions of sweeps. graphs: everything else that is drawn.
    """

    name: str
    paper: str
    settings: str
    claims: tuple[Claim, ...]
    curves: tuple[Curve, ...]
    tables: tuple[Table, ...]
    graphs: tuple[Graph, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result in JSON's own types."""
        return {
            "name": self.name,
            "paper": self.paper,
            "settings": self.settings,
            "claims": [asdict(claim) for claim in self.claims],
            "curves": [
                {
                    "title": curve.title,
                    "delta": curve.measure.delta,
                    "distance": curve.measure.distance,
                    **curve.result.to_dict(),
                }
                for curve in self.curves
            ],
            "graphs": [asdict(graph) for graph in self.graphs],
            "tables": [asdict(table) for table in self.tables],
        }


class Laboratory:
    """Runs the sweeps of one reproduction, each with a store in one folder; resumable.

    folder: made when missing. engine: where trials run. progress: told of every trial, with the
    name of the sweep as the stage; quiet by default.
    """

    def __init__(self, folder: Path, engine: Engine, progress: Watcher | None = None) -> None:
        self.folder = folder
        self.engine = engine
        self.progress: Watcher = progress or (lambda state: None)

    def run(self, name: str, sections: dict[str, Any]) -> list[Record]:
        """Run what is missing of the plan in `sections` and return all its records."""

        def named(state: Progress) -> None:
            self.progress(replace(state, stage=name))

        return sweep(
            Plan.parse(sections, where=name),
            self.folder / f"{name}.sqlite",
            engine=self.engine,
            progress=named,
        )

    def curve(self, title: str, name: str, sections: dict[str, Any]) -> Curve:
        """Run a plan and return its transition."""
        records = self.run(name, sections)
        measure = Plan.parse(sections, where=name).measure
        return Curve(title, measure, transition(records), tuple(records))
