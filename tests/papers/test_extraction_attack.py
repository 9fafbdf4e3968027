"""The attack: its accounts add up, its seed repeats it, and its controls hold."""

import dataclasses
import json
import math

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.attacks.extraction import extract, held_out_radius
from byheart.lab.attacks.extraction_result import Costs
from byheart.lab.diffusion import EulerSampler, VarianceExploding
from byheart.lab.diffusion.isotropic_mixture import IsotropicMixtureDenoiser
from byheart.lab.reproduction.reproduction import Laboratory
from byheart.lab.sweeps.engines import SerialEngine
from byheart.report.reproduction import render, write_html
from papers import extraction as reproduce_extraction
from papers import known_memorizers
from papers.cells import mean_interval

pytest.importorskip("torch")

RNG = np.random.default_rng(0)
CENTRES = 4 * RNG.normal(size=(2, 6))
TRAIN = np.concatenate([c + RNG.normal(size=(30, 6)) for c in CENTRES])
HELDOUT = np.concatenate([c + RNG.normal(size=(30, 6)) for c in CENTRES])
STEPS = 6
COSTS = Costs(gradient=0.5, training=0.25, clustering=2.0)


def sampler(bandwidth):
    model = IsotropicMixtureDenoiser(TRAIN, bandwidth)
    return EulerSampler(model, VarianceExploding(0.02, 30.0), STEPS, "posterior_mean")


def attack(bandwidth=0.01, **changes):
    settings = {
        "first": 200,
        "pilot": 20,
        "guided": 50,
        "strengths": (1.0, 3.0),
        "clusters": 2,
        "classifier_steps": 20,
        "batch_size": 32,
        "costs": COSTS,
        "seed": 0,
    }
    return extract(sampler(bandwidth), TRAIN, HELDOUT, 0.2, **(settings | changes))


@pytest.fixture(scope="module")
def found():
    return attack()


def test_all_work_is_charged_and_both_arms_get_the_same(found):
    calls = STEPS + 1  # Euler's steps and the posterior mean at the end
    guided = 2 * 20 + 50
    compute = found.attack.compute
    assert compute.denoiser == (200 + guided) * calls
    assert compute.gradient == guided * calls
    assert compute.training == 20 * 32
    set_up = 0.25 * compute.training + 2.0 * 200
    assert compute.units == compute.denoiser + 0.5 * compute.gradient + set_up
    assert found.attack.samples == 200 + guided
    assert found.unconditional.compute.units == found.unconditional.samples * calls
    assert 0 <= compute.units - found.unconditional.compute.units < calls
    assert found.guided.compute == compute
    assert (found.guided.samples, found.as_many.samples) == (50, 50)


def test_counts_are_consistent(found):
    assert found.scored == 30
    assert found.strength in (1.0, 3.0)
    for arm in (found.attack, found.guided, found.unconditional, found.as_many):
        assert arm.train_interval[0] <= arm.train <= arm.train_interval[1] <= 30
        assert arm.train <= arm.hits <= arm.samples  # radius below half of the spacing: one each
        assert arm.ams == arm.hits / arm.samples
        assert arm.ums == arm.train / arm.samples
    for curve, arm in zip(found.curves, (found.attack, found.unconditional), strict=True):
        assert list(curve) == sorted(curve)
        assert curve[-1] == arm.train
    assert found.difference == found.attack.train - found.unconditional.train
    assert found.difference_interval[0] <= found.difference <= found.difference_interval[1]
    assert found.ratio_interval[0] <= found.ratio <= found.ratio_interval[1]
    # The model copies: nearly every unconditional sample is a training point.
    assert found.unconditional.train >= 28
    assert found.unconditional.heldout == 0


def test_the_same_seed_gives_the_same_attack(found):
    def timeless(result):
        return dataclasses.replace(result, seconds=(0.0, 0.0))

    assert timeless(attack()) == timeless(found)
    assert timeless(attack(seed=1)) != timeless(found)


def test_a_model_that_generalizes_gives_no_more_training_than_held_out_points():
    honest = attack(bandwidth=1.5)
    # Samples of a density wider than the radius by far come near to either set by chance alone.
    assert honest.attack.train <= 2
    assert honest.unconditional.train <= 3


