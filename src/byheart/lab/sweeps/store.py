"""The records of a sweep in one SQLite file.

Written by the driver alone, one transaction for each record, with a write-ahead log that is synced
at every commit: a process that is killed, or a machine that loses power, loses no finished trial.
The file holds the plan it belongs to; another plan is refused, because records of two plans must
never be read as one curve.

The records of a plan that sweeps a parameter have a column more, its value.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from byheart.errors import InputError, UsageError
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

    def __init__(self, path: Path, connection: sqlite3.Connection, plan: Plan) -> None:
        self.path = path
        self.plan = plan
        self._connection = connection

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
        connection = _connect(path, create=True)
        try:
            stated = json.dumps(plan.stated(), sort_keys=True)
            ours = _is_ours(connection)
            if not ours and _is_used(connection):
                raise InputError(f"{path}: is not a byheart store; name another --store")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if not ours:
                from byheart._version import __version__

                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_PLAN)
                column = "\n    value REAL NOT NULL," if plan.parameter else ""
                key = ", value" if plan.parameter else ""
                connection.execute(_RECORDS.format(column=column, key=key))
                connection.execute("INSERT INTO plan VALUES (?, ?, ?)", (stated, data, __version__))
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute("COMMIT")
            else:
                kept, known = _plan_row(connection, path)
                changed = differences(json.loads(kept), plan.stated())
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
            return cls(path, connection, plan)
        except sqlite3.Error as error:
            connection.close()
            raise UsageError(f"{path}: cannot be written ({error}); name another --store") from None
        except BaseException:
            connection.close()
            raise

    @classmethod
    def read(cls, path: str | Path) -> Store:
        """Open an existing store; InputError when it is missing or something else."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such store; run byheart sweep PLAN.toml --store {path}")
        connection = _connect(path, create=False)
        try:
            if not _is_ours(connection):
                raise InputError(f"{path}: is not a byheart store")
            stated, _ = _plan_row(connection, path)
            return cls(path, connection, Plan.parse(json.loads(stated), where=str(path)))
        except sqlite3.Error as error:
            connection.close()
            raise InputError(f"{path}: cannot be read ({error})") from None
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

    def add(self, record: Record) -> None:
        """Keep one record, durably, before returning. A record of the same trial is replaced."""
        values: tuple[Any, ...] = (None, None, None, None)
        if record.outcome:
            done = record.outcome
            figures = json.dumps(_plain(done.figures), sort_keys=True)
            values = (int(done.positive), done.delta_log_size, done.distance, figures)
        row = (record.n, record.repeat, record.attempts, *values, record.error)
        columns = _COLUMNS
        if self.plan.parameter:
            row, columns = (*row, record.value), f"{columns}, value"
        self._connection.execute(
            f"INSERT OR REPLACE INTO records ({columns}) VALUES ({', '.join('?' * len(row))})", row
        )

    def records(self) -> list[Record]:
        """Return all records, ordered by n, value and repeat."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS}, {self._value} FROM records ORDER BY n, {self._value}, repeat"
        )
        return [_record(row) for row in rows]

    def finished(self, *, with_errors: bool = True) -> set[tuple[int, int, float | None]]:
        """Return (n, repeat, value) of the trials with a record; errors count unless told."""
        query = f"SELECT n, repeat, {self._value} FROM records"
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

        table = pyarrow.Table.from_pylist(list(_rows(self.records(), self.plan.sweep.parameter)))
        try:
            if path.suffix.lower() == ".csv":
                pyarrow.csv.write_csv(table, path)
            else:
                pyarrow.parquet.write_table(table, path)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None
        return path


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    try:
        mode = "rwc" if create else "ro"
        # No implicit transactions: every statement commits by itself, unless BEGIN says otherwise.
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None
        )
        _is_ours(connection)  # reads the header: fails here on a file of another kind
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise InputError(f"{path}: is not a byheart store; name another --store") from None
        raise UsageError(f"{path}: cannot be opened ({error}); name another --store") from None
    return connection


def _is_ours(connection: sqlite3.Connection) -> bool:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    return bool(found == _APPLICATION)


def _is_used(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _plan_row(connection: sqlite3.Connection, path: Path) -> tuple[str, str]:
    row = connection.execute("SELECT stated, data FROM plan").fetchone()
    if row is None:
        raise InputError(f"{path}: holds no plan; name another --store")
    return row[0], row[1]


def _plain(figures: Mapping[str, float | str]) -> dict[str, Any]:
    """Return figures that JSON can hold: infinite values as text, as everywhere."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in figures.items()
    }


def _figures(text: str) -> dict[str, float | str]:
    special = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
    return {key: special.get(value, value) for key, value in json.loads(text).items()}


def _record(row: tuple[Any, ...]) -> Record:
    n, repeat, attempts, positive, delta_log_size, distance, figures, error, value = row
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
