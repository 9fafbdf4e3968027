"""Commands as models: what they get, what they must leave, and how they end."""

from __future__ import annotations

import sys
import textwrap
import time

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.command import fill_in, run_command
from byheart.lab.sweeps.plan_sections import CommandModel

TRAIN = np.arange(12.0).reshape(6, 2)
COPY = "import sys, numpy as np; np.save(sys.argv[2], np.load(sys.argv[1])[:int(sys.argv[3])])"


@pytest.fixture
def script(tmp_path):
    """Write a script beside the plan and return the command that runs it."""

    def write(code, suffix=".npy", timeout=60.0, arguments="{train} {generated} {count}"):
        (tmp_path / "a model.py").write_text(textwrap.dedent(code))
        command = "{python} 'a model.py' " + arguments
        return CommandModel(kind="command", command=command, suffix=suffix, timeout=timeout)

    return write


def run(model, tmp_path, train=TRAIN, count=4):
    return run_command(model, tmp_path, tmp_path / "trials" / "n6", train, count, seed=3)


def test_the_command_gets_its_training_set_and_is_read(script, tmp_path):
    generated = run(script(COPY), tmp_path)
    assert np.array_equal(np.load(generated), TRAIN[:4])
    assert (tmp_path / "trials" / "n6" / "output.txt").exists()


def test_it_runs_in_its_own_folder_with_one_thread_and_all_values(script, tmp_path):
    code = """
        import os, sys
        from pathlib import Path
        assert Path.cwd().name == "n6" and os.environ["OMP_NUM_THREADS"] == "1"
        assert sys.argv[4:] == ["3", "6", "4", "{kept}"], sys.argv
        print("said")
    """
    model = script(
        textwrap.dedent(code) + COPY,
        arguments="{train} {generated} {count} {seed} {n} {m} {{kept}}",
    )
    run(model, tmp_path)
    assert (tmp_path / "trials" / "n6" / "output.txt").read_text() == "said\n"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_keep_their_columns(script, tmp_path, suffix):
    import pyarrow

    train = pyarrow.table({"size": [1.5, 2.5], "kind": ["a", "b"]})
    code = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    generated = run(script(code, suffix), tmp_path, train, count=2)
    from byheart.samples import read

    assert read(str(generated), "generated").table.column_names == ["size", "kind"]
    with pytest.raises(UsageError, match=r"model\.suffix"):
        run(script(code), tmp_path, train, count=2)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('first'); raise SystemExit('a reason')", r"exit status 1: a reason \(all of its"),
        ("import os; os.kill(os.getpid(), 9)", r"exit status -9"),
        ("print('done')", r"has not written \{generated\}.*: done"),
        ("import sys; open(sys.argv[2], 'w').write('x')", r"generated"),
        (COPY.replace("[:int(sys.argv[3])]", ""), r"4 samples were asked for and 6 are in it"),
    ],
)
def test_a_failure_is_one_line(script, tmp_path, code, words):
    with pytest.raises(InputError, match=words) as caught:
        run(script(code), tmp_path)
    assert "\n" not in str(caught.value)


def test_the_time_limit_ends_the_command_and_its_children(script, tmp_path):
    code = """
        import subprocess, sys, time
        child = [sys.executable, "-c", "import time; time.sleep(3); open('late', 'w')"]
        subprocess.Popen(child)
        time.sleep(60)
    """
    start = time.monotonic()
    with pytest.raises(InputError, match=r"took longer than model\.timeout = 1 s"):
        run(script(code, timeout=1.0), tmp_path)
    assert time.monotonic() - start < 30
    time.sleep(3)
    assert not (tmp_path / "trials" / "n6" / "late").exists()


def test_a_command_that_is_not_there(tmp_path):
    model = CommandModel(kind="command", command="no-such-program {train} {generated}")
    with pytest.raises(InputError, match="no-such-program cannot be started"):
        run(model, tmp_path)


def test_words_are_split_before_they_are_filled_in(tmp_path):
    words = fill_in(
        "{python} x {train} 'two words' $HOME;rm {generated}",
        tmp_path,
        python=sys.executable,
        train="/a b/'c'.npy",
        generated="/g",
    )
    assert words == [sys.executable, "x", "/a b/'c'.npy", "two words", "$HOME;rm", "/g"]
    (tmp_path / "x").touch()
    assert fill_in("{train} x", tmp_path, train="x") == ["x", str(tmp_path / "x")]
