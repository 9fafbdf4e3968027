"""Neighbour passes on a local Ray cluster: the bits of one process, whoever dies on the way."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import byheart
from byheart.auditing.memory import Audit
from byheart.cli import run
from byheart.distances import shards
from byheart.distances.neighbours import two_way, within
from byheart.distances.rows import Chosen
from byheart.errors import UsageError

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
meet = shards.meet
ROWS = np.random.default_rng(0).normal(size=(2200, 5))


@pytest.fixture(scope="module", autouse=True)
def cluster(local_cluster):
    """One cluster for all tests of the module: a pass joins what it finds connected."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import it


def assert_same_bits(found, expected):
    for name in ("distances", "indices"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()


def compare(generated, real, k=32, max_memory=None):
    """Both passes, sharded and in one process."""
    expected = two_way(generated, real, k)
    answer = two_way(generated, real, k, engine="ray", max_memory=max_memory)
    assert_same_bits(answer.forward, expected.forward)
    assert_same_bits(answer.backward, expected.backward)
    assert_same_bits(within(real, k, engine="ray", max_memory=max_memory), within(real, k))


DATA = {
    "gauss": lambda rng, n, d: rng.normal(size=(n, d)),
    "mean 1e4, near": lambda rng, n, d: 1e4 + 1e-2 * rng.normal(size=(n, d)),
    "binary": lambda rng, n, d: rng.integers(0, 2, size=(n, d)).astype(float),
    "sorted": lambda rng, n, d: np.sort(rng.normal(size=(n, d)), axis=0)[::-1].copy(),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DATA)
def test_small_passes_where_every_rank_is_measured(name, dtype):
    rng = np.random.default_rng(1)
    generated, real = (DATA[name](rng, n, 12).astype(dtype) for n in (1100, 2200))
    real[-20:] = real[:20]
    generated[:700] = real[rng.integers(len(real), size=700)]
    compare(generated, real)


def test_crowded_rows_are_searched_among_all():
    rng = np.random.default_rng(11)
    real = rng.normal(size=(1100, 6))
    real[::97] *= 1e9  # in their frame the others lie too near each other for float32
    compare(real[::4] + 1e-3, real, 4)


@pytest.mark.parametrize(("m", "n", "d"), [(2100, 2049, 500), (1030, 1030, 9000)])
def test_large_passes_whose_far_ranks_are_bounds_of_float32(m, n, d):
    # Beyond 8192 values even the norm of a row depends on the rows that it is summed beside.
    rng = np.random.default_rng(2)
    generated, real = (rng.standard_normal((rows, d), dtype=np.float32) for rows in (m, n))
    assert m * 32 * d > 1 << 25
    compare(generated, real)


def test_the_cut_into_shards_changes_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    generated, real = (rng.standard_normal((n, 1000), dtype=np.float32) for n in (1100, 3500))
    assert 1100 * 32 * 1000 > 1 << 25
    monkeypatch.setattr(shards, "_TASKS_PER_CORE", 0)  # shards as large as the memory allows
    monkeypatch.setattr(shards, "_COLUMNS", 1)
    for blocks in (1, 2, 4):
        limit = shards.task_memory(blocks, 1000, 4, 32, 1)
        assert shards.ShardedPass(generated, real, 32, 1, limit, None).stripe == blocks * 1024
        answer = two_way(generated, real, engine="ray", max_memory=limit)
        assert_same_bits(answer.forward, two_way(generated, real).forward)
        assert_same_bits(answer.backward, two_way(generated, real).backward)


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (7, 3, 5), (1025, 2, 3), (3, 1030, 2)])
def test_sets_of_few_rows(m, n, k):
    rng = np.random.default_rng(4)
    compare(rng.normal(size=(m, 3)), rng.normal(size=(n, 3)), k)


def test_more_copies_of_a_row_than_a_list_holds():
    rng = np.random.default_rng(5)
    patterns = rng.normal(size=(20, 300)).astype(np.float32)
    real, generated = (patterns[rng.integers(20, size=n)] for n in (2500, 1200))
    compare(generated, real)


def test_mapped_files_and_sources_are_shipped_as_rows(tmp_path):
    rng = np.random.default_rng(6)
    np.save(tmp_path / "real.npy", rng.normal(size=(2500, 20)).astype(np.float32))
    mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
    compare(mapped[:1200], Chosen(mapped, rng.permutation(2500)))


def counting(left, right, first, terms):
    """Says whether shared rows arrived without a copy: read-only, from the object store."""
    assert not left.flags.writeable
    assert right is None or not right.flags.writeable
    return meet(left, right, first, terms)


def test_a_shard_is_put_into_the_store_once(monkeypatch):
    put, stored = ray.put, []
    monkeypatch.setattr(ray, "put", lambda value: stored.append(value) or put(value))
    monkeypatch.setattr(shards, "meet", counting)
    rows = np.random.default_rng(7).normal(size=(4000, 5))
    within(rows, 3, engine="ray")
    two_way(rows[:2000], rows, 3, engine="ray")
    shipped = [len(value) for value in stored if isinstance(value, np.ndarray)]
    assert shipped.count(1024) == 3 + 1 + 3
    assert sum(shipped) == 4000 + 2000 + 4000