def test_costs_are_measured_where_none_are_given():
    costs = attack(costs=None).costs
    assert costs.gradient > 0
    assert costs.training > 0
    assert costs.clustering > 0


def test_the_background_is_a_class_that_is_not_drawn():
    kept = attack(background=True, most=1)
    assert (kept.clusters_found, kept.clusters_kept) == (2, 1)
    with pytest.raises(UsageError, match="guidance needs 2"):
        attack(most=1, cohesion=1.0)


def test_radius():
    assert held_out_radius(TRAIN, TRAIN[:1] + 3, 0.5) > 0
    with pytest.raises(InputError, match="the same columns"):
        held_out_radius(TRAIN, TRAIN[:, :2])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"strengths": ()}, UsageError, "strengths must be at least one number"),
        ({"strengths": (1.0, 1.0)}, UsageError, "none twice"),
        ({"strengths": (-1.0,)}, UsageError, "strengths"),
        ({"first": 0}, UsageError, "first must be at least 1"),
    ],
)
def test_refusals(changes, error, message):
    with pytest.raises(error, match=message):
        attack(**changes)


def test_sets_that_do_not_match_are_refused():
    with pytest.raises(InputError, match="fewer than half of the 60 training rows"):
        extract(sampler(0.01), TRAIN, HELDOUT[:10], 0.2, seed=0)
    with pytest.raises(InputError, match="heldout: 2 columns, and the model has 6"):
        extract(sampler(0.01), TRAIN, HELDOUT[:, :2], 0.2, seed=0)
    with pytest.raises(UsageError, match="radius"):
        extract(sampler(0.01), TRAIN, HELDOUT, 0.0, seed=0)


@pytest.mark.slow
def test_reproduction_in_small(monkeypatch, tmp_path):
    monkeypatch.setattr(reproduce_extraction, "REPEATS", {True: 2})
    monkeypatch.setattr(reproduce_extraction, "QUICK", reproduce_extraction.QUICK[::3])
    monkeypatch.setattr(
        reproduce_extraction,
        "BUDGET",
        {"first": 1500, "pilot": 5, "guided": 10, "classifier_steps": 3, "batch_size": 8},
    )
    monkeypatch.setattr(known_memorizers, "ROWS", 300)
    monkeypatch.setattr(reproduce_extraction, "BANDWIDTHS", (0.02,))
    states = []
    laboratory = Laboratory(tmp_path, SerialEngine(), states.append)
    result = reproduce_extraction.reproduce(laboratory, quick=True)
    assert (states[-1].done, states[-1].total) == (4, 4)
    assert len(result.claims) == 4
    assert result.claims[2].statement.startswith("Control")
    assert all(len(row) == len(t.headings) for t in result.tables for row in t.rows)
    json.dumps(result.to_dict(), allow_nan=False)
    page = write_html(result, tmp_path / "extraction.html")
    render(result, page)
    assert "Memorization divergence" in page.read_text(encoding="utf-8")


def test_an_attack_that_fails_fails_the_experiment(laboratory, monkeypatch):
    """Its own words, in place of a row with fewer attacks."""

    def incoherent(setting, case, seed):
        raise UsageError("1 cluster of 40 is coherent")

    monkeypatch.setattr(reproduce_extraction, "_attack", incoherent)
    setting = known_memorizers.build_setting(laboratory.folder, reproduce_extraction.QUICK, {})
    with pytest.raises(InputError, match="extraction, n = 0, repeat 0: 1 cluster of 40 is"):
        reproduce_extraction._attacks(laboratory, setting, 1)


def test_the_trained_network_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(known_memorizers, "EPOCHS", 1)
    cases = (known_memorizers.Case("network", "ours"),)
    network = known_memorizers.build_setting(tmp_path, cases, {}).network
    written = network.stat().st_mtime_ns
    assert known_memorizers.build_setting(tmp_path, cases, {}).network == network
    assert network.stat().st_mtime_ns == written


def test_means_have_students_interval():
    mean, (low, high) = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2
    # t(2 degrees, .975) = 4.303; deviation 1, of 3 values.
    assert high - mean == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    assert low == pytest.approx(4 - high)
