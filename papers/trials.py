"""Trials of an experiment that are not a sweep: run on the laboratory's engine, kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from byheart.errors import InputError
from byheart.lab.reproduction.reproduction import Laboratory
from byheart.lab.sweeps.engines import Task, Trial
from byheart.lab.sweeps.record import Outcome
from byheart.progress import Progress


def run_trials(
    laboratory: Laboratory, name: str, task: Task, material: Any, trials: Sequence[Trial]
) -> list[tuple[Trial, Outcome]]:
    """Run `task(material, trial)` for all trials and return the outcomes, by n and repeat.

    Raises InputError with the message of the first trial that fails; the others are stopped.
    """
    found = []
    laboratory.progress(Progress(name, 0, len(trials)))
    with closing(laboratory.engine.run(task, material, trials)) as records:
        for done, record in enumerate(records, 1):
            if record.outcome is None:
                raise InputError(f"{name}, n = {record.n}, repeat {record.repeat}: {record.error}")
            found.append((Trial(record.n, record.repeat), record.outcome))
            laboratory.progress(Progress(name, done, len(trials)))
    return sorted(found, key=lambda pair: (pair[0].n, pair[0].repeat))
