"""--no-examples: no value, no column and no name of a row is in any file that an audit writes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from byheart.cli import run

SECRETS = ("quokka", "numbat", "41.62537", "wombat")


def table(path, rows, rng, copied=()):
    lines = [
        f"numbat-{path.stem}-{i},{41.62537 + rng.normal():.5f},{rng.normal():.5f},"
        + ["wombat red", "wombat blue"][int(rng.integers(2))]
        for i in range(rows)
    ]
    lines[: len(copied)] = copied
    path.write_text("\n".join(["quokka_id,quokka_a,quokka_b,quokka_c", *lines]) + "\n")
    return lines


def pictures(folder, rows, rng, copied=()):
    folder.mkdir()
    made = [rng.integers(0, 255, (4, 4), dtype=np.uint8) for _ in range(rows)]
    made[: len(copied)] = copied
    for i, picture in enumerate(made):
        Image.fromarray(picture).save(folder / f"numbat-{i}.png")
    return made


@pytest.mark.parametrize("heldout", [True, False])
@pytest.mark.parametrize("kind", ["table", "images"])
def test_a_search_of_every_file_finds_nothing_of_the_data(tmp_path, capsys, kind, heldout):
    rng = np.random.default_rng(0)
    write, end = (table, ".csv") if kind == "table" else (pictures, "")
    train = write(tmp_path / f"train{end}", 60, rng)
    write(tmp_path / f"heldout{end}", 60, rng)
    write(tmp_path / f"generated{end}", 60, rng, train[:30])
    words = ["--train", str(tmp_path / f"train{end}")]
    words += ["--generated", str(tmp_path / f"generated{end}")]
    words += ["--heldout", str(tmp_path / f"heldout{end}")] * heldout
    words += ["--id", "quokka_id"] * (kind == "table")
    out = tmp_path / "out"
    options = ["--permutations", "99", "--no-examples", "--out", str(out)]
    assert run(["audit", *words, *options]) == 0
    files = {file.name: file.read_text() for file in out.iterdir()}
    assert {"copies.csv", "training_rows.csv", "report.json", "report.html"} <= files.keys()
    assert files["copies.csv"].count("\n") >= 30
    files["stdout"] = capsys.readouterr().out
    for name, text in files.items():
        for secret in SECRETS:
            assert secret not in text, (name, secret)
        assert "data:image" not in text.partition('<script type="application/json"')[0]
    for cell in {cell for line in train for cell in line.split(",")} if kind == "table" else ():
        if re.fullmatch(r"-?\d+\.\d{5}", cell):
            assert not [name for name, text in files.items() if f"{cell}<" in text]
