"""The page's script: data that stay data, one code for all pages."""

from __future__ import annotations

import json

import pytest

from byheart.report.script import POLICY, as_data, script

EVIL = "</script><script>alert(1)</script><!-- \u2028 &"


@pytest.mark.parametrize("value", [EVIL, {EVIL: [EVIL, 1.5, None]}])
def test_data_hold_no_markup_and_come_back(value):
    text = as_data(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


def test_what_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        as_data(float("nan"))


def test_the_code_does_not_depend_on_the_data():
    first, second = script({"a": {"title": EVIL}}), script({"b": {}})
    assert first.code == second.code
    assert first.policy == second.policy
    assert first.policy.startswith(POLICY + "; script-src 'sha256-")
    assert "</script" not in first.code.lower()
    assert "<!--" not in first.code
    assert "unsafe-eval" not in first.policy


def test_no_chart_no_script():
    assert script({}) is None
