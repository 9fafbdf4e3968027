"""The two scales of a transition: exact cases, coverage, censoring, the word and its reason."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.measures.relative import relative_distance
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.theory.gaussians import GaussianLaw, kl
from byheart.lab.theory.solvable_model import LinearOneStep
from byheart.lab.transition.result import transition


def sweep(sizes, share, mean, trials, rng, spread=0.4):
    """Records with P(Delta > 0) = share(n) and lognormal distances of mean mean(n)."""
    return [
        Record(
            int(n),
            i,
            Outcome(
                bool(rng.random() < share(n)),
                0.0,
                float(mean(n) * rng.lognormal(-(spread**2) / 2, spread)),
            ),
        )
        for n in sizes
        for i in range(trials)
    ]


def logistic(centre, slope):
    return lambda n: 1 / (1 + (n / centre) ** -slope)


def single_peaked(at):
    return lambda n: math.exp(-1.5 * abs(math.log(n / at)))


SIZES = (10, 20, 30, 40, 60, 80, 120, 160)


@pytest.fixture(scope="module")
def solvable():
    """The linear one-step model at d = 16: n_gen = d + 3 = 19, n_mem = 28 (docs)."""
    d, records = 16, []
    model, data = LinearOneStep(d, time=2, noise_scale=1), GaussianLaw.isotropic(np.zeros(16), 1.0)
    for n in (8, 16, 20, 24, 32, 48, 96):
        for i in range(60):
            rng = np.random.default_rng([n, i])
            x = rng.normal(size=(n, d))
            law = model.fit(x, rng)
            delta = relative_distance(x, law)
            records.append(
                Record(n, i, Outcome(delta.positive, delta.log_size, float(kl(law, data))))
            )
    return records


def test_the_solvable_model_aligns_where_theory_says(solvable):
    found = transition(solvable)
    assert found.n_gen.interval == (16.0, 20.0)
    assert found.n_mem.interval == (24.0, 32.0)
    assert 24 < found.n_mem.estimate < 32
    assert found.ratio.estimate == pytest.approx(found.n_mem.estimate / math.sqrt(16 * 20))
    assert found.ratio.interval == (24 / 20, 32 / 16)
    assert found.aligned == "aligned"
    assert found.curve[0].distance == math.inf
    assert found.warnings == ()


def test_order_of_records_does_not_matter_and_the_seed_does(solvable):
    found = transition(solvable, seed=4)
    again = transition([solvable[i] for i in np.random.default_rng(0).permutation(420)], seed=4)
    assert again.n_mem == found.n_mem
    assert again.ratio == found.ratio
    assert transition(solvable, seed=4) == found
    other = transition(solvable, seed=5)
    assert other.curve[3].distance_interval != found.curve[3].distance_interval


@pytest.mark.parametrize(("trials", "centre", "slope"), [(10, 50.0, 3.0), (60, 61.0, 6.0)])
def test_intervals_cover_known_scales(trials, centre, slope):
    rng = np.random.default_rng(7)
    truth = {
        "n_mem": centre,
        "n_mem_95": centre * 19 ** (1 / slope),
        "n_gen": 27.0,
        "ratio": centre / 27,
    }
    covered = dict.fromkeys(truth, 0)
    for _ in range(60):
        records = sweep(SIZES, logistic(centre, slope), single_peaked(27.0), trials, rng)
        found = transition(records, repeats=200)
        for name, value in truth.items():
            low, high = getattr(found, name).interval
            covered[name] += low <= value <= high
    # At coverage .95, Binomial(60, .95) is below 51 with probability .0008 for each name.
    assert min(covered.values()) >= 51, covered


def test_the_end_of_a_plateau_is_covered():
    rng, hits = np.random.default_rng(8), 0
    for _ in range(60):
        records = sweep(SIZES, logistic(60, 5), lambda n: min(1.0, 45 / n), 30, rng)
        low, high = transition(records, repeats=200).n_gen.interval
        hits += low <= 45 <= high
    # At coverage .95, Binomial(60, .95) is below 51 with probability .0008.
    assert hits >= 51


def test_a_few_positives_at_small_n_do_not_fool_it():
    rng = np.random.default_rng(0)

    def share(n):
        return 0.08 if n <= 30 else logistic(100.0, 8.0)(n)

    found = transition(sweep(SIZES, share, single_peaked(15.0), 100, rng))
    assert found.n_mem.interval[0] >= 60


@pytest.mark.parametrize(
    ("share", "mean", "n_mem", "n_gen", "word"),
    [
        (lambda n: 0.0, lambda n: 9 / n, "above 160", "at or below 10", "undecided"),
        (lambda n: 1.0, lambda n: 9 / n, "at or below 10", "at or below 10", "undecided"),
        (logistic(50, 6), lambda n: 1.0, None, "not found", "memorization fades first"),
        (logistic(50, 6), lambda n: math.inf, None, "above 160", "undecided"),
    ],
)
def test_censoring_and_the_word(share, mean, n_mem, n_gen, word):
    found = transition(sweep(SIZES, share, mean, 80, np.random.default_rng(1), spread=0.2))
    assert found.n_mem.censored == n_mem
    assert (found.n_mem.estimate is None) == (n_mem is not None)
    assert found.n_gen.censored == n_gen
    assert found.aligned == word
    assert "\n" not in found.reason


def test_scales_far_apart_are_not_aligned():
    rng = np.random.default_rng(2)
    sizes = (10, 30, 100, 300, 1000, 3000, 10000)
    late = transition(sweep(sizes, logistic(17, 8), single_peaked(3000), 60, rng))
    assert late.aligned == "memorization fades first"
    early = transition(sweep(sizes, logistic(5500, 8), single_peaked(30), 60, rng))
    assert early.aligned == "quality improves first"
    assert early.ratio.interval[0] > 10


def test_few_trials_do_not_prove_that_quality_stays():
    rng = np.random.default_rng(3)
    found = transition(sweep(SIZES, logistic(50, 9), lambda n: 1.0, 4, rng, spread=1.0))
    assert found.aligned == "undecided"
    assert any("fewer than 10 trials" in note for note in found.warnings)


def test_failed_trials_are_left_out_and_counted(solvable):
    failed = [Record(24, 60 + i, None, "out of memory") for i in range(5)]
    lost = [Record(500, i, None, "out of memory") for i in range(3)]
    found, clean = transition(solvable + failed + lost), transition(solvable)
    assert found.errors == 8
    assert found.curve[3].errors == 5
    assert replace(found, curve=(), errors=0, warnings=()) == replace(clean, curve=(), warnings=())
    assert len(found.warnings) == 2
    assert "n = 500" in found.warnings[1]


def test_warnings_name_what_contradicts_the_assumptions():
    rng = np.random.default_rng(4)
    again = transition(sweep(SIZES, lambda n: float(n == 40), lambda n: 1 / n, 40, rng))
    assert any("falls again" in note for note in again.warnings)
    double = transition(
        sweep(SIZES, logistic(50, 6), lambda n: 1.0 if n == 20 else 5 + 100 / n, 40, rng)
    )
    assert any("not single-peaked" in note for note in double.warnings)
    heavy = [
        Record(n, i, Outcome(True, 0.0, 1e6 if i + n == 10 else 1.0))
        for n in (10, 20)
        for i in range(20)
    ]
    assert any("rests on one trial" in note for note in transition(heavy).warnings)
    mixed = [
        Record(n, i, Outcome(True, 0.0, math.inf if i + n == 10 else 1.0))
        for n in (10, 20)
        for i in range(20)
    ]
    assert any("1 of 20 trials at n = 10" in note for note in transition(mixed).warnings)


def test_beyond_the_largest_size():
    rng = np.random.default_rng(6)
    found = transition(sweep(SIZES, logistic(300.0, 3.0), single_peaked(20), 200, rng))
    assert found.n_mem.censored == "above 160"
    low, high = found.extrapolation.interval
    assert low < 300 < high
    assert found.extrapolation.more == pytest.approx(found.extrapolation.estimate - 160)


def test_the_dictionary_is_strict_json(solvable):
    plain = json.loads(json.dumps(transition(solvable).to_dict(), allow_nan=False))
    assert set(plain["n_mem"]) == {"estimate", "interval", "bound", "censored"}
    assert set(plain["curve"][0]) >= {
        "n",
        "p_positive",
        "p_interval",
        "distance",
        "distance_interval",
    }
    assert plain["curve"][0]["distance"] == "inf"
    assert plain["aligned"] == "aligned"
    assert plain["extrapolation"] is None
    above = transition([r for r in solvable if r.n < 24]).to_dict()
    assert above["n_mem"]["estimate"] is None
    assert above["n_mem"]["interval"][1] == "inf"


@pytest.mark.parametrize(
    "records",
    [
        [],
        [Record(10, i, Outcome(True, 0.0, 1.0)) for i in range(5)],
        [Record(10, 0, Outcome(True, 0.0, 1.0)), Record(20, 0, None, "failed")],
        [Record(10, 0, Outcome(True, 0.0, 1.0)), Record(20, 0, Outcome(True, 0.0, math.nan))],
    ],
)
def test_records_that_hold_no_transition_are_refused_in_one_line(records):
    with pytest.raises(InputError) as error:
        transition(records)
    assert "\n" not in str(error.value)


def test_arguments_out_of_range_are_refused(solvable):
    with pytest.raises(UsageError, match="level"):
        transition(solvable, level=1.0)
    with pytest.raises(UsageError, match="repeats"):
        transition(solvable, repeats=3)


def test_one_trial_a_size_gives_figures_without_an_interval_of_the_distance():
    records = [Record(n, 0, Outcome(n > 30, 0.0, 9 / n)) for n in SIZES]
    found = transition(records)
    assert found.curve[0].distance_interval is None
    assert found.aligned == "undecided"
