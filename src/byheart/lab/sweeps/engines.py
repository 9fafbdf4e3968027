"""Engines: where the trials of a sweep run.

An engine runs `task(material, trial)` for every trial and yields one record each, in the order in
which they finish. What a trial computes depends on the plan, n and repeat alone: the engines give
the same records. To that end every engine, the serial one included, runs a trial with one thread:
the number of BLAS threads changes the last bits of a product. It is also what keeps two workers
from fighting for two cores.

A trial that raises becomes a record with its error. A worker that dies in mid-trial (killed, out of
memory) costs its trial a second attempt on a new worker, then a record with an error; the other
trials do not notice.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, final

from byheart import _check
from byheart.errors import ByheartError
from byheart.lab.sweeps.record import Outcome, Record
from byheart.threads import ENVIRONMENT, cores, one_thread

ATTEMPTS = 2


@dataclass(frozen=True)
class Trial:
    """One training run: size n of the training set, which repeat of it, value of the parameter."""

    n: int
    repeat: int
    value: float | None = None


Task = Callable[[Any, Trial], Outcome]
Records = Generator[Record, None, None]


class Engine(ABC):
    """Runs trials. `task` is a function of a module, `material` what all trials share."""

    @abstractmethod
    def run(self, task: Task, material: Any, trials: Iterable[Trial]) -> Records:
        """Yield one record for each trial, in any order; closing the iterator stops the work."""


@final
class SerialEngine(Engine):
    """One trial after the other in this process."""

    def run(self, task: Task, material: Any, trials: Iterable[Trial]) -> Records:
        """Yield records in the order of the trials."""
        with one_thread():
            for trial in trials:
                yield attempt(task, material, trial, 1)


@final
class ProcessEngine(Engine):
    """Trials on worker processes of this machine; `workers` of them, by default one a core."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = cores() if workers is None else _check.integer(workers, "workers", 1)

    def run(self, task: Task, material: Any, trials: Iterable[Trial]) -> Records:
        """Yield records as they finish; workers end with the iterator."""
        queue = deque((trial, 1) for trial in trials)
        workers: list[_Worker] = []
        try:
            while queue or workers:
                busy = sum(worker.trial is not None for worker in workers)
                while len(workers) < min(self.workers, busy + len(queue)):
                    workers.append(_Worker.start(task, material))
                for worker in workers:
                    if worker.trial is None and queue:
                        worker.give(*queue.popleft())
                for idle in [w for w in workers if w.trial is None]:  # nothing left for it
                    workers.remove(idle)
                    idle.stop()
                ready = set(wait([w.connection for w in workers])) if workers else set()
                for worker in [w for w in workers if w.connection in ready]:
                    trial, started = worker.assigned()
                    record = worker.answer()
                    if record is not None:
                        yield record
                        continue
                    workers.remove(worker)
                    code = worker.stop()
                    if started < ATTEMPTS:
                        queue.appendleft((trial, started + 1))
                    else:
                        yield lost(trial, started, _how(code))
        finally:
            for worker in workers:
                worker.kill()


@dataclass
class _Worker:
    """One worker process and the trial it is at."""

    process: Any
    connection: Connection
    trial: Trial | None = None
    started: int = 0

    @classmethod
    def start(cls, task: Task, material: Any) -> _Worker:
        # spawn: a forked child would inherit the locks of the parent's threads
        context = multiprocessing.get_context("spawn")
        # Started on the way by the first worker, it would let interrupts through again.
        resource_tracker.ensure_running()
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, task, material), daemon=True)
        with _environment(ENVIRONMENT), _interrupts_blocked():
            process.start()
        theirs.close()
        return cls(process, ours)

    def give(self, trial: Trial, started: int) -> None:
        self.trial, self.started = trial, started
        with suppress(OSError):  # it has died: `answer` finds the same
            self.connection.send((trial, started))

    def assigned(self) -> tuple[Trial, int]:
        if self.trial is None:
            raise RuntimeError("a worker without a trial has answered")
        return self.trial, self.started

    def answer(self) -> Record | None:
        """Return the record of the trial, or None when the worker has died."""
        try:
            record: Record = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.trial = None
        return record

    def stop(self) -> int | None:
        """Let a worker that has nothing to do end, and return its exit code."""
        self.connection.close()
        self.process.join(5)
        return self.process.exitcode if not self.process.is_alive() else self.kill()

    def kill(self) -> int | None:
        """End a worker in mid-trial: first so that it can end its own children, then at once."""
        self.process.terminate()
        self.process.join(2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()
        code: int | None = self.process.exitcode
        return code


def _work(connection: Connection, task: Task, material: Any) -> None:
    """Run trials until the driver closes its end."""
    # Ctrl-C reaches the whole group of processes; only the driver shall answer to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _mask_interrupts(block=False)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with one_thread():
        while True:
            try:
                trial, started = connection.recv()
                connection.send(attempt(task, material, trial, started))
            except (EOFError, OSError):
                return


def _end_with_parent() -> None:
    """A driver that is killed takes its workers along, in mid-trial too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def attempt(task: Task, material: Any, trial: Trial, started: int) -> Record:
    """Run one trial and return its record; an exception becomes the record's error."""
    try:
        outcome = task(material, trial)
    except ByheartError as error:
        return Record(trial.n, trial.repeat, None, str(error), started, trial.value)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        return Record(trial.n, trial.repeat, None, " ".join(what.split()), started, trial.value)
    return Record(trial.n, trial.repeat, outcome, None, started, trial.value)


def lost(trial: Trial, started: int, how: str) -> Record:
    """Return the record of a trial whose workers have died."""
    error = f"the worker died {started} times in this trial ({how})"
    return Record(trial.n, trial.repeat, None, error, started, trial.value)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit status {code}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Hold Ctrl-C back: children started inside inherit it, until they have their own handler."""
    _mask_interrupts(block=True)
    try:
        yield
    finally:
        _mask_interrupts(block=False)


def _mask_interrupts(*, block: bool) -> None:
    if hasattr(signal, "pthread_sigmask"):
        how = signal.SIG_BLOCK if block else signal.SIG_UNBLOCK
        signal.pthread_sigmask(how, {signal.SIGINT})


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for children started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
