"""A sweep: every trial of a plan, run once, kept at once.

What is in the store is done; the rest is run. So a sweep that was interrupted, or killed, goes on
where it was when it is started again.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from byheart.errors import UsageError
from byheart.lab.sweeps.engines import Engine, ProcessEngine, SerialEngine, Trial
from byheart.lab.sweeps.material import data_fingerprint, prepare
from byheart.lab.sweeps.models import check_model
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.plan_sections import CommandModel
from byheart.lab.sweeps.record import Record
from byheart.lab.sweeps.store import Store
from byheart.lab.sweeps.trial import run_trial
from byheart.progress import Progress, Watcher


def sweep(
    plan: Plan,
    store: str | Path,
    *,
    engine: Engine | None = None,
    retry_errors: bool = False,
    progress: Watcher | None = None,
) -> list[Record]:
    """Run the trials of `plan` that `store` lacks, and return all its records.

    store: path of a SQLite file, made when it is missing. engine: serial unless given.
    retry_errors: run trials again whose record is an error. progress: called at the start and after
    every trial, with the stage "trials". Commands work in the folder STORE.trials beside the store.

    Raises UsageError for a store of another plan, and what `prepare` and `check_model` raise;
    errors of single trials become records.

    >>> import tempfile
    >>> plan = Plan.parse({
    ...     "data": {"kind": "gaussian", "dimension": 16},
    ...     "model": {"kind": "linear"},
    ...     "sweep": {"n": [16, 96], "repeats": 2},
    ... })
    >>> records = sweep(plan, f"{tempfile.mkdtemp()}/linear.sqlite")
    >>> [(r.n, r.repeat, r.outcome.positive) for r in records]
    [(16, 0, False), (16, 1, False), (96, 0, True), (96, 1, True)]
    """
    path = Path(store)
    needs_folder = isinstance(plan.model, CommandModel)
    material = prepare(plan, path.with_name(path.name + ".trials") if needs_folder else None)
    values = plan.sweep.values or (None,)
    for value in values:
        check_model(plan.at(value).model, material)
    # all sizes or values first, so that a sweep which is not finished has the whole curve
    repeats = range(plan.sweep.repeats)
    trials = [Trial(n, r, value) for r in repeats for n in plan.sweep.n for value in values]
    with Store.open(path, plan, data_fingerprint(plan)) as kept:
        finished = kept.finished(with_errors=not retry_errors)
        missing = [t for t in trials if (t.n, t.repeat, t.value) not in finished]
        done, failed = len(trials) - len(missing), 0
        say = progress or (lambda state: None)
        say(Progress("trials", done, len(trials)))
        with closing((engine or SerialEngine()).run(run_trial, material, missing)) as records:
            for record in records:
                kept.add(record)
                done, failed = done + 1, failed + (record.error is not None)
                say(Progress("trials", done, len(trials), failed))
        return kept.records()


def engine_named(name: str, workers: int | None = None) -> Engine:
    """Return the engine "local" or "ray"; UsageError for another name.

    workers: trials at a time, by default one a core; a local engine with one runs them in this
    process.

    >>> type(engine_named("local", 2)).__name__, type(engine_named("local", 1)).__name__
    ('ProcessEngine', 'SerialEngine')
    """
    if name == "local":
        return SerialEngine() if workers == 1 else ProcessEngine(workers)
    if name == "ray":
        from byheart.lab.sweeps.ray_engine import RayEngine

        return RayEngine(workers)
    raise UsageError(f"--engine {name}: choose from local, ray")
