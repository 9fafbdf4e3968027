"""The options of an audit: declared once, found everywhere."""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import byheart
from byheart.auditing.settings import Settings, defaults, options, repeated
from byheart.errors import UsageError

NEW = """
    strictness: int = _option(
        2, partial(_check.integer, minimum=0), int, "A number that a test adds."
    )

    def __post_init__"""


def test_keywords_and_defaults_are_the_declared_ones():
    shown = inspect.signature(byheart.audit).parameters
    assert {name: p.default for name, p in shown.items() if name in options()} == defaults()
    assert all(
        f"{name}: {option.help}" in byheart.audit.__doc__ for name, option in options().items()
    )


def test_an_unknown_option_is_told_the_nearest():
    with pytest.raises(UsageError, match="did you mean level"):
        byheart.audit(None, None, None, levle=0.1)


def test_a_name_that_other_libraries_use_is_understood():
    with pytest.raises(UsageError, match=r"calls random_state seed: pass seed=7"):
        byheart.audit(None, None, None, random_state=7)


def test_every_default_passes_its_own_check():
    usual = Settings()
    assert Settings(**{name: getattr(usual, name) for name in options()}) == usual


def test_the_repeating_call_names_numbers_and_what_is_not_usual():
    assert list(repeated(Settings().recorded())) == [
        "seed", "level", "fdr", "tolerance", "resolution", "permutations",
    ]  # fmt: skip
    assert repeated(Settings(ignore="id").recorded())["ignore"] == ["id"]


def test_a_new_option_needs_one_declaration(tmp_path):
    """A field added to `Settings` is a keyword, an option, recorded, repeated and verified."""
    shutil.copytree(Path(byheart.__file__).parent, tmp_path / "byheart")
    module = tmp_path / "byheart" / "auditing" / "settings.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(text.replace("\n    def __post_init__", NEW, 1), encoding="utf-8")
    rng = np.random.default_rng(0)
    for name in ("train", "heldout", "generated"):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(30, 2)))
    (tmp_path / "check.py").write_text(
        "import json, inspect, byheart\n"
        "from byheart.cli import run\n"
        "assert byheart.__file__.startswith(str(json.loads(open('here').read())))\n"
        "assert inspect.signature(byheart.audit).parameters['strictness'].default == 2\n"
        "sets = 'train.npy', 'heldout.npy', 'generated.npy'\n"
        "result = byheart.audit(*sets, permutations=99, strictness=5)\n"
        "assert result.parameters['strictness'] == 5\n"
        "words = [w for r in ('train', 'heldout', 'generated') for w in (f'--{r}', f'{r}.npy')]\n"
        "assert run(['audit', *words, '--permutations', '99', '--strictness', '7']) == 0\n"
        "report = json.loads(open('byheart-report/report.json').read())\n"
        "assert report['parameters']['strictness'] == 7\n"
        "assert '--strictness 7' in open('byheart-report/report.html').read()\n"
        "assert run(['verify', 'byheart-report/report.json']) == 0\n"
        "monitor = byheart.MemorizationMonitor('train.npy', 'heldout.npy', strictness=3)\n"
        "checked = monitor.checkpoint(1, 'generated.npy')\n"
        "assert checked.audit.parameters['strictness'] == 3\n",
        encoding="utf-8",
    )
    (tmp_path / "here").write_text(f'"{tmp_path}"', encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "check.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
