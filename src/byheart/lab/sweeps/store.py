"""The records of a sweep in one SQLite file.

Written by the driver alone, one transaction for each record, with a write-ahead log that is synced
at every commit: a process that is killed, or a machine that loses power, loses no finished trial.
The file holds the plan it belongs to; another plan is refused, because records of two plans must
never be read as one curve.

The records of a plan that sweeps a parameter have a column more, its value.

One driver writes at a time: it holds a lock (flock) on the file, which ends with its process, and a
second one is refused. What a file holds is believed only if its tables are those that are made
here, and its records of the types that are written here.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from byheart.errors import ByheartError, InputError, UsageError
from byheart.escapes import csv_cell
from byheart.files import regular, replacing
from byheart.lab.sweeps.plan import Plan, differences
from byheart.lab.sweeps.record import Outcome, Record

_APPLICATION = 0x62796874  # "byht": marks the file as ours in its header
_COLUMNS = "n, repeat, attempts, positive, delta_log_size, distance, figures, error"
_PLAN = "CREATE TABLE plan (stated TEXT NOT NULL, data TEXT NOT NULL, byheart TEXT NOT NULL)"
_RECORDS = """CREATE TABLE records (
    n INTEGER NOT NULL,
    repeat INTEGER NOT NULL,{column}
    attempts INTEGER NOT NULL,
    positive INTEGER,
    delta_log_size REAL,
    distance REAL,
    figures TEXT,
    error TEXT,
    PRIMARY KEY (n, repeat{key}),
    CHECK ((error IS NULL) = (positive IS NOT NULL))
) WITHOUT ROWID"""


class Store:
    """An open store. Build one with `Store.open` (to write) or `Store.read` (finished or not).

    A context manager: it closes the file on leaving.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, plan: Plan, lock: int | None = None
    ) -> None:
        self.path = path
        self.plan = plan
        self._connection = connection
        self._lock = lock  # a file descriptor

    @classmethod
    def open(cls, path: str | Path, plan: Plan, data: str) -> Store:
        """Open or create the store of `plan` for writing.

        data: fingerprint of the data, "" where the plan says it all. Raises UsageError when the
        file holds records of another plan, naming the keys that differ, or of other data; or when
        it cannot be written; InputError when it is something else.

        >>> import tempfile
        >>> plan = Plan.parse({
        ...     "data": {"kind": "gaussian", "dimension": 4},
        ...     "model": {"kind": "linear"},
        ...     "sweep": {"n": [8, 16], "repeats": 10},
        ... })
        >>> with Store.open(f"{tempfile.mkdtemp()}/s.sqlite", plan, "") as store:
        ...     store.add(Record(8, 0, Outcome(False, -3.5, 1.25)))
        ...     store.records()[0].outcome.distance
        1.25
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise UsageError(f"{path}: the folder {path.parent} does not exist; make it first")
        lock = _locked(path)
        try:
            return cls(path, _opened(path, plan, data), plan, lock)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def read(cls, path: str | Path) -> Store:
        """Open an existing store; InputError when it is missing or something else."""
        path = Path(path)
        with suppress(OSError):  # `regular` says why it cannot be reached
            if not path.exists():
                raise InputError(
                    f"{path}: no such store; run byheart sweep PLAN.toml --store {path}"
                )
        regular(path, str(path))
        connection = _connect(path, create=False)
        try:
            with _readable(path):
                if not _is_ours(connection):
                    raise InputError(f"{path}: is not a byheart store")
                stated, _ = _plan_row(connection, path)
                plan = Plan.parse(stated, where=str(path))
                _require_tables(connection, path, plan)
            return cls(path, connection, plan)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()
        if self._lock is not None:  # after the connection, whose locks would go with it
            os.close(self._lock)

    def add(self, record: Record) -> None:
        """Keep one record, durably, before returning. A record of the same trial is replaced.

        Raises UsageError when the file cannot be written: a full disk, say.
        """
        values: tuple[Any, ...] = (None, None, None, None)
        if record.outcome:
            done = record.outcome
            figures = json.dumps(_plain(done.figures), sort_keys=True)
            values = (int(done.positive), done.delta_log_size, done.distance, figures)
        row = (record.n, record.repeat, record.attempts, *values, record.error)
        columns = _COLUMNS
        if self.plan.parameter:
            row, columns = (*row, record.value), f"{columns}, value"
        places = ", ".join("?" * len(row))
        try:
            self._connection.execute(
                f"INSERT OR REPLACE INTO records ({columns}) VALUES ({places})", row
            )
        except sqlite3.Error as error:
            raise UsageError(
                f"{self.path}: cannot be written ({error}); its records are safe: make room, and "
                "start the same command again"
            ) from None

    def records(self) -> list[Record]:
        """Return all records, ordered by n, value and repeat; InputError for a damaged one."""
        with _readable(self.path):
            rows = self._connection.execute(
                f"SELECT {_COLUMNS}, {self._value} FROM records ORDER BY n, {self._value}, repeat"
            )
            return [_record(row) for row in rows]

    def finished(self, *, with_errors: bool = True) -> set[tuple[int, int, float | None]]:
        """Return (n, repeat, value) of the trials with a record; errors count unless told."""
        query = f"SELECT n, repeat, {self._value} FROM records"
        with _readable(self.path):
            return set(
                self._connection.execute(query + ("" if with_errors else " WHERE error IS NULL"))
            )

    @property
    def _value(self) -> str:
        """The column of the swept parameter's value, in SQL."""
        return "value" if self.plan.parameter else "NULL"

    def export(self, path: str | Path) -> Path:
        """Write the records as a table, one row each: .csv or .parquet; return the path."""
        path = Path(path)
        if path.suffix.lower() not in (".csv", ".parquet"):
            raise UsageError(f"{path}: records are written as .csv or .parquet")
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet

        is_csv = path.suffix.lower() == ".csv"
        rows = list(_rows(self.records(), self.plan.sweep.parameter))
        if is_csv:  # a spreadsheet would compute what begins like a formula
            rows = [
                {csv_cell(k): csv_cell(v) if isinstance(v, str) else v for k, v in row.items()}
                for row in rows
            ]
        try:
            table = pyarrow.Table.from_pylist(rows)
        except pyarrow.ArrowException as error:
            raise InputError(f"{self.path}: a figure is of several types ({error})") from None
        write = pyarrow.csv.write_csv if is_csv else pyarrow.parquet.write_table
        with replacing(path) as part, part.open("wb") as stream:
            write(table, stream)
        return path