def dying(mark, deaths):
    """Return `meet` for workers of which the first `deaths` kill themselves at one shard."""

    def mortal(left, right, first, terms):
        died = len(list(Path(mark).glob("*")))
        if first == (1024, 1024) and died < deaths:
            (Path(mark) / str(died)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return meet(left, right, first, terms)

    return mortal


def test_a_killed_worker_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(shards, "meet", dying(str(tmp_path), shards.ATTEMPTS - 1))
    seen = []
    answer = within(ROWS, 4, engine="ray", progress=lambda *step: seen.append(step))
    assert len(list(tmp_path.glob("*"))) == shards.ATTEMPTS - 1
    assert_same_bits(answer, within(ROWS, 4))
    assert seen == [(done, 6) for done in range(1, 7)]  # 3 shards: 6 pairs


def test_a_shard_that_kills_every_worker_ends_the_pass(monkeypatch, tmp_path):
    monkeypatch.setattr(shards, "meet", dying(str(tmp_path), 100))
    with pytest.raises(UsageError, match="died 3 times at the same shard") as error:
        within(ROWS, 4, engine="ray")
    assert "\n" not in str(error.value)
    monkeypatch.setattr(shards, "meet", meet)
    assert_same_bits(within(ROWS, 4, engine="ray"), within(ROWS, 4))


def test_a_worker_without_this_byheart_is_named(monkeypatch):
    def old(*arguments):
        raise ModuleNotFoundError("No module named 'byheart.distances.shards'")

    monkeypatch.setattr(shards, "meet", old)
    with pytest.raises(UsageError, match="install the same byheart on every node"):
        within(ROWS, 4, engine="ray")


def test_other_processors_are_refused_only_where_they_would_change_the_answer(monkeypatch):
    monkeypatch.setattr(shards, "kernel", lambda: "another BLAS")
    assert_same_bits(within(ROWS, 4, engine="ray"), within(ROWS, 4))
    wide = np.random.default_rng(8).standard_normal((2100, 600), dtype=np.float32)
    with pytest.raises(UsageError, match="this process with another BLAS"):
        within(wide, engine="ray")


def test_a_failure_in_the_driver_cancels_the_tasks():
    def fail(done, steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        within(ROWS, engine="ray", progress=fail)
    assert ray.is_initialized()


def test_a_limit_too_small_names_one_that_does():
    with pytest.raises(UsageError, match=r"pass at least max_memory=\d+") as error:
        within(ROWS, engine="ray", max_memory=1000)
    least = int(str(error.value).split("max_memory=")[1].split()[0])
    assert_same_bits(within(ROWS, engine="ray", max_memory=least), within(ROWS))


def test_an_unknown_engine_is_refused_before_anything_is_read():
    with pytest.raises(UsageError, match="engine must be one of local, ray, got 'dask'"):
        byheart.audit("no.npy", "no.npy", "no.npy", engine="dask")
    with pytest.raises(UsageError, match="engine must be one of"):
        within(ROWS, engine="dask")


@pytest.mark.parametrize("make", ["normal", "binary"])
def test_an_audit_gives_the_same_result(make):
    """Tables of ties included: the order that breaks them is the pool's, whoever meets the rows."""
    rng = np.random.default_rng(9)
    train, heldout, generated = (rng.normal(size=(n, 8)) for n in (600, 500, 1100))
    if make == "binary":
        train, heldout, generated = (1.0 * (rows > 0) for rows in (train, heldout, generated))
    generated[:60] = train[:60]
    serial = byheart.audit(train, heldout, generated, permutations=99)
    sharded = byheart.audit(train, heldout, generated, permutations=99, engine="ray")
    assert sharded == serial
    assert repr(asdict(sharded)) == repr(asdict(serial))  # every digit of every number


def test_an_audit_without_heldout_rows_gives_the_same_result():
    serial = byheart.audit(ROWS, None, ROWS[:500] + 0.1)
    assert byheart.audit(ROWS, None, ROWS[:500] + 0.1, engine="ray") == serial


def test_the_command_writes_the_same_report(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    options = ["--permutations", "99", "--json"]
    for role, rows in (("train", ROWS[:300]), ("heldout", ROWS[300:600]), ("generated", ROWS[:90])):
        np.save(tmp_path / f"{role}.npy", rows)
        options += [f"--{role}", str(tmp_path / f"{role}.npy")]
    reports = []
    for engine in ("local", "ray"):
        out = tmp_path / engine
        assert run(["audit", *options, "--engine", engine, "--out", str(out)]) == 0
        reports.append((out / "report.json").read_bytes())
    assert reports[0] == reports[1]


def test_an_audit_counts_what_its_tasks_need():
    serial = Audit(40, 40, 40, 3000, 4, 32, 99)
    limit = serial.minimum()
    rng = np.random.default_rng(10)
    sets = [rng.standard_normal((40, 3000), dtype=np.float32) for _ in range(3)]
    with pytest.raises(UsageError, match=r"max_memory of .* is too small") as error:
        byheart.audit(*sets, permutations=99, max_memory=limit, engine="ray")
    least = str(error.value).split("--max-memory ")[1]
    byheart.audit(*sets, permutations=99, max_memory=least, engine="ray")
