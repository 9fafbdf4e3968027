"""What is built: papers are in the source archive, and not in the wheel, which can do without."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def included(builder):
    return {file.distribution_path for file in builder(str(ROOT)).recurse_included_files()}


def test_the_wheel_holds_no_papers_and_the_source_archive_does():
    pytest.importorskip("hatchling")
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    wheel = included(WheelBuilder)
    assert "byheart/__init__.py" in wheel
    assert {path.split("/")[0] for path in wheel} == {"byheart"}
    source = included(SdistBuilder)
    assert {"papers/__main__.py", "tests/papers/test_distribution.py"} <= source


def test_the_package_does_not_import_papers():
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) papers\b", text, re.MULTILINE), path
