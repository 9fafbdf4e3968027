"""One trial: its measures against the parts they are made of, and its independence of others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from byheart.lab.measures.relative import relative_distance
from byheart.lab.sweeps.engines import Trial
from byheart.lab.sweeps.material import prepare
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.trial import run_trial
from byheart.lab.theory.gaussians import GaussianLaw, kl
from byheart.lab.theory.solvable_model import LinearOneStep

EMPIRICAL = {"kind": "empirical"}


def plan(model, data=None, distance=None, n=(40, 60), **sweep):
    return Plan.parse(
        {
            "data": data or {"kind": "gaussian", "dimension": 8, "mean": 10.0},
            "model": model,
            "sweep": {"n": list(n), "repeats": 5, "samples": 60, **sweep},
            "distance": distance or {},
        }
    )


def test_the_linear_model_is_measured_in_closed_form():
    made = plan({"kind": "linear", "time": 1.5, "noise_scale": 0.5})
    outcome = run_trial(prepare(made), Trial(40, 3))
    data, model, _ = np.random.SeedSequence(0, spawn_key=(40, 3)).spawn(3)
    x = 10 + np.random.default_rng(data).normal(size=(40, 8))
    law = LinearOneStep(8, 1.5, 0.5).fit(x, np.random.default_rng(model))
    delta = relative_distance(x, law, mean=10.0)
    assert outcome.positive == delta.positive
    # Units of the chain differ from the one-step model's by e^T: rounding times conditioning.
    assert outcome.delta_log_size == pytest.approx(delta.log_size, abs=1e-6)
    assert outcome.distance == pytest.approx(
        float(kl(law, GaussianLaw.isotropic(np.full(8, 10.0), 1.0))), rel=1e-8
    )


def test_a_trial_depends_on_its_own_n_and_repeat_alone():
    small, large = (prepare(plan({"kind": "linear"}, n=n)) for n in ((40,), (20, 40, 80)))
    assert run_trial(small, Trial(40, 1)) == run_trial(large, Trial(40, 1))
    assert run_trial(small, Trial(40, 1)) != run_trial(small, Trial(40, 2))
    assert run_trial(small, Trial(40, 1)) != run_trial(
        prepare(plan({"kind": "linear"}, seed=1)), Trial(40, 1)
    )


def test_a_memorizing_model_is_found_and_an_honest_one_is_not():
    digits = {"kind": "digits"}
    copier = run_trial(prepare(plan(EMPIRICAL, digits, n=(200,), samples=200)), Trial(200, 0))
    assert not copier.positive
    assert copier.figures["verdict"] == "memorizes"
    assert copier.figures["delta"] < 0
    assert copier.figures["p_value"] <= 0.05
    assert copier.figures["memorized_share"] == 1
    smooth = {"kind": "linear-multi-step", "noise_floor": 0.25}
    honest = run_trial(prepare(plan(smooth, digits, n=(200,), samples=200)), Trial(200, 0))
    assert honest.positive
    assert honest.figures["verdict"] != "memorizes"
    assert honest.figures["generalized_share"] > 0.9


@pytest.mark.parametrize("form", ["kl", "l2"])
def test_quality_is_best_for_the_law_itself(form):
    """A Gaussian fitted to many points beats one fitted to few, in both forms."""
    model = {"kind": "linear-multi-step", "noise_floor": 0.01}
    distance = {"definition": "matched", "form": form}
    data = {"kind": "gaussian", "dimension": 16}
    material = prepare(plan(model, data, distance, n=(10, 300), samples=300))
    few, many = ([run_trial(material, Trial(n, r)).distance for r in range(2)] for n in (10, 300))
    assert max(many) < min(few)


@pytest.mark.parametrize("form", ["l2", "coordinates"])
def test_the_papers_definition_of_samples(form):
    distance = {"definition": "paper", "form": form, "fresh": 500}
    outcome = run_trial(prepare(plan(EMPIRICAL, distance=distance)), Trial(40, 0))
    assert not outcome.positive
    assert math.isfinite(outcome.distance)


def test_a_command_is_audited_like_any_model(tmp_path):
    script = tmp_path / "model.py"
    script.write_text(
        "import sys, numpy as np\n"
        "train, out, count, seed = sys.argv[1:]\n"
        "x = np.load(train); rng = np.random.default_rng(int(seed))\n"
        "np.save(out, x[rng.integers(len(x), size=int(count))])\n"
    )
    made = Plan.parse(
        {
            "data": {"kind": "digits"},
            "model": {
                "kind": "command",
                "command": "{python} model.py {train} {generated} {count} {seed}",
            },
            "sweep": {"n": [150], "repeats": 1, "samples": 150},
        },
        folder=tmp_path,
    )
    outcome = run_trial(prepare(made, tmp_path / "trials"), Trial(150, 0))
    assert not outcome.positive
    assert outcome.figures["kind"] == "copies"
    assert (tmp_path / "trials" / "n150-repeat0" / "generated.npy").exists()
