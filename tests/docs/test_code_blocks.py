"""Every code block of the documentation runs, and prints what is shown."""

import re
import sys
from pathlib import Path

import pytest
from code_blocks import DATA, Mismatch, blocks, run_command, run_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): path for path in sorted(DOCS.rglob("*.md"))}
PAGES["README.md"] = ROOT / "README.md"
STEERING = {"run", "needs", "not run", "output"}
# Blocks of these pages need what a test must not fetch or hours: the models of a hub, the paper's
# full experiment.
BARE = {"docs/how-to/features.md", "docs/explanation/reproduction.md", "README.md"}
# Drawing report.html takes longer than the audit of a small example: one page does it, the others'
# audits write report.json only. The report has its own tests.
DRAWN = {"docs/index.md"}
SLOW = {
    "docs/explanation/extraction.md",
    "docs/explanation/geometry.md",
    "docs/how-to/images.md",
    "docs/how-to/integrations.md",
    "docs/how-to/sweep.md",
    "docs/how-to/tables.md",
    "docs/index.md",
    "docs/tutorial.md",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PAGES]
)
def test_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("COLUMNS", "200")
    if name not in DRAWN:
        monkeypatch.setattr("byheart.report.page.write_html", lambda result, path, **_: path)
    known = set(sys.modules)
    try:
        if name not in BARE:
            run_page(name, PAGES[name].read_text(encoding="utf-8"))
        for shown in (tmp_path / "examples").rglob("*.*"):  # a page shows them as they are
            file = ROOT / shown.relative_to(tmp_path)
            assert shown.read_text(encoding="utf-8") == file.read_text(encoding="utf-8")
    finally:
        for module in set(sys.modules) - known:  # a page's own modules, such as features.py
            if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
                del sys.modules[module]


@pytest.mark.parametrize("name", sorted(set(PAGES) - BARE))
def test_every_block_says_what_it_is(name):
    for block in blocks(PAGES[name].read_text(encoding="utf-8")):
        assert block.language in DATA | STEERING | {"python", "console"}, f"line {block.line}"


def page(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return run_page("page", text)


def test_blocks_share_a_namespace_and_output_is_compared(tmp_path, monkeypatch):
    text = "```python\nx = 2\n```\n\n```python\nprint(x, 1 / 3)\n```\n\n```output\n2 0.33...\n```\n"
    assert page(text, tmp_path, monkeypatch) == 2
    with pytest.raises(Mismatch, match="line 9"):
        page(text.replace("0.33", "0.34"), tmp_path, monkeypatch)


def test_commands_are_compared_and_must_succeed(tmp_path, monkeypatch):
    good = "```console\n$ echo a b\na ...\n$ true\n```\n"
    assert page(good, tmp_path, monkeypatch) == 1
    with pytest.raises(Mismatch, match="echo"):
        page(good.replace("a ...", "c"), tmp_path, monkeypatch)
    with pytest.raises(Mismatch, match="ended with 1"):
        page(good.replace("true", "false"), tmp_path, monkeypatch)


def test_a_block_without_its_extra_is_skipped_alone(tmp_path, monkeypatch):
    text = "<!-- needs: no_such_module -->\n```python\n1 / 0\n```\n\n```python\nx = 1\n```\n"
    assert page(text, tmp_path, monkeypatch) == 1


def test_titled_blocks_become_files(tmp_path, monkeypatch):
    text = '```toml title="plan.toml"\nn = 1\n```\n\n```console\n$ cat plan.toml\nn = 1\n```\n'
    assert page(text, tmp_path, monkeypatch) == 1


def test_generated_pages_run(tmp_path, monkeypatch):
    sys.path.insert(0, str(ROOT))
    from docsite.pages import generated

    ran = page(generated()["reference/report-json.md"], tmp_path, monkeypatch)
    assert ran == 1


def test_the_commands_of_the_readme_run(tmp_path, monkeypatch):
    """Its blocks are plain, to be copied; those that install are run by .ci/run."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    sets = dict(zip(("train", "heldout", "generated"), rng.normal(size=(3, 100, 4)), strict=True))
    np.save(tmp_path / "train.npy", sets["train"])
    for folder in ("train", "heldout", "samples"):
        (tmp_path / folder).mkdir()
        for i, pixels in enumerate(rng.integers(256, size=(40, 6, 6), dtype=np.uint8)):
            Image.fromarray(pixels).save(tmp_path / folder / f"{i}.png")
    ran = 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("byheart.report.page.write_html", lambda result, path, **_: path)
    for block in blocks(PAGES["README.md"].read_text(encoding="utf-8")):
        if block.language == "python":
            exec(block.body, dict(sets))
            ran += 1
        for line in block.body.splitlines():
            # a sweep takes a plan file and time: docs/how-to/sweep.md runs one
            command = line.removeprefix(".venv/bin/")
            if re.match("byheart (?!sweep|transition|reproduce)", command):
                ran += 1
                assert run_command(command, 0)[1] == 0, line
    assert ran == 4
