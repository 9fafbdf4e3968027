"""`byheart filter`: what the report lists is gone, and the set is not called clean."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from byheart.cli import run
from byheart.lab.demo import write_demo


def audit(folder, *extra, generated="generated.npy", heldout="heldout.npy"):
    words = ["--train", str(folder / "train.npy"), "--generated", str(folder / generated)]
    words += ["--heldout", str(folder / heldout)] if heldout else []
    return run(["audit", *words, "--permutations", "99", "--out", str(folder / "report"), *extra])


def clean(folder, *extra, generated="generated.npy", out="clean.npy"):
    report = str(folder / "report" / "report.json")
    given = ["--generated", str(folder / generated), "--out", str(folder / out)]
    return run(["filter", report, *given, *extra])


def test_after_the_filter_no_digit_of_the_demo_is_an_exact_copy(tmp_path, capsys):
    write_demo(tmp_path, 0)
    assert audit(tmp_path, generated="memorizing.npy") == 0
    assert clean(tmp_path, generated="memorizing.npy") == 0
    told = capsys.readouterr().out
    assert "not certified" in told
    assert "--heldout NEW" in told
    train, made = np.load(tmp_path / "train.npy"), np.load(tmp_path / "memorizing.npy")
    left = np.load(tmp_path / "clean.npy")
    known = {row.tobytes() for row in train}
    assert sum(row.tobytes() in known for row in made) > 0
    assert sum(row.tobytes() in known for row in left) == 0
    with open(tmp_path / "report" / "copies.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(left) == len(made) - len(lines)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [int(line["generated_index"]) for line in lines] == [
        row["generated_index"] for row in report["copies"]["rows"]
    ]
    assert f"{len(lines)} of 400 generated rows copy a training row" in told


@pytest.fixture
def copied(tmp_path):
    rng = np.random.default_rng(0)
    train, heldout, fresh = rng.normal(size=(3, 80, 4))
    for name, values in {"train": train, "heldout": heldout}.items():
        np.save(tmp_path / f"{name}.npy", values)
    np.save(tmp_path / "generated.npy", np.r_[fresh, train[:20]])
    return tmp_path


def test_without_a_heldout_set_equal_rows_are_dropped(copied, capsys):
    assert audit(copied, heldout=None) == 0
    assert clean(copied, "--json") == 0
    told = json.loads(capsys.readouterr().out.partition("report.html\n")[2])
    assert (told["rows"], told["dropped"], told["verbatim"], told["tested"]) == (100, 20, 20, False)
    assert len(np.load(copied / "clean.npy")) == 80


def test_another_set_is_refused(copied, capsys):
    assert audit(copied) == 0
    np.save(copied / "other.npy", np.zeros((100, 4)))
    capsys.readouterr()
    assert clean(copied, generated="other.npy") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "not the set that" in told
    assert not (copied / "clean.npy").exists()


def test_rows_are_named_by_the_id_column_which_is_not_compared(tmp_path, capsys):
    rng = np.random.default_rng(1)
    train, heldout, fresh = rng.normal(size=(3, 60, 3))
    sets = {"train": train, "heldout": heldout, "generated": np.r_[fresh[:30], train[:30] + 0.001]}
    for name, values in sets.items():
        head = "who,a,b,c\n" if name != "generated" else "a,b,c\n"
        lines = [
            ("=P" + str(i) + "," if name != "generated" else "") + ",".join(map(str, row)) + "\n"
            for i, row in enumerate(values)
        ]
        (tmp_path / f"{name}.csv").write_text(head + "".join(lines))
    words = [w for name in sets for w in (f"--{name}", str(tmp_path / f"{name}.csv"))]
    options = ["--permutations", "99", "--out", str(tmp_path / "report")]
    assert run(["audit", *words, *options, "--id", "who"]) == 0
    with open(tmp_path / "report" / "copies.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) >= 30
    assert all(line["train_name"] == f"'=P{line['train_index']}" for line in lines)
    assert all(line["generated_name"].startswith("row ") for line in lines)
    assert "training =P" in capsys.readouterr().out
    assert run(["audit", *words, *options, "--id", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
    assert run(["audit", *words, *options, "--id", "who", "--no-examples"]) == 0
    for file in (tmp_path / "report").iterdir():
        text = file.read_text().partition('<script type="application/json"')[0]  # then Vega
        assert "=P" not in text
        assert not re.search(r"\bwho\b", re.sub("<[^>]*>", "", text)), file
