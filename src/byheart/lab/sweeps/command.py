"""The user's own training command as a model: files in, files out.

For each trial the command runs in a folder of its own. It finds its training set at {train} and has
to write {count} samples to {generated}, in any format that an audit reads. The words of the command
are split first and filled in afterwards, and no shell sees them: a path with blanks or quotes stays
one word. Standard output and error go to output.txt in the folder, which stays.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.plan_sections import CommandModel
from byheart.samples import read
from byheart.threads import ENVIRONMENT


def run_command(
    model: CommandModel, base: Path, folder: Path, train: Any, count: int, seed: int
) -> Path:
    """Run the command on `train`, an array or a pyarrow.Table, and return the path of {generated}.

    base: folder of the plan, where relative words are looked up. folder: of this trial; emptied
    first. Raises InputError when the command cannot be started, fails, takes longer than
    model.timeout, or leaves no readable set of `count` samples; the message has the last line of
    its output.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    train_path = (folder / f"train{model.suffix}").absolute()
    generated = (folder / f"generated{model.suffix}").absolute()
    _write(train, train_path)
    words = fill_in(
        model.command,
        base,
        train=train_path,
        generated=generated,
        count=count,
        m=count,
        seed=seed,
        n=len(train),
        python=sys.executable,
    )
    output = folder / "output.txt"
    with output.open("wb") as log:
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,  # so that its own children end with it
            )
        except OSError as error:
            raise InputError(
                f"model.command: {words[0]} cannot be started ({error.strerror}); "
                "give its full path, or {python} for this interpreter"
            ) from None
        try:
            status = process.wait(model.timeout)
        except subprocess.TimeoutExpired:
            raise InputError(
                f"model.command took longer than model.timeout = {model.timeout:g} s{_last(output)}"
            ) from None
        finally:  # a child that the command left behind ends here too
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        raise InputError(f"model.command ended with exit status {status}{_last(output)}")
    if not generated.exists():
        raise InputError(f"model.command has not written {{generated}}, {generated}{_last(output)}")
    rows = read(str(generated), "generated").rows
    if rows != count:
        raise InputError(f"{generated}: {count:,} samples were asked for and {rows:,} are in it")
    return generated


def fill_in(command: str, base: Path, **values: object) -> list[str]:
    """Return the words of `command`, placeholders filled in, files beside the plan by full path.

    >>> fill_in("cp -v {train} 'a b/{seed}.npy'", Path("/none"), train="/x y.npy", seed=3)
    ['cp', '-v', '/x y.npy', 'a b/3.npy']
    """
    words = []
    for word in shlex.split(command):
        beside = base / word
        filled = word.format(**values)
        is_file = filled == word and not Path(word).is_absolute() and beside.is_file()
        words.append(str(beside.absolute()) if is_file else filled)
    return words


def _write(train: Any, path: Path) -> None:
    if path.suffix == ".npy":
        if not isinstance(train, np.ndarray):
            raise UsageError('model.suffix: a table needs suffix = ".csv" or ".parquet"')
        np.save(path, train, allow_pickle=False)
        return
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    if isinstance(train, np.ndarray):
        flat = train.reshape(len(train), -1)
        train = pyarrow.table({f"x{i}": column for i, column in enumerate(flat.T)})
    write = pyarrow.csv.write_csv if path.suffix == ".csv" else pyarrow.parquet.write_table
    write(train, path)


def _last(output: Path) -> str:
    """Return the last line of the output, and where the rest is."""
    with output.open("rb") as log:
        log.seek(max(0, output.stat().st_size - 4096))  # it may be long
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
    said = f": {lines[-1].strip()[:200]}" if lines else ""
    return f"{said} (all of its output: {output})"
