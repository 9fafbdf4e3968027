"""The three phases against brute force, in their limits, and their false alarms by simulation."""

import numpy as np
import pytest
from scipy.stats import binom

from byheart import InputError
from byheart.auditing.metrics import phases as module
from byheart.auditing.metrics.phases import FALSE_ALARM, PHASES, phases


def distances(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))


def brute(train, heldout, generated, second=None):
    """Labels from all distances, where no set has to be cut."""
    among = distances(heldout, heldout) + np.diag(np.full(len(heldout), np.inf))
    h = len(heldout)
    delta_m = np.sort(distances(heldout, train).min(axis=1))[int(FALSE_ALARM * (h + 1)) - 1]
    delta_s = np.sort(among.min(axis=1))[int(FALSE_ALARM * h) - 1]
    if second is None:
        other = distances(generated, generated) + np.diag(np.full(len(generated), np.inf))
    else:
        other = distances(generated, second)
    memorized = distances(generated, train).min(axis=1) <= delta_m
    spurious = ~memorized & (other.min(axis=1) <= delta_s)
    return np.where(memorized, 0, np.where(spurious, 1, 2)), delta_m, delta_s


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    train, heldout, generated, second = rng.normal(size=(4, 60, 3))
    generated[:15] = train[:15] + 0.01 * rng.normal(size=(15, 3))  # copies
    generated[15:25] = generated[25]  # repeats of another sample
    second[:9] = generated[40:49] + 0.01
    return train, heldout, generated, second[:59]


@pytest.mark.parametrize("independent", [False, True])
def test_labels_are_those_of_all_distances(sets, independent):
    given = sets if independent else sets[:3]
    found = phases(*given)
    labels, delta_m, delta_s = brute(*given)
    assert found.labels.tolist() == labels.tolist()
    # square roots of sums of three squares, in another order
    assert (found.delta_m, found.delta_s) == pytest.approx((delta_m, delta_s), rel=1e-14)
    shares = [getattr(found, name) for name in PHASES]
    assert [share.value for share in shares] == pytest.approx(
        np.bincount(labels, minlength=3) / 60, abs=1e-15
    )
    for share in shares:
        assert 0 <= share.interval[0] <= share.value <= share.interval[1] <= 1
    assert found.against == ("a second set" if independent else "itself")


def test_copies_repeats_and_novel_rows_are_told_apart():
    rng = np.random.default_rng(1)
    train, heldout, novel = rng.normal(size=(3, 100, 8))
    generated = np.concatenate([train[:40], np.repeat(novel[:2], 20, axis=0), 9 + novel[:20]])
    found = phases(train, heldout, generated)
    assert found.labels.tolist() == [0] * 40 + [1] * 40 + [2] * 20
    # To an independent set of honest draws nothing is a repeat.
    found = phases(train, heldout, generated, rng.normal(size=(100, 8)))
    assert (found.labels[40:] == 2).all()


def test_equal_samples_are_never_generalized():
    rng = np.random.default_rng(2)
    train, heldout = rng.normal(size=(2, 50, 3))
    pairs = np.repeat(rng.normal(size=(25, 3)), 2, axis=0)
    assert phases(train, heldout, pairs).generalized.value == 0
    assert phases(train, heldout, np.zeros((50, 3))).generalized.value == 0


def test_equal_heldout_and_training_rows_leave_only_exact_copies():
    """Where a fresh draw equals a training row, only an exact copy is nearer than chance."""
    rng = np.random.default_rng(3)
    train = rng.normal(size=(40, 3))
    heldout = np.concatenate([train[:10], rng.normal(size=(30, 3))])
    generated = np.concatenate([train[:20], train[20:] + 1e-6])
    found = phases(train, heldout, generated)
    assert found.delta_m == 0
    assert found.false_alarm[0] == 10 / 41  # and it says what that costs
    assert (found.labels == 0).sum() == 20


def test_ties_in_a_binary_table_are_counted_in_the_false_alarm():
    train, heldout, generated = np.random.default_rng(4).integers(0, 2, size=(3, 60, 4))
    found = phases(train.astype(float), heldout.astype(float), generated.astype(float))
    assert found.delta_m == found.delta_s == 0
    assert found.false_alarm[0] > 0.9  # 16 cells for 60 rows: nearly every row has an equal one
    assert found.memorized.value > 0.9