def _locked(path: Path) -> int:
    """Return a descriptor of the store's file, locked until it is closed; UsageError if it is."""
    if path.exists():
        regular(path, str(path))
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); name another --store"
        ) from None
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # not on Windows
        pass
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            f"{path}: another sweep is writing to it; wait for it, or name another --store"
        ) from None
    except OSError:  # a file system without locks
        pass
    return descriptor


def _opened(path: Path, plan: Plan, data: str) -> sqlite3.Connection:
    """Return a connection to the store of `plan`, which is made when it is missing."""
    connection = _connect(path, create=True)
    try:
        ours = _is_ours(connection)
        if not ours and _is_used(connection):
            raise InputError(f"{path}: is not a byheart store; name another --store")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if not ours:
            from byheart._version import __version__

            connection.execute("BEGIN IMMEDIATE")
            for statement in _tables(plan).values():
                connection.execute(statement)
            stated = json.dumps(plan.stated(), sort_keys=True)
            connection.execute("INSERT INTO plan VALUES (?, ?, ?)", (stated, data, __version__))
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute("COMMIT")
            return connection
        kept, known = _plan_row(connection, path)
        changed = differences(kept, plan.stated())
        if changed:
            raise UsageError(
                f"{path}: belongs to another plan: {'; '.join(changed)}; name another "
                "--store, or take the change back"
            )
        if known != data:
            raise UsageError(
                f"{path}: the data have changed since its records were made (data.path); "
                "name another --store"
            )
        _require_tables(connection, path, plan)
        return connection
    except sqlite3.Error as error:
        connection.close()
        raise UsageError(
            f"{path}: cannot be written ({_line(error)}); name another --store"
        ) from None
    except BaseException:
        connection.close()
        raise


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    def connect(options: str) -> sqlite3.Connection:
        # No implicit transactions: every statement commits by itself, unless BEGIN says otherwise.
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None
        )
        try:
            _is_ours(connection)  # reads the header: fails here on a file of another kind
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    try:
        try:
            return connect("mode=rwc" if create else "mode=ro")
        except sqlite3.OperationalError:
            log = path.with_name(f"{path.name}-wal")
            if create or log.exists() or os.access(path.parent, os.W_OK):
                raise
            return connect("mode=ro&immutable=1")  # where nothing can be written, nothing changes
    except sqlite3.Error as error:
        if "not a database" in str(error):
            raise InputError(f"{path}: is not a byheart store; name another --store") from None
        raise UsageError(
            f"{path}: cannot be opened ({_line(error)}); name another --store"
        ) from None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the content of a store into an InputError."""
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be read ({_line(error)})") from None
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        if isinstance(error, ByheartError):
            raise
        raise InputError(f"{path}: is damaged ({_line(error)}); name another --store") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _tables(plan: Plan) -> dict[str, str]:
    """Return the statements that make the tables of a store, by the tables' names."""
    column = "\n    value REAL NOT NULL," if plan.parameter else ""
    key = ", value" if plan.parameter else ""
    return {"plan": _PLAN, "records": _RECORDS.format(column=column, key=key)}


