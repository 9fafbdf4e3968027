"""Training times: what tau means, on trainers whose truth is known; the fit of the power law."""

from __future__ import annotations

import math

import numpy as np
import pytest

from byheart.errors import InputError, UsageError
from byheart.lab.measures.training_time import (
    Onset,
    checkpoints,
    log_steps,
    power_law,
    watch,
)

STEPS = (2, 4, 8, 16, 32, 64)


def trainer(train, good_from, copies_from, seed=0):
    """A model that learns the law at one step and copies from another on; no training at all."""
    rng = np.random.default_rng(seed)
    for step in STEPS:

        def sample(count, step=step):
            fresh = rng.normal(size=(count, train.shape[1]))
            if step < good_from:
                return fresh * (4 - 2 * math.log2(step) / math.log2(good_from))
            if step < copies_from:
                return fresh
            return train[rng.integers(len(train), size=count)] + 0.05 * fresh

        yield step, sample


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(1).normal(size=(2, 150, 4))


@pytest.mark.parametrize(
    ("good_from", "copies_from", "tau_gen", "tau_mem"),
    [
        (8, 32, Onset(4, 8), Onset(16, 32)),
        (4, 8, Onset(2, 4), Onset(4, 8)),
        (8, 1000, Onset(4, 8), Onset(64, math.inf)),  # never within the run: censored
        (8, 2, Onset(4, 8), None),
    ],
)
def test_the_times_are_those_of_a_known_trainer(points, good_from, copies_from, tau_gen, tau_mem):
    train, heldout = points
    run = trainer(train, good_from, copies_from)
    found = watch(train, heldout, run, looks=6, samples=150)
    assert found.steps == STEPS
    assert found.n == 150
    assert found.tau_gen == tau_gen
    if tau_mem is not None:
        assert found.tau_mem == tau_mem
        assert found.copies == tau_mem  # copies are named as soon as there is an alarm
    assert found.best >= tau_gen.by
    # Exact copies in 4 dimensions with noise .05 against spacings of .5: most are at less than a
    # third of the second distance; fresh draws of the law hardly ever.
    shares = dict(zip(found.steps, found.ratio, strict=True))
    for step in STEPS:
        if step >= max(copies_from, good_from):
            assert shares[step] > 0.5
        elif step >= good_from:
            assert shares[step] < 0.15


def test_quality_that_still_falls_at_the_end_has_no_time_yet(points):
    train, heldout = points
    found = watch(train, heldout, trainer(train, 64, 1000), looks=6, samples=150)
    assert found.tau_gen == Onset(64, math.inf)
    assert found.best == 64


def test_something_seen_at_the_first_look_happened_at_any_time_before(points):
    train, heldout = points
    found = watch(train, heldout, trainer(train, 2, 2), looks=6, samples=150)
    assert found.tau_mem == Onset(0, 2)


def test_honest_runs_are_censored():
    alarms = 0
    for seed in range(12):  # each with a split of its own: the level is over splits
        train, heldout = np.random.default_rng(100 + seed).normal(size=(2, 60, 2))
        run = trainer(train, 2, 1000, seed)
        alarms += math.isfinite(watch(train, heldout, run, looks=6, samples=60).tau_mem.by)
    # at most 5% of runs ever: 4 or more of 12 have a chance of .2%
    assert alarms <= 3


def test_log_steps():
    assert log_steps(4, 1500, 16)[0] == 4
    assert log_steps(4, 1500, 16)[-1] == 1500
    assert log_steps(1, 4, 10) == (1, 2, 3, 4)
    ratios = np.diff(np.log(log_steps(100, 10**6, 20)))
    # rounding moves a step by half of one, a hundredth at most
    assert ratios == pytest.approx(np.full(19, math.log(10**4) / 19), abs=0.01)


def exact(times):
    return [Onset(t * (1 - 1e-5), t * (1 + 1e-5)) for t in times]


def test_times_seen_exactly_give_least_squares_and_its_t_interval():
    from scipy.stats import linregress
    from scipy.stats import t as student

    rng = np.random.default_rng(0)
    sizes = np.repeat([50, 100, 200, 400], 3)
    times = 3 * sizes**1.2 * np.exp(0.3 * rng.normal(size=12))
    line = linregress(np.log(sizes), np.log(times))
    half = line.stderr * student.ppf(0.975, 10)
    found = power_law(sizes, exact(times))
    # the times are known up to 1e-5 and the optimiser's end is far below: 1e-4
    assert found.exponent == pytest.approx(line.slope, abs=1e-4)
    assert found.interval == pytest.approx((line.slope - half, line.slope + half), abs=1e-4)
    assert found.factor == pytest.approx(math.exp(line.intercept), rel=1e-3)
    assert (found.runs, found.seen) == (12, 12)


