"""Plan files: what is accepted, what is refused and in which words, and which measure is meant."""

from __future__ import annotations

import copy

import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.sweeps.plan import Plan, differences

BASE = {
    "data": {"kind": "gaussian", "dimension": 4},
    "model": {"kind": "linear"},
    "sweep": {"n": [8, 16], "repeats": 10},
}
COMMAND = {"kind": "command", "command": "{python} t.py {train} {generated}"}


def changed(**sections):
    content = copy.deepcopy(BASE)
    for name, keys in sections.items():
        content[name] = keys if keys.get("kind") else {**content.get(name, {}), **keys}
    return content


def test_a_file_is_read_with_its_folder(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        '[data]\nkind = "file"\npath = "x.npy"\n[model]\nkind = "empirical"\n'
        "[sweep]\nn = [8]\nrepeats = 2\n"
    )
    plan = Plan.load(path)
    assert plan.folder == str(tmp_path)
    assert plan.stated()["sweep"] == {"n": [8], "repeats": 2, "seed": 0, "samples": 400}
    assert "folder" not in plan.stated()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (changed(model={"tme": 3}), r"model\.tme is not a key.*did you mean time\?"),
        (changed(sweep={"colour": 3}), r"sweep\.colour .*choose from n, repeats, seed, samples"),
        (changed(model={"time": "3"}), r"model\.time .*number, got '3'"),
        (changed(model={"time": 0}), r"model\.time .*greater than 0"),
        (changed(model={"time": float("inf")}), r"model\.time .*finite"),
        (changed(model={"kind": "linea"}), r'model\.kind = "linea" is unknown; choose.*linear'),
        ({**BASE, "model": {"time": 2}}, r"model\.kind is missing; choose from linear"),
        ({k: v for k, v in BASE.items() if k != "model"}, r"model is missing"),
        ({**BASE, "swep": {}}, r"swep is not a section; choose from data, model"),
        ({**BASE, "folder": "x"}, r"folder is not a section"),
        (changed(sweep={"n": [8.5]}), r"sweep\.n\.0 .*integer, got 8\.5"),
        (changed(sweep={"n": [1]}), r"sweep\.n\.0 .*greater than or equal to 2"),
        (changed(sweep={"n": []}), r"sweep\.n "),
        (changed(sweep={"n": [16, 8]}), r"sweep\.n must be increasing"),
        (changed(sweep={"repeats": True}), r"sweep\.repeats .*integer, got True"),
        (changed(distance={"form": "kl", "definition": "paper"}), r'form = "kl" does not go'),
        (changed(distance={"fresh": "some"}), r'distance\.fresh must be "exact" or a number'),
        (changed(distance={"fresh_rows": 16}), r"fresh set of 16.*distance\.fresh_rows = 1600"),
        (changed(distance={"fresh": 12}), r"sweep\.n goes up to 16.*distance\.fresh = 1600"),
        (
            changed(model={"kind": "empirical"}, distance={"fresh": "exact"}),
            r'distance\.fresh = "exact" needs',
        ),
        (changed(model={"kind": "mlp"}), r"model needs one of epochs and training_steps"),
        (changed(model={**COMMAND, "command": "x {train} {out}"}), r"\{out\} is not filled in"),
        (changed(model={**COMMAND, "command": "x {train}"}), r"must hold \{generated\}"),
        (changed(model={**COMMAND, "command": "x '{train}"}), r"cannot be split"),
        (changed(model={**COMMAND, "timeout": -1}), r"model\.timeout"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(content, words):
    with pytest.raises(UsageError, match=words) as caught:
        Plan.parse(content, where="p.toml")
    assert str(caught.value).startswith("p.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [("[data", "not TOML"), (b"\xff", "not TOML")])
def test_a_file_that_is_no_plan(tmp_path, text, words):
    path = tmp_path / "p.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=words):
        Plan.load(path)
    with pytest.raises(InputError, match="No such file"):
        Plan.load(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("sections", "measure"),
    [
        ({}, ("paper", "l2", None, 10_000, "kl")),
        ({"distance": {"fresh": 2000}}, ("paper", "l2", 2000, 10_000, "kl")),
        ({"model": {"kind": "empirical"}}, ("matched", "kl", 400, 10_000, "energy")),
        ({"distance": {"definition": "matched"}}, ("matched", "kl", 400, 10_000, "kl")),
        (
            {"model": {"kind": "empirical"}, "distance": {"form": "l2", "definition": "matched"}},
            ("matched", "l2", 400, 10_000, "energy"),
        ),
        (
            {"model": {"kind": "empirical"}, "distance": {"definition": "paper", "fresh": 50}},
            ("paper", "l2", 50, 10_000, "energy"),
        ),
        (
            {"distance": {"definition": "paper", "form": "coordinates"}},
            ("paper", "coordinates", 400, 10_000, "coordinates"),
        ),
    ],
)
def test_the_measure_of_a_plan(sections, measure):
    found = Plan.parse(changed(**sections)).measure
    assert tuple(found) == measure
    assert found.delta
    assert found.distance


def test_differences_name_the_key_and_both_values():
    old = Plan.parse(BASE).stated()
    new = Plan.parse(changed(model={"time": 3.0}, sweep={"repeats": 11})).stated()
    assert differences(old, old) == []
    assert differences(old, new) == [
        "model.time is 2.0 in the store and 3.0 in the plan",
        "sweep.repeats is 10 in the store and 11 in the plan",
    ]
    other = Plan.parse(changed(model={"kind": "empirical"})).stated()
    assert "model.kind is 'linear' in the store and 'empirical' in the plan" in differences(
        old, other
    )
