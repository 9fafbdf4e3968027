import json
from functools import cache

import numpy as np
import pytest

import byheart
from byheart import MemorizationMonitor
from byheart.auditing import copies
from byheart.errors import InputError, UsageError
from byheart.monitoring.baseline import LowerBound
from byheart.monitoring.quality import Turn
from byheart.monitoring.result import Checkpoint, MonitorResult, Observation


@cache
def digits():
    from sklearn.datasets import load_digits

    rows = load_digits().data / 16
    order = np.random.default_rng(0).permutation(len(rows))
    return rows[order[:500]], rows[order[500:1000]], rows[order[1000:]]


def memorizing_model(step, count, rng):
    """Learns the law first (other digits under noise that fades), then leans on T, then copies."""
    train, _, other = digits()
    made = other[rng.integers(len(other), size=count)]
    noise = np.full(count, 1.5 * np.exp(-step / 2) + 0.05)
    if step > 6:
        copied = rng.random(count) < (step - 6) / 8
        made[copied] = train[rng.integers(len(train), size=copied.sum())]
        noise[copied] = 0.25 * np.exp(-(step - 6) / 4)
    return made + noise[:, None] * rng.normal(size=made.shape)


@cache
def watched():
    train, heldout, _ = digits()
    rng = np.random.default_rng(1)
    monitor = MemorizationMonitor(train, heldout, every=1, samples=600, looks=14)
    alarms = []
    for step in range(1, 15):
        monitor.update(step, lambda count, step=step: memorizing_model(step, count, rng))
        alarms.append(monitor.alarm)
    return monitor.result(), alarms


def small(seed=0, rows=60, **options):
    rng = np.random.default_rng(seed)
    train, heldout = rng.normal(size=(2, rows, 3))
    settings = {"every": 10, "samples": 60, "permutations": 199, "looks": 5, **options}
    return MemorizationMonitor(train, heldout, **settings), train, rng


def copying(train):
    return lambda count: np.resize(train, (count, train.shape[1])) + 1e-3


def test_first_the_law_then_traces_then_copies():
    result, alarms = watched()
    assert result.tau_gen is not None
    assert result.tau_gen.step < result.copies_from
    assert 6 < result.traces_from < result.copies_from
    assert result.best.step <= 6
    assert alarms == [o.step >= result.traces_from for o in result.observations]
    assert f"from step {result.traces_from} on" in result.advice
    assert f"checkpoint of step {result.best.step}" in result.advice


def test_the_curves_tell_the_same_story():
    first, last = watched()[0].observations[0], watched()[0].observations[-1]
    assert first.auc_interval[0] < 0.5 < first.auc_interval[1]
    assert last.auc_interval[0] > 0.5
    assert last.delta_interval[1] < 0
    assert first.quality > 0.1 > 0.02 > last.quality
    assert first.memorized_lower_bound <= 5
    # All but (1 - 1/500)^600 = 30% of the digits are copied; the bound's grid loses up to a tenth.
    assert 150 < last.memorized_lower_bound <= 350
    assert last.memorized_share == last.memorized_lower_bound / 500
    assert last.named > 0


def test_joint_p_values_never_rise():
    p_values = [o.p_joint for o in watched()[0].observations]
    assert np.all(np.diff(p_values) <= 0)


def test_rows_are_flat_and_plain():
    rows = watched()[0].to_rows()
    assert len(rows) == 14
    assert all(np.isscalar(value) for row in rows for value in row.values())
    assert rows[0]["auc_low"] <= rows[0]["auc"] <= rows[0]["auc_high"]
    json.dumps(rows)


@pytest.mark.slow
def test_an_honest_model_seldom_alarms_in_a_whole_run():
    # 100 runs of 6 looks whose samples depend on each other. Allowed 10% at level .1 over the
    # run; P(Binomial(100, .1) > 20) < .001. Unadjusted looks alarm far more often.
    alarms = 0
    for seed in range(100):
        monitor, _, rng = small(seed, rows=40, every=1, samples=40, looks=6, level=0.1)
        kept = rng.normal(size=(40, 3))
        for step in range(1, 7):
            kept = 0.8 * kept + 0.6 * rng.normal(size=(40, 3))
            monitor.update(step, kept)
        alarms += monitor.alarm
    assert alarms <= 20


