"""The generated reference says all there is, and nothing else."""

import doctest
import importlib
import sys
from pathlib import Path
from typing import get_args

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from byheart.cli import app, run  # noqa: E402
from byheart.lab.sweeps import plan  # noqa: E402
from docsite import command_line, markdown, pages, plan_files, python_api, report_json  # noqa: E402

MODULES = (command_line, markdown, pages, plan_files, python_api, report_json)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", command_line.commands())
def test_every_option_of_the_help_is_in_the_reference(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    assert run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    described = {
        form
        for p in command_line.parameters(command_line.commands()[name])
        for form in ((p.metavar,) if p.argument else p.forms)
    }
    words = {word.strip("[](){}│,").split("=")[0] for word in shown.split()}
    flags = {word for word in words if word.startswith("--")} - {"--help"}
    assert flags <= described | set(" ".join(command_line.page().split("`")).split())
    for form in described:
        assert form.lower() in shown.lower()


def test_every_command_is_in_the_reference():
    assert len(command_line.commands()) == len(app.registered_commands)
    text = command_line.page()
    for name in command_line.commands():
        assert f"## byheart {name}\n" in text


def test_every_key_of_a_plan_is_in_the_reference():
    text = plan_files.page()
    for union in (plan.Data, plan.Model):
        for section in get_args(get_args(union)[0]):
            kind = get_args(section.model_fields["kind"].annotation)[0]
            part = text.split(f'### kind = "{kind}"\n')[1].split("\n#")[0]
            for key in set(section.model_fields) - {"kind"}:
                assert f"\n`{key}` *" in part
    assert '`suffix` *`".npy"` or `".csv"` or `".parquet"`, default `".npy"`*' in text


@pytest.mark.parametrize("change", [{"model.nonsense": "x"}, {"sweep.n": None}])
def test_a_key_too_much_or_too_few_stops_the_build(change, monkeypatch):
    meaning = {**plan_files.MEANING, **change}
    monkeypatch.setattr(plan_files, "MEANING", {k: v for k, v in meaning.items() if v})
    with pytest.raises(ValueError, match=next(iter(change))):
        plan_files.page()


def test_a_key_of_the_report_without_meaning_stops_the_build(monkeypatch):
    short = {**report_json.MEANING, "Delta": {"kl": "in nats"}}
    monkeypatch.setattr(report_json, "MEANING", short)
    with pytest.raises(ValueError, match=r"Delta\.l2"):
        report_json.page()


@pytest.mark.parametrize("path", python_api.PAGES)
def test_every_entry_has_a_signature_and_a_text(path):
    page = python_api.PAGES[path]
    text = python_api.pages()[path]
    for module, names in page.parts:
        for name in names or python_api.public_names(importlib.import_module(module)):
            after = text.split(f"### {name}\n")[1]
            assert after.lstrip().startswith("```python\n")
            assert len(after.split("```", 2)[2].strip()) > 10, name
