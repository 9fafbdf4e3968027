"""The story in about a dozen lines, plain where nobody sees colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from byheart.report.terminal import render

PAGE = Path("out/report.html")


def told(result, capsys):
    render(result, PAGE)
    return capsys.readouterr().out


def test_a_dozen_lines_in_order(any_result, capsys):
    text = told(any_result, capsys)
    lines = text.splitlines()
    assert len(lines) <= 12 + len(any_result.warnings)
    assert lines[0].startswith(any_result.verdict)
    assert lines[-2].startswith("  next: ")
    assert lines[-1] == f"  report: {PAGE}"
    assert "\x1b" not in text  # not a terminal


def test_the_evidence_is_named(build, capsys):
    whole = build["copies-images"]()
    text = told(whole, capsys)
    assert "24 of your 400 training images come back" in text
    assert whole.evidence.train_matches[0].real_name in text
    assert f"held-out {whole.evidence.heldout_matches[0].real_name}" in text


@pytest.mark.parametrize(("no_color", "styled"), [("1", False), ("", True), (None, True)])
def test_no_color(build, capsys, monkeypatch, no_color, styled):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("TERM", "xterm-256color")
    if no_color is None:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", no_color)
    assert bool(re.search("\x1b\\[", told(build["copies-images"](), capsys))) == styled