def test_an_honest_model_gets_the_right_advice():
    monitor, _, rng = small(every=1)
    monitor.update(1, 3 * rng.normal(size=(60, 3)))
    monitor.update(2, rng.normal(size=(60, 3)))
    result = monitor.result()
    assert not monitor.alarm
    assert result.traces_from is result.copies_from is result.tau_gen is None
    assert result.best.step == 2
    assert "go on" in result.advice


def test_sample_is_called_only_when_a_look_is_due():
    monitor, _, rng = small(every=10)
    asked = []

    def sample(count):
        asked.append(count)
        return rng.normal(size=(count, 3))

    seen = [s for s in (0, 3, 9, 11, 12, 19, 20, 47, 49, 50) if monitor.update(s, sample)]
    assert seen == [11, 20, 47, 50]
    assert asked == [60] * 4


def test_steps_must_grow():
    monitor, _, rng = small()
    monitor.observe(7, rng.normal(size=(60, 3)))
    for call in (monitor.observe, monitor.checkpoint):
        with pytest.raises(UsageError, match="not beyond step 7"):
            call(7 if call == monitor.observe else 6, rng.normal(size=(60, 3)))


@pytest.mark.parametrize(
    "bad",
    [
        lambda count: 1 / 0,
        lambda count: np.full((count, 3), np.nan),
        lambda count: np.zeros((count, 4)),
        lambda count: np.zeros((2, 3)),
        lambda count: "nothing.csv",
    ],
)
@pytest.mark.parametrize("call", ["observe", "checkpoint"])
def test_a_failing_sample_leaves_the_monitor_as_it_was(call, bad):
    monitor, _, rng = small()
    monitor.observe(1, rng.normal(size=(60, 3)))
    before = monitor.state_dict()
    with pytest.raises((ZeroDivisionError, InputError)):
        getattr(monitor, call)(20, bad)
    assert monitor.state_dict() == before
    assert monitor.due(20)


def test_a_changing_number_of_samples_is_said():
    monitor, _, rng = small()
    monitor.observe(1, rng.normal(size=(60, 3)))
    assert not monitor.result().warnings
    monitor.observe(2, rng.normal(size=(90, 3)))
    assert "between 60 and 90" in monitor.result().warnings[0]


def test_too_few_relabellings_for_the_plan_are_said():
    assert not small(looks=5, permutations=199)[0].result().warnings  # 200 .05 .8 = 8 looks
    (warning,) = small(looks=16, permutations=199)[0].result().warnings
    assert "up to 1 looks late" in warning
    assert "permutations=399" in warning
    assert not small(looks=16, permutations=399)[0].result().warnings


def test_a_resumed_run_goes_on_as_if_nothing_had_happened():
    def steps(monitor, numbers, train):
        for step in numbers:
            rng = np.random.default_rng(step)
            noise = 2 / step * rng.normal(size=(60, 3))
            monitor.update(10 * step, train[rng.integers(60, size=60)] + noise)

    whole, train, _ = small()
    steps(whole, range(1, 6), train)
    first, _, _ = small()
    steps(first, np.arange(1, 3), train)
    state = json.loads(json.dumps(first.state_dict()))
    assert state == first.state_dict()
    resumed, _, _ = small()
    resumed.load_state_dict(state)
    steps(resumed, range(3, 6), train)
    assert resumed.result() == whole.result()
    assert resumed.state_dict() == whole.state_dict()


