"""A swept parameter: what plans take, which trials there are, and what they share."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from byheart.errors import UsageError
from byheart.lab.diffusion import TikhonovDenoiser
from byheart.lab.sweeps import models
from byheart.lab.sweeps.engines import Trial
from byheart.lab.sweeps.material import prepare
from byheart.lab.sweeps.parameter import SWEEPABLE
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.sweeps.store import Store
from byheart.lab.sweeps.sweep import sweep
from byheart.lab.sweeps.trial import run_trial

BASE = {
    "data": {"kind": "gaussian", "dimension": 4},
    "model": {"kind": "tikhonov"},
    "sweep": {
        "n": [40],
        "repeats": 2,
        "samples": 40,
        "parameter": "constant",
        "values": [0.001, 1],
    },
    "distance": {"fresh": 60},
}
MLP = {"kind": "mlp", "training_steps": 4}


def changed(**sections):
    content = copy.deepcopy(BASE)
    for name, keys in sections.items():
        content[name] = keys if keys.get("kind") else {**content.get(name, {}), **keys}
    return content


def test_every_value_is_a_plan_of_its_own():
    plan = Plan.parse(BASE)
    assert [plan.at(v).model.constant for v in plan.sweep.values] == [0.001, 1]
    assert plan.at(None) is plan
    assert plan.parameter.name == "constant"
    assert "constant" not in plan.stated()["model"]
    assert Plan.parse(plan.stated()) == plan


@pytest.mark.parametrize("kind", SWEEPABLE)
def test_what_can_be_swept_is_a_key_of_the_model(kind):
    needed = {"training_steps": 4} if kind in ("mlp", "unet") else {}
    for parameter in SWEEPABLE[kind]:
        model = {"kind": kind, **({} if parameter.name in ("training_steps", "epochs") else needed)}
        sections = changed(model=model, sweep={"parameter": parameter.name, "values": [2, 3]})
        sections["distance"]["definition"] = "matched"
        plan = Plan.parse(sections)
        assert getattr(plan.at(3.0).model, parameter.name) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (changed(sweep={"parameter": "steps"}), r'"steps" cannot be swept.*choose from constant'),
        (
            changed(model={"kind": "empirical"}),
            r'"constant" cannot be swept for model\.kind = "empirical"; sweep n instead',
        ),
        (
            changed(model={"kind": "tikhonov", "constant": 1.0}),
            r"model\.constant is what sweep\.parameter sweeps; leave it out of \[model\]",
        ),
        (changed(sweep={"values": [1, 0.1]}), r"sweep\.values must be increasing, each value once"),
        (changed(sweep={"values": [1]}), r"sweep\.values .*at least 2"),
        (changed(sweep={"values": [-1, 1]}), r"sweep\.values: constant .*greater than 0"),
        (changed(sweep={"values": ["a", "b"]}), r"sweep\.values"),
        (changed(sweep={"values": [float("nan"), 1]}), r"sweep\.values"),
        (changed(sweep={"n": [40, 80]}), r"sweep has a parameter, and so needs a single n"),
        (changed(sweep={"values": None}), r"sweep needs both parameter and values, or neither"),
        (
            changed(
                model={"kind": "mlp"}, sweep={"parameter": "training_steps", "values": [1, 2.5]}
            ),
            r"sweep\.values: training_steps should be a valid integer, got 2\.5",
        ),
        (
            changed(model={**MLP, "epochs": 2}, sweep={"parameter": "width", "values": [4, 8]}),
            r"needs one of epochs and training_steps",
        ),
        (
            changed(
                model={"kind": "linear-multi-step"},
                sweep={"parameter": "noise_floor"},
                distance={"definition": "paper"},
            ),
            r'sweep\.parameter needs audits.*distance\.definition = "matched"',
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(content, words):
    if content["sweep"]["values"] is None:
        content["model"]["constant"] = 1.0
    with pytest.raises(UsageError, match=words) as caught:
        Plan.parse(content, where="p.toml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("p.toml: ")


def test_all_values_see_the_same_data_and_noise(monkeypatch):
    """And the same as a plan without a parameter: only the model differs."""
    material = prepare(Plan.parse(BASE))
    seen = []

    def recorded(model, shared, points, count, seeds):
        seen.append((model.constant, points.copy(), seeds.spawn_key))
        return 2 * points[:count]

    monkeypatch.setattr("byheart.lab.sweeps.trial.draw_samples", recorded)
    outcomes = [run_trial(material, Trial(40, 1, value)) for value in (0.001, 1.0)]
    plain = changed(model={"kind": "tikhonov", "constant": 0.5})
    del plain["sweep"]["parameter"], plain["sweep"]["values"]
    outcomes.append(run_trial(prepare(Plan.parse(plain)), Trial(40, 1)))
    assert [constant for constant, *_ in seen] == [0.001, 1, 0.5]
    for _, points, key in seen[1:]:
        np.testing.assert_array_equal(points, seen[0][1])
        assert key == seen[0][2]
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_sweep_runs_every_value_once_and_goes_on(tmp_path):
    plan, path = Plan.parse(BASE), tmp_path / "s.sqlite"
    with Store.open(path, plan, "") as store:
        kept = Record(40, 1, Outcome(True, 0.0, 9.0, {}), value=1.0)
        store.add(kept)
        store.add(Record(40, 0, None, "it broke", value=0.001))
    records = sweep(plan, path)
    assert [(r.n, r.value, r.repeat) for r in records] == [
        (40, 0.001, 0),
        (40, 0.001, 1),
        (40, 1.0, 0),
        (40, 1.0, 1),
    ]
    assert records[3] == kept
    assert records[0].error == "it broke"
    with Store.read(path) as store:
        assert store.records() == records
        assert store.plan == plan
        assert len(store.finished(with_errors=False)) == 3
        table = store.export(tmp_path / "r.csv").read_text().splitlines()
    assert table[0].startswith('"n","constant","repeat"')
    assert len(table) == 5
    other = changed(sweep={"values": [0.001, 2]})
    with pytest.raises(UsageError, match=r"sweep\.values is \[0\.001, 1\] in the store"):
        Store.open(path, Plan.parse(other), "")


def test_a_store_without_a_parameter_is_what_it_was(tmp_path):
    plain = changed(model={"kind": "tikhonov", "constant": 0.5})
    del plain["sweep"]["parameter"], plain["sweep"]["values"]
    plan = Plan.parse(plain)
    assert set(plan.stated()["sweep"]) == {"n", "repeats", "seed", "samples"}
    with Store.open(tmp_path / "s.sqlite", plan, "") as store:
        columns = [row[1] for row in store._connection.execute("PRAGMA table_info(records)")]
        assert columns == [
            "n", "repeat", "attempts", "positive", "delta_log_size", "distance", "figures", "error",
        ]  # fmt: skip


def test_tikhonov_in_a_plan_has_blobs_of_its_radius():
    plan = Plan.parse(changed(data={"kind": "gaussian", "dimension": 64}))
    shared = prepare(plan)
    points = np.random.default_rng(0).normal(size=(30, 64))
    for constant in (0.001, 1.0):
        model = plan.at(constant).model
        drawn = models.draw_samples(model, shared, points, 200, np.random.SeedSequence(0))
        gaps = np.linalg.norm(drawn[:, None] - points, axis=2).min(axis=1)
        # points are about 11 apart; the mean of 200 lengths of N(0, c I_64) is good to 1%, the end
        # of the schedule to 1%, its steps to a few percent
        assert np.median(gaps) == pytest.approx(np.sqrt(64 * constant), rel=0.06)


def test_a_tiny_constant_ends_its_schedule_lower(monkeypatch):
    levels = []
    mean = TikhonovDenoiser.mean
    monkeypatch.setattr(
        TikhonovDenoiser, "mean", lambda self, y, s: levels.append(s) or mean(self, y, s)
    )
    plan = Plan.parse(BASE)
    shared = prepare(plan)
    model = plan.at(0.001).model
    models.draw_samples(model, shared, np.eye(4), 2, np.random.SeedSequence(0))
    assert min(levels) == pytest.approx(0.1 * np.sqrt(0.001))


@pytest.mark.parametrize(("log_threshold", "near"), [(-20.0, True), (3.0, False)])
def test_empirical_bayes_in_a_plan_copies_or_stays_out(log_threshold, near):
    sections = changed(model={"kind": "empirical-bayes", "log_threshold": log_threshold})
    del sections["sweep"]["parameter"], sections["sweep"]["values"]
    plan = Plan.parse(sections)
    points = np.random.default_rng(0).normal(size=(10, 4))
    drawn = models.draw_samples(plan.model, prepare(plan), points, 60, np.random.SeedSequence(0))
    gaps = np.linalg.norm(drawn[:, None] - points, axis=2).min(axis=1)
    # log K <= log 10 < 3, so nothing is reached; with -20 P(chi²_4 > 40) is below 1e-6
    assert np.median(gaps) < 1e-3 if near else gaps.min() > 1