@pytest.mark.parametrize("change", ["order", "rotation", "scale", "shift", "float32"])
def test_invariances(sets, change):
    rng = np.random.default_rng(5)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    changed = {
        "order": lambda x: x[rng.permutation(len(x))],
        "rotation": lambda x: x @ turn,
        "scale": lambda x: 7.0 * x,
        "shift": lambda x: x + 3.0,
        "float32": lambda x: x.astype(np.float32),
    }[change]
    before, after = phases(*sets), phases(*map(changed, sets))
    for name in PHASES:
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize(("m", "h"), [(99, 99), (60, 99), (99, 60)])
@pytest.mark.parametrize("independent", [False, True])
def test_false_alarms_of_a_perfect_model(m, h, independent):
    """Fresh draws are called memorized with probability r/(h + 1), spurious with about r'/h."""
    rng = np.random.default_rng(6)
    repeats, counts = 150, np.zeros(3)
    for i in range(repeats):
        train, heldout, generated, second = (rng.normal(size=(k, 2)) for k in (80, h, m, m))
        found = phases(train, heldout, generated, second if independent else None, seed=i)
        counts += np.bincount(found.labels, minlength=3)
    rates = counts / counts.sum()
    # A run's rate has mean r/(h + 1) and, from the threshold and from G, a deviation below
    # sqrt(r)/h (1 + sqrt(2)) < .08 with pairs of mutual neighbours: 4 deviations of 150 are .026.
    r = int(FALSE_ALARM * (h + 1))
    assert rates[0] == pytest.approx(r / (h + 1), abs=0.026)
    # A rank r' of h distances, mutual neighbours in pairs: at most one rank more or less.
    assert rates[1] <= (int(FALSE_ALARM * h) + 1) / h + 0.026


def test_the_jackknife_is_that_of_single_deletions(sets):
    train, heldout, generated, _ = sets
    found = phases(train, heldout, generated)
    near = distances(generated, train).min(axis=1)
    values = []
    for j in range(60):
        keep = np.arange(60) != j
        other = distances(generated[keep], generated[keep]) + np.diag(np.full(59, np.inf))
        repeats = (near[keep] > found.delta_m) & (other.min(axis=1) <= found.delta_s)
        values.append(repeats.mean())
    half = 1.959964 * np.sqrt(59 * np.var(values))
    low, high = found.spurious.interval
    share = found.spurious.value
    assert low == pytest.approx(
        min(share - half, module.intervals.wilson(round(60 * share), 60)[0])
    )
    assert high >= share + half - 1e-6


def test_intervals_cover():
    """T, H fixed, G redrawn from a model with copies and repeats, level 10%."""
    rng = np.random.default_rng(7)
    train, heldout = rng.normal(size=(2, 80, 3))
    wells = 4 * rng.normal(size=(30, 3))

    def draw():
        kind = rng.integers(0, 3, size=80)
        made = rng.normal(size=(80, 3))
        made[kind == 0] = train[rng.integers(0, 80, size=(kind == 0).sum())]
        made[kind == 1] = wells[rng.integers(0, 30, size=(kind == 1).sum())]
        return made

    runs = [phases(train, heldout, draw(), level=0.1) for _ in range(80)]
    # Normal intervals may miss a little oftener than they say: allow 15%, as for the metrics.
    least = binom.ppf(0.001, len(runs), 0.85)
    for name in PHASES:
        shares = [getattr(run, name) for run in runs]
        truth = np.mean([share.value for share in shares])
        assert sum(s.interval[0] <= truth <= s.interval[1] for s in shares) >= least, name


def test_few_rows():
    rows = np.arange(3.0)[:, None]
    assert phases(rows, rows[:2], rows[:2]).others == 1
    assert phases(rows, rows[:2], rows[:1], rows).others == 1
    with pytest.raises(InputError, match="heldout: one row has no other row"):
        phases(rows, rows[:1], rows)
    with pytest.raises(InputError, match="generated: one row has no other row"):
        phases(rows, rows, rows[:1])
    with pytest.raises(InputError, match="second: rows of 2 values, and train has 1"):
        phases(rows, rows, rows, np.zeros((3, 2)))