def test_the_unit_of_time_changes_the_factor_alone():
    sizes = [50, 50, 100, 100, 200, 200]
    onsets = [Onset(a, 1.4 * a) for a in (20, 30, 55, 40, 80, 130)]
    found = power_law(sizes, onsets)
    scaled = power_law(sizes, [Onset(10 * o.after, 10 * o.by) for o in onsets])
    assert scaled.exponent == pytest.approx(found.exponent, abs=1e-4)
    assert scaled.interval == pytest.approx(found.interval, abs=1e-3)
    assert scaled.factor == pytest.approx(10 * found.factor, rel=1e-3)


def test_censored_runs_count_as_late():
    sizes = [50, 50, 100, 100, 200, 200, 400, 400]
    times = [10, 12, 20, 24, 40, 48, 80, 96]
    whole = power_law(sizes, exact(times))
    cut = [Onset(60, math.inf) if t > 60 else o for t, o in zip(times, exact(times), strict=True)]
    found = power_law(sizes, cut)
    assert (found.runs, found.seen) == (8, 6)
    # Left out they would say nothing of n = 400; as late ones they agree with the whole.
    assert found.exponent == pytest.approx(whole.exponent, abs=0.1)
    wrong = [Onset(59, 60) if math.isinf(o.by) else o for o in cut]
    assert power_law(sizes, wrong).exponent < found.exponent - 0.1


def test_the_interval_covers():
    rng = np.random.default_rng(0)
    looks = np.geomspace(4, 1500, 16)
    hits, runs = 0, 25
    for _ in range(runs):
        sizes = np.repeat([50, 100, 200, 400], 3)
        onsets = []
        for tau in 3 * sizes * np.exp(0.4 * rng.normal(size=12)):
            k = int(np.searchsorted(looks, tau))
            onsets.append(
                Onset(looks[k - 1] if k else 0.0, looks[k] if k < len(looks) else math.inf)
            )
        low, high = power_law(sizes, onsets).interval
        hits += low <= 1 <= high
    assert hits >= 21  # 25 at 95%: fewer than 21 has a chance of .7%


def test_what_the_runs_do_not_tell_is_left_open():
    never = Onset(100, math.inf)
    found = power_law([50, 100], [Onset(10, 20), never])
    assert found.exponent is None
    assert found.interval == (-math.inf, math.inf)
    assert (found.runs, found.seen) == (2, 1)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: power_law([], []), InputError),
        (lambda: power_law([1, 2], [Onset(1, 2)]), UsageError),
        (lambda: power_law([0], [Onset(1, 2)]), UsageError),
        (lambda: power_law([1], [Onset(1, 2)], level=2), UsageError),
        (lambda: log_steps(0, 5, 2), UsageError),
        (lambda: log_steps(6, 5, 2), UsageError),
    ],
)
def test_what_makes_no_sense_is_refused(call, error):
    with pytest.raises(error):
        call()


def test_a_run_needs_two_looks(points):
    train, heldout = points
    with pytest.raises(InputError, match="at least 2"):
        watch(train, heldout, list(trainer(train, 2, 1000))[:1], looks=2, samples=100)


@pytest.mark.slow
def test_a_network_is_watched(points):
    pytest.importorskip("torch")
    from byheart.lab.diffusion.neural import NeuralDenoiser, mlp

    train, heldout = points
    denoiser = NeuralDenoiser.for_points(mlp(4, width=16, depth=1, seed=0), train)
    states = checkpoints(denoiser, train, log_steps(4, 60, 4), batch_size=50, seed=0)
    found = watch(train, heldout, states, looks=4, samples=60)
    # 150 points in batches of 50: looks at ends of epochs, of 3 steps each
    assert found.steps == (6, 12, 24, 60)
    assert found.quality[-1] < found.quality[0]


def test_the_same_seed_trains_and_samples_alike(points):
    pytest.importorskip("torch")
    from byheart.lab.diffusion.neural import NeuralDenoiser, mlp

    runs = []
    for seed in (0, 0, 1):
        denoiser = NeuralDenoiser.for_points(mlp(4, width=4, depth=1, seed=0), points[0])
        states = checkpoints(denoiser, points[0], (3, 6), batch_size=50, seed=seed)
        runs.append([(step, sample(5)) for step, sample in states])
    assert [step for step, _ in runs[0]] == [3, 6]
    assert all(np.array_equal(x[1], y[1]) for x, y in zip(*runs[:2], strict=True))
    assert not np.array_equal(runs[0][1][1], runs[2][1][1])