def test_a_state_of_another_run_or_a_damaged_one_is_refused():
    monitor, _, rng = small()
    monitor.observe(1, rng.normal(size=(60, 3)))
    state = monitor.state_dict()
    for other in (small(seed=1)[0], small(permutations=299)[0], small(level=0.1)[0]):
        with pytest.raises(UsageError, match="was saved with"):
            other.load_state_dict(state)
    fresh = small()[0]
    empty = fresh.state_dict()
    damage = [
        {},
        {"version": 2, "settings": {}},
        {**state, "crossed": "AA=="},
        {**state, "looks": 2},
        {**state, "observations": [{"step": 1}]},
        {**state, "qualities": [["a", "b", "c"]]},
        {**state, "observations": None},
        {**state, "observations": [{**state["observations"][0], "step": "one"}]},
    ]
    for broken in damage:
        with pytest.raises(UsageError) as error:
            fresh.load_state_dict(broken)
        assert "\n" not in str(error.value)
        assert fresh.state_dict() == empty


def test_a_checkpoint_is_audited_and_counts_as_a_look():
    monitor, train, rng = small(rows=100)
    monitor.observe(1, rng.normal(size=(100, 3)))
    asked = []

    def sample(count):
        asked.append(count)
        return copying(train)(count)

    done = monitor.checkpoint(20, sample, "weights-20.pt")
    assert asked == [60]
    assert (done.step, done.label, done.verdict) == (20, "weights-20.pt", "memorizes")
    assert isinstance(done.audit, byheart.AuditResult)
    result = monitor.result()
    assert result.checkpoints == (done,)
    assert [o.step for o in result.observations] == [1, 20]
    assert result.best.step == 1
    monitor.checkpoint(20, copying(train))  # the same step again is no further look
    assert len(monitor.result().observations) == 2
    resumed = small(rows=100)[0]
    resumed.load_state_dict(json.loads(json.dumps(monitor.state_dict())))
    assert resumed.result().checkpoints[0] == done
    assert resumed.result().checkpoints[0].audit is None


def test_tensors_of_any_kind_are_arrays():
    torch = pytest.importorskip("torch")
    monitor, _, rng = small()
    other, _, _ = small()
    samples = rng.normal(size=(60, 3))
    tensor = torch.tensor(samples, requires_grad=True)
    assert monitor.observe(1, lambda count: tensor) == other.observe(1, samples)


def test_precision_may_change_on_the_way():
    monitor, train, rng = small()
    monitor.observe(1, rng.normal(size=(60, 3)))
    # To float32 all sets are rounded alike, so a copy is still a copy.
    assert monitor.observe(2, train.astype(np.float32)[:50]).reproduced_train == 50
    assert monitor.observe(3, train[:50]).reproduced_train == 50


def test_what_is_constant_is_measured_once(monkeypatch):
    from byheart.monitoring import baseline

    calls = []
    within = baseline.within
    monkeypatch.setattr(
        baseline, "within", lambda *args, **named: calls.append(1) or within(*args, **named)
    )
    monitor, _, rng = small(features=lambda batch: batch * 2)
    for step in range(1, 5):
        monitor.observe(step, rng.normal(size=(60, 3)))
    assert len(calls) == 1
    held = monitor._known.baseline
    for once, again in zip(held.labels(), held.labels(), strict=True):
        np.testing.assert_array_equal(once, again)
        assert set(once.sum(axis=0)) == {60}


def test_a_look_sees_the_audits_own_figures():
    monitor, train, rng = small(rows=100)
    made = train[:40] + 0.01 * rng.normal(size=(40, 3))
    done = monitor.checkpoint(10, made)
    (seen,) = monitor.result().observations
    audit = done.audit
    assert seen.auc == audit.membership.auc
    assert seen.auc_interval == audit.membership.auc_interval
    assert seen.reproduced_train == audit.copies.reproduced_train
    assert seen.reproduced_heldout == audit.copies.reproduced_heldout
    assert seen.named == len(audit.copies.flagged_train)