def _require_tables(connection: sqlite3.Connection, path: Path, plan: Plan) -> None:
    """Refuse a store with other tables, or with views and triggers: code of somebody else's."""
    made = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
    if made != _tables(plan):
        raise InputError(f"{path}: its tables are not those of a store; name another --store")


def _is_ours(connection: sqlite3.Connection) -> bool:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    return bool(found == _APPLICATION)


def _is_used(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _plan_row(connection: sqlite3.Connection, path: Path) -> tuple[dict[str, Any], str]:
    """Return the plan as it is stated in the store, and the fingerprint of its data."""
    row = connection.execute("SELECT stated, data FROM plan").fetchone()
    if row is None:
        raise InputError(f"{path}: holds no plan; name another --store")
    with _readable(path):
        stated = json.loads(row[0])
        if not isinstance(stated, dict):
            raise ValueError("its plan is no plan")
        return stated, row[1]


def _plain(figures: Mapping[str, float | str]) -> dict[str, Any]:
    """Return figures that JSON can hold: infinite values as text, as everywhere."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in figures.items()
    }


def _figures(text: str) -> dict[str, float | str]:
    special = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
    figures = json.loads(text)
    if not isinstance(figures, dict) or not all(
        isinstance(value, (int, float, str)) for value in figures.values()
    ):
        raise ValueError("the figures of a record are none")
    return {
        key: special.get(value, value) if isinstance(value, str) else value
        for key, value in figures.items()
    }


def _record(row: tuple[Any, ...]) -> Record:
    """Return a row as a record; ValueError for values of types that are not written here."""
    n, repeat, attempts, positive, delta_log_size, distance, figures, error, value = row
    whole = (n, repeat, attempts, *(() if error is not None else (positive,)))
    real = (*(() if value is None else (value,)), *(() if error is not None else (distance,)))
    texts = (figures if error is None else error,)
    if (
        not all(isinstance(v, int) and v >= 0 for v in whole)
        or not all(isinstance(v, float) for v in real)
        or not all(isinstance(v, str) for v in texts)
        or not (error is not None or isinstance(delta_log_size, float))
    ):
        raise ValueError("a record has values of other types than a sweep writes")
    if error is not None:
        return Record(n, repeat, None, error, attempts, value)
    outcome = Outcome(bool(positive), delta_log_size, distance, _figures(figures))
    return Record(n, repeat, outcome, None, attempts, value)


def _rows(records: list[Record], parameter: str | None) -> Iterator[dict[str, Any]]:
    names = sorted({name for r in records if r.outcome for name in r.outcome.figures})
    for r in records:
        outcome = r.outcome
        yield {
            "n": r.n,
            **({parameter: r.value} if parameter else {}),
            "repeat": r.repeat,
            "attempts": r.attempts,
            "positive": outcome.positive if outcome else None,
            "delta_log_size": outcome.delta_log_size if outcome else None,
            "distance": outcome.distance if outcome else None,
            **{name: outcome.figures.get(name) if outcome else None for name in names},
            "error": r.error,
        }