def test_rows_that_belong_together_are_one_point():
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.normal(size=(60, 3)), 3, axis=0) + 0.01 * rng.normal(size=(180, 3))
    films = np.repeat(np.arange(60), 3)
    train, heldout = frames[:90], frames[90:]
    monitor = MemorizationMonitor(
        train, heldout, every=1, permutations=199, groups=(films[:90], films[90:])
    )
    seen = monitor.update(1, train[:60] + 1e-4)
    result = monitor.result()
    assert (result.train_points, result.heldout_points) == (30, 30)
    assert seen.memorized_lower_bound <= 20
    assert monitor.state_dict()["settings"]["groups"]


def test_tables_are_encoded_with_each_look():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)

    def table(rows, names="ab"):
        return pandas.DataFrame(
            {"x": rng.normal(size=rows), "kind": rng.choice(list(names), size=rows)}
        )

    monitor = MemorizationMonitor(table(50), table(50), every=1, permutations=99)
    monitor.update(1, table(40))
    monitor.update(2, table(40, "abc"))
    assert len(monitor.result().observations) == 2
    assert "c" in monitor.result().warnings[-1]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"every": 0}, "every"),
        ({"samples": 3}, "samples"),
        ({"level": 1.5}, "level"),
        ({"looks": 0}, "looks"),
        ({"permutations": 10}, "permutations"),
    ],
)
def test_unusable_arguments_are_refused(options, word):
    with pytest.raises(UsageError, match=word):
        small(**options)


def test_sets_that_do_not_fit_are_refused_before_training():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="heldout"):
        MemorizationMonitor(rng.normal(size=(20, 3)), rng.normal(size=(20, 4)))
    with pytest.raises(InputError, match="10 in each set"):
        MemorizationMonitor(rng.normal(size=(5, 3)), rng.normal(size=(20, 3)))


@pytest.mark.parametrize("memorized", [0, 10, 60])
def test_lower_bound_is_that_of_the_audit_on_a_coarser_grid(memorized):
    rng = np.random.default_rng(memorized)
    scores = tuple(rng.uniform(1, 2, size=300) for _ in range(2))
    training = np.arange(300) < 150
    for score in scores:
        score[:memorized] = 0
    exact = copies.memorized_lower_bound(scores, training, 0.05, rng)
    found = LowerBound(150, 300, 0.025, np.random.SeedSequence(0)).of(scores, training)
    # The grid steps by a tenth; critical values of 999 draws differ by a few points.
    assert 0.85 * exact - 2 <= found <= exact + 3


def seen(step, quality, traces=False, copied=False):
    zero = (0.0, 0.0)
    return Observation(
        step, 100, 0.5, 0.01 if traces else 0.5, traces, copied, 0.5, zero, 0.0, zero, 0, 0.0, 0,
        0, 0, quality, zero,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("observations", "verdicts", "turned", "words", "best"),
    [
        ([seen(1, 0.5), seen(2, 0.1)], {}, None, "go on", 2),
        ([seen(1, 0.1), seen(2, 0.5)], {}, Turn(1, (1, 1), True), "has fallen since step 1", 1),
        ([seen(1, 0.1), seen(2, 0.11)], {}, Turn(1, (1, 1), False), "was best at step 1", 1),
        ([seen(1, 0.5, True)], {}, None, "no step is clean", None),
        ([seen(1, 0.5), seen(2, 0.1, True)], {}, None, "from step 2 on: stop, and keep", 1),
        (
            [seen(1, 0.5), seen(2, 0.4, True), seen(3, 0.4, True, True)],
            {},
            None,
            "copy them from step 3 on",
            1,
        ),
        (
            [seen(1, 0.5), seen(2, 0.1)],
            {1: "generalizes", 2: "memorizes"},
            None,
            "audit of step 2 says memorizes",
            1,
        ),
    ],
)
def test_advice_is_one_sentence_for_each_case(observations, verdicts, turned, words, best):
    checkpoints = tuple(Checkpoint(s, None, v, None, "", 0.5) for s, v in verdicts.items())
    result = MonitorResult(0.05, 100, 100, tuple(observations), checkpoints, turned, ())
    assert words in result.advice
    assert (None if result.best is None else result.best.step) == best
